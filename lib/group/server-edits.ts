import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isRecord } from '../options/checks.ts'
import { unknownOption } from '../options/keys.ts'
import { SERVER } from '../options/table/group.ts'
import { show } from '../options/units.ts'
import { readServer, type ServerSettings } from './group-options.ts'
import type { BalanceSettings } from './balance-options.ts'

/** The options of a server that may change while it is in its group. */
export type Editable = Omit<ServerSettings, 'address' | 'given' | 'watch' | 'spawn' | 'text' | 'tls'>

/** What an edit was given, as it was given. */
type Changes = Readonly<Record<string, unknown>>

/** Some of them, with new values. */
export type ServerEdit = Partial<Editable>

const EDITABLE = new Set<keyof Editable>([
  'weight', 'maxConns', 'maxFails', 'failTimeout', 'backup', 'down', 'drain', 'slowStart', 'lbset', 'spare', 'standby', 'retry', 'route',
  'redirect', 'keepalive', 'preconnect',
])
/** Those that `null` takes away. */
const REMOVABLE: ReadonlySet<string> = new Set<keyof Editable>(['retry', 'route', 'redirect'])

const NAMES: ReadonlySet<string> = EDITABLE

/**
 * Reads what `edit` was given: the options that it names, as they were given.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readChanges (changes: unknown): Record<string, unknown> {
  if (!isRecord(changes)) throw new FST_SCGI_OPT_INVALID('changes', show(changes), 'an object with the options to change')
  const read: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(changes)) {
    if (!NAMES.has(name)) throw refused(name)
    if (value !== undefined) read[name] = value
  }
  return read
}

/**
 * What changes make of a server as it stands.
 * @param changes as `readChanges` gives them
 * @param balance how its group balances
 * @param alone whether the options go together is not looked at, neither with one another nor with those that stay
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED
 */
export function editOf (server: ServerSettings, changes: Changes, balance: BalanceSettings, alone = false): ServerEdit {
  if (alone) {
    const edits = Object.entries(changes).map(([name, value]) => read(server, {}, { [name]: value }, undefined))
    return Object.assign({}, ...edits)
  }
  return read(server, pick(server, EDITABLE), changes, balance)
}

function read (server: ServerSettings, present: ServerEdit, changes: Changes, balance?: BalanceSettings): ServerEdit {
  const merged: Record<string, unknown> = server.spawn === undefined ? { address: server.given } : { spawn: server.spawn.given }
  for (const [name, value] of Object.entries({ ...present, ...changes })) {
    if (value !== null || !REMOVABLE.has(name)) merged[name] = value
  }
  // One place says what a server may be.
  return pick(readServer(merged, 'server', balance), [...EDITABLE].filter(name => Object.hasOwn(changes, name)))
}

/** The options in which two servers differ, as the second has them. */
export function differences (before: Editable, after: Editable): ServerEdit {
  return pick(after, [...EDITABLE].filter(name => before[name] !== after[name]))
}

/** An edit less the options of another. */
export function without (edit: ServerEdit, other: ServerEdit): ServerEdit {
  const left = { ...edit }
  for (const name of EDITABLE) if (Object.hasOwn(other, name)) delete left[name]
  return left
}

function pick (from: Editable, names: Iterable<keyof Editable>): ServerEdit {
  const picked: ServerEdit = {}
  for (const name of names) copy(picked, from, name)
  return picked
}

function copy<K extends keyof Editable> (to: { [N in K]?: Editable[N] }, from: Editable, name: K): void {
  to[name] = from[name]
}

function refused (name: string): Error {
  if (!Object.hasOwn(SERVER, name)) return unknownOption('server', name, [...EDITABLE], 'an edit')
  return new FST_SCGI_OPT_UNSUPPORTED(`server.${name}`, 'it stays as long as the server is in its group: remove the server, and add it as it shall be')
}
