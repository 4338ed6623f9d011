import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { FST_SCGI_ADMIN_STATE, FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { codeOf, toError } from '../../runtime/caught.ts'
import { isRecord } from '../../options/checks.ts'
import type { UpstreamGroup, UpstreamGroups } from '../../../types/live.ts'

/** The edits of one group, as the file has them. */
interface KeptGroup {
  balance?: unknown
  /** Changes of its other options, one after the other. */
  options?: Record<string, unknown>[]
  /** Servers that came and went, in that order; one that did both is in it no more. */
  members: ({ add: Record<string, unknown> } | { remove: string })[]
  /** Options by server. */
  servers: Record<string, Record<string, unknown>>
}

/** What was edited, in the words of the options. */
export type KeptEdit =
  | { readonly kind: 'options', readonly changes: Record<string, unknown> }
  | { readonly kind: 'add', readonly options: Record<string, unknown> }
  | { readonly kind: 'remove', readonly server: string }
  | { readonly kind: 'edit', readonly server: string, readonly changes: Record<string, unknown> }

const VERSION = 1
/** Milliseconds; to write an edit takes a few. */
const LEFT_BEHIND = 5000
/** Milliseconds from one try to have the file alone to the next. */
const LOCK_LOOK = 10

/** Keeps edits in a file, for the next start. Several processes may: each adds its edit to what is there. */
export class Keep {
  readonly #path: string
  /** Edits are written one after the other. */
  #last: Promise<void> = Promise.resolve()

  constructor (path: string) {
    this.#path = path
  }

  /** Adds an edit. Rejected with FST_SCGI_ADMIN_STATE if it cannot be written; the edit is in effect all the same. */
  add (group: string, edit: KeptEdit): Promise<void> {
    const done = this.#last.then(() => this.#write(group, edit))
    this.#last = done.catch(() => {})
    return done
  }

  /**
   * Makes the edits of the file anew. One that cannot be made any more is left out.
   * @throws FST_SCGI_OPT_INVALID for a file that is none of ours
   */
  async restore (groups: UpstreamGroups, warn: (message: string, error: Error) => void): Promise<void> {
    for (const [name, kept] of await this.#read()) {
      const group = groups.get(name)
      if (group === undefined) {
        warn(`${this.#path} has edits of ${name}, and there is no group of that name`, new Error('no such group'))
        continue
      }
      for (const { what, error } of await redoAll(steps(group, kept))) warn(`an edit of ${name} is not made again: ${what}`, error)
    }
  }

  async #write (name: string, edit: KeptEdit): Promise<void> {
    const temp = `${this.#path}.${process.pid}.tmp`
    const lock = `${this.#path}.lock`
    const owner = randomUUID()
    let locked = false
    try {
      await take(lock, owner)
      locked = true
      const groups = await this.#read()
      const kept = groups.get(name) ?? { members: [], servers: {} }
      enter(kept, edit)
      groups.set(name, kept)
      const file = await open(temp, 'w', 0o600)
      try {
        await file.writeFile(`${JSON.stringify({ version: VERSION, groups: Object.fromEntries(groups) }, null, 2)}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temp, this.#path)
    } catch (error) {
      if (locked) await rm(temp, { force: true }).catch(() => {})
      throw Object.assign(new FST_SCGI_ADMIN_STATE(this.#path, toError(error).message), { cause: error })
    } finally {
      if (locked) await release(lock, owner).catch(() => {})
    }
  }

  async #read (): Promise<Map<string, KeptGroup>> {
    let text: string
    try {
      text = await readFile(this.#path, 'utf8')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return new Map()
      throw new FST_SCGI_OPT_INVALID('state', `'${this.#path}', which cannot be read (${codeOf(error)})`, 'a file that this process may read and write')
    }
    const groups = parse(text)
    if (groups === undefined) throw new FST_SCGI_OPT_INVALID('state', `'${this.#path}', which holds something else`, 'a file that was written by this option, or none')
    return groups
  }
}

/** Makes a file that only one process has at a time. One that is as old as this has been left behind by a process that died. */
async function take (lock: string, owner: string): Promise<void> {
  while (!await isMade(lock, owner)) {
    if (isLeftBehind(await sinceOf(lock))) await clear(lock, owner)
    else await setTimeout(LOCK_LOOK)
  }
}

/** Whoever was so slow that the lock was taken from it must not remove that of another. */
async function release (lock: string, owner: string): Promise<void> {
  if (await readFile(lock, 'utf8') === owner) await rm(lock, { force: true })
}

/**
 * Removes a lock that was left behind. One process does so at a time, and looks again: what another one saw as well may have been removed
 * meanwhile, and made anew.
 */
async function clear (lock: string, owner: string): Promise<void> {
  const claim = `${lock}.old`
  if (await isMade(claim, owner)) {
    if (isLeftBehind(await sinceOf(lock))) await rm(lock, { force: true })
    await rm(claim, { force: true })
  } else if (isLeftBehind(await sinceOf(claim))) {
    await rm(claim, { force: true })
  } else {
    await setTimeout(LOCK_LOOK)
  }
}

/** False where the file is there already. */
async function isMade (path: string, text: string): Promise<boolean> {
  let file
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
  try {
    await file.writeFile(text)
    return true
  } catch (error) {
    // Of a full disk, say: everybody would wait for one that is empty.
    await rm(path, { force: true }).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}

function sinceOf (lock: string): Promise<number | undefined> {
  return stat(lock).then(({ mtimeMs }) => mtimeMs, () => undefined)
}

/** A clock that was set back makes one of the future, which would never be old. */
function isLeftBehind (since: number | undefined): boolean {
  return since !== undefined && Math.abs(Date.now() - since) > LEFT_BEHIND
}

function parse (text: string): Map<string, KeptGroup> | undefined {
  let state: unknown
  try {
    state = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(state) || state['version'] !== VERSION || !isRecord(state['groups'])) return undefined
  const groups = new Map<string, KeptGroup>()
  for (const [name, kept] of Object.entries(state['groups'])) {
    if (!isKept(kept)) return undefined
    groups.set(name, kept)
  }
  return groups
}

function isKept (value: unknown): value is KeptGroup {
  return isRecord(value) && (value['options'] === undefined || (Array.isArray(value['options']) && value['options'].every(isRecord))) && Array.isArray(value['members']) && value['members'].every(isMember) &&
    isRecord(value['servers']) && Object.values(value['servers']).every(isRecord)
}

function isMember (value: unknown): boolean {
  return isRecord(value) && (isRecord(value['add']) || typeof value['remove'] === 'string')
}

function enter (kept: KeptGroup, edit: KeptEdit): void {
  if (edit.kind === 'options') {
    const { balance, ...changes } = edit.changes
    if (balance !== undefined) kept.balance = balance
    if (Object.keys(changes).length > 0) kept.options = withChanges(kept.options ?? [], changes)
  } else if (edit.kind === 'add') kept.members.push({ add: edit.options })
  else if (edit.kind === 'edit') {
    // A server may have any name.
    Object.defineProperty(kept.servers, edit.server, {
      value: { ...kept.servers[edit.server], ...edit.changes }, enumerable: true, configurable: true, writable: true,
    })
  } else {
    Reflect.deleteProperty(kept.servers, edit.server)
    const added = kept.members.findIndex(member => 'add' in member && member.add['address'] === edit.server)
    if (added >= 0) kept.members.splice(added, 1)
    else kept.members.push({ remove: edit.server })
  }
}

/** What was said of an option before counts no more where all of it is said anew. */
function withChanges (before: readonly Record<string, unknown>[], changes: Record<string, unknown>): Record<string, unknown>[] {
  const left = before.map(earlier => Object.fromEntries(Object.entries(earlier).filter(([name, was]) => {
    if (!Object.hasOwn(changes, name)) return true
    const now = changes[name]
    return isRecord(now) && (!isRecord(was) || Object.keys(was).some(part => !Object.hasOwn(now, part) || isRecord(was[part])))
  })))
  return [...left.filter(earlier => Object.keys(earlier).length > 0), changes]
}

interface Step {
  readonly what: string
  redo (): unknown
}

/** An edit may be possible only after another one, whatever their order was. Returns those that are not possible at all. */
async function redoAll (steps: readonly Step[]): Promise<{ what: string, error: Error }[]> {
  const refused: { step: Step, error: Error }[] = []
  for (const step of steps) {
    try {
      await step.redo()
    } catch (error) {
      refused.push({ step, error: toError(error) })
    }
  }
  if (refused.length === 0 || refused.length === steps.length) return refused.map(({ step: { what }, error }) => ({ what, error }))
  return await redoAll(refused.map(({ step }) => step))
}

/** What makes the edits of a group anew. Servers that are there already were added by a process that shares the group, or by the configuration. */
function steps (group: UpstreamGroup, kept: KeptGroup): Step[] {
  // What the file holds is checked by the group itself, as any options are.
  const call = (method: 'add' | 'remove' | 'edit' | 'setOptions', ...given: unknown[]): unknown => {
    const redo: Function = group[method]
    return Reflect.apply(redo, group, given)
  }
  const member = (entry: KeptGroup['members'][number]): Step => {
    if ('remove' in entry) {
      return { what: `remove ${entry.remove}`, redo: () => namesOf(group).has(entry.remove) ? call('remove', entry.remove) : undefined }
    }
    const { address } = entry.add
    return { what: `add ${String(address)}`, redo: () => typeof address === 'string' && namesOf(group).has(address) ? undefined : call('add', entry.add) }
  }
  return [
    ...kept.members.map(member),
    ...Object.entries(kept.servers).map(([server, changes]): Step => ({ what: `edit ${server}`, redo: () => call('edit', server, changes) })),
    ...(kept.balance === undefined ? [] : [{ what: 'balance', redo: () => call('setOptions', { balance: kept.balance }) }]),
    ...(kept.options === undefined ? [] : [{ what: 'options of the group', redo: () => { for (const changes of kept.options ?? []) call('setOptions', changes) } }]),
  ]
}

/** Everything by which servers of a group can be named now. */
function namesOf (group: UpstreamGroup): ReadonlySet<string> {
  const { names, applications } = group.details()
  return new Set([...group.servers.map(({ name }) => name), ...[...names, ...applications].map(({ address }) => address)])
}

/** By which name a server can be found at the next start; `undefined` if there is none, as for one of several processes of an application. */
export function lastingName (group: UpstreamGroup, server: string): string | undefined {
  const application = group.details().applications.find(({ servers }) => servers.includes(server))
  if (application === undefined) return server
  return application.servers.length === 1 ? application.address : undefined
}
