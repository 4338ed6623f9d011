import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isRecord } from '../options/checks.ts'
import { unknownOption } from '../options/keys.ts'
import { GROUP } from '../options/table/group.ts'
import { show } from '../options/units.ts'
import { STICKY_KINDS } from './sticky-options.ts'
import type { GroupOptions } from '../../types/upstream.ts'
import type { GroupChanges } from '../../types/live.ts'

type Options = Readonly<Record<string, unknown>>

/** What was made of one option: another value, or parts of the one that was configured. */
export type GroupEdit = { readonly set: unknown } | { readonly merge: Options }

/** The options of a group that may change while it is in use. */
export const GROUP_EDITABLE = [
  'balance', 'sticky', 'queue', 'tries', 'failOnStatus', 'forceRecovery', 'health',
] as const satisfies readonly (keyof GroupChanges)[]
const NAMES: ReadonlySet<string> = new Set(GROUP_EDITABLE)
/** Those of several parts, of which each may change by itself. */
const COMPOSED: ReadonlySet<string> = new Set(['sticky', 'queue', 'health'])

/** What was edited of the options of a group itself. */
export class GroupEdits {
  readonly #configured: Options
  #edits: ReadonlyMap<string, GroupEdit> = new Map()

  constructor (options: GroupOptions<never>) {
    this.#configured = { ...options }
  }

  /** An option as it is now, in the words of the options; `undefined` where it is not set. */
  of (option: string): unknown {
    return this.after(option, this.#edits.get(option))
  }

  /** An option as it is with that edit of it. */
  after (option: string, edit: GroupEdit | undefined): unknown {
    const configured = this.#configured[option]
    if (edit === undefined) return configured
    if ('set' in edit) return edit.set ?? undefined
    return merged(isRecord(configured) ? configured : {}, edit.merge)
  }

  /**
   * What changes make of the edits; nothing is edited yet.
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
   */
  read (changes: unknown): Map<string, GroupEdit | undefined> {
    if (!isRecord(changes)) throw new FST_SCGI_OPT_INVALID('changes', show(changes), 'an object with the options to change')
    const edits = new Map<string, GroupEdit | undefined>()
    for (const [option, change] of Object.entries(changes)) {
      if (!NAMES.has(option)) throw refused(option)
      if (change !== undefined) edits.set(option, this.#compose(option, change))
    }
    return edits
  }

  enter (option: string, edit: GroupEdit | undefined): void {
    const edits = new Map(this.#edits)
    if (edit === undefined) edits.delete(option)
    else edits.set(option, edit)
    this.#edits = edits
  }

  #compose (option: string, change: unknown): GroupEdit | undefined {
    if (change === this.#configured[option] && change !== undefined) return undefined
    if (!COMPOSED.has(option) || !(isRecord(change) || change === true)) return { set: change }
    if (change === true) {
      if (this.#configured[option] !== undefined) return undefined
      throw new FST_SCGI_OPT_UNSUPPORTED(option, 'true is what it was configured as, and it was not')
    }
    const now = this.of(option)
    if (Array.isArray(now)) return { set: mergedInto(option, now, change) }
    if (option === 'sticky' && isRecord(now) && STICKY_KINDS.some(kind => change[kind] !== undefined && now[kind] === undefined)) {
      // Another kind takes the place of the one before.
      return { set: merged('failover' in now ? { failover: now['failover'] } : {}, change) }
    }
    const before = this.#edits.get(option)
    if (before !== undefined && 'merge' in before) return { merge: merged(before.merge, change, true) }
    if (before !== undefined || !isRecord(now)) return { set: merged(isRecord(now) ? now : {}, change) }
    return { merge: change }
  }
}

/** Whether an edit that came from elsewhere is one. */
export function readGroupEdit (value: unknown): GroupEdit | undefined {
  if (!isRecord(value)) return undefined
  if ('set' in value) return { set: value['set'] }
  return isRecord(value['merge']) ? { merge: value['merge'] } : undefined
}

/** Whether it says the same wherever it is read: a function or an expression is of its process alone. */
export function isPlainValue (value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isPlainValue)
  if (isPlainObject(value)) return Object.values(value).every(isPlainValue)
  return value === undefined || value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

/** The check of that type, or the only one there is. */
function mergedInto (option: string, checks: readonly unknown[], change: Options): unknown[] {
  const at = checks.findIndex(check => isRecord(check) && (checks.length === 1 || (check['type'] ?? 'connect') === change['type']))
  if (at === -1) throw new FST_SCGI_OPT_INVALID(option, show(change), "the 'type' of one of its checks, or a list of checks")
  return checks.map((check, index) => index === at && isRecord(check) ? merged(check, change) : check)
}

/** What is named takes the place of what was there, part by part; `null` takes it away. */
function merged (before: Options, change: Options, keepNull = false): Options {
  const after: Record<string, unknown> = { ...before }
  for (const [name, value] of Object.entries(change)) {
    const there = after[name]
    if (value === null && !keepNull) delete after[name]
    else if (isPlainObject(value)) after[name] = merged(isPlainObject(there) ? there : {}, value, keepNull)
    else if (value !== undefined) after[name] = value
  }
  return after
}

function isPlainObject (value: unknown): value is Options {
  return isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value))
}

function refused (name: string): Error {
  if (!Object.hasOwn(GROUP, name)) return unknownOption('group', name, GROUP_EDITABLE, 'an edit')
  const reasons: Readonly<Record<string, string>> = {
    servers: 'servers are added, removed and edited one by one',
    name: 'the group is found by it',
    shared: 'the processes that share the group know each other by it since its start',
  }
  return new FST_SCGI_OPT_UNSUPPORTED(`group.${name}`, `${reasons[name] ?? 'it is made use of when the group starts'}: it stays until the next start`)
}
