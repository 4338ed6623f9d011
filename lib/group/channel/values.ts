import { isRecord } from '../../options/checks.ts'
import type { PurgeMatch } from '../../../types/cache-store.ts'
import type { ServerOptions } from '../../../types/upstream.ts'
import type { Found } from '../resolve/watch.ts'
import type { Held, Shares } from './shares.ts'

// What the keys of a shared group are, and what their values say. They come from other processes, and are read as all that does.

/** What a process says of itself: when it has ended this is removed. */
export const PROCESS_KEYS = {
  /** It has the group. */
  member: (process: string) => `member ${process}`,
  /** It makes use of so much of a limit. */
  held: (process: string, server: string) => `held ${process} ${server}`,
} as const

export const KEYS = {
  ...PROCESS_KEYS,
  edit: (option: string, server: string) => `edit ${option} ${server}`,
  server: (address: string) => `server ${address}`,
  option: (option: string) => `option ${option}`,
  health: (server: string) => `health ${server}`,
  found: (address: string) => `found ${address}`,
  out: (server: string) => `out ${server}`,
  ejected: (server: string) => `ejected ${server}`,
  session: (session: string) => `session ${session}`,
  shares: (server: string) => `shares ${server}`,
  purge: (cache: string, match: object) => `purge ${JSON.stringify([cache, match])}`,
} as const

/** Whether it is a key of what this process says of itself. */
export function isOf (key: string, process: string): boolean {
  return key === KEYS.member(process) || key.startsWith(KEYS.held(process, ''))
}

/** Whether it is a key of what some process says of itself. */
export function isOfProcess (key: string): boolean {
  return Object.hasOwn(PROCESS_KEYS, readKey(key)[0])
}

/** The first word of a key and the rest; of edits and what is held the rest has two words. */
export function readKey (key: string): [kind: string, rest: string] {
  const space = key.indexOf(' ')
  return space === -1 ? [key, ''] : [key.slice(0, space), key.slice(space + 1)]
}

/** A server that was added, as it goes over a channel: certificates as the text that they are. */
export function packServer (server: ServerOptions): ServerOptions {
  const { tls } = server
  if (tls === undefined) return server
  const text = (pem: string | Buffer): string => typeof pem === 'string' ? pem : pem.toString('latin1')
  return {
    ...server,
    tls: {
      ...tls,
      ...(tls.ca === undefined ? undefined : { ca: Array.isArray(tls.ca) ? tls.ca.map(text) : text(tls.ca) }),
      ...(tls.cert === undefined ? undefined : { cert: text(tls.cert) }),
      ...(tls.key === undefined ? undefined : { key: text(tls.key) }),
    },
  }
}

export function readHealth (value: unknown): { healthy: boolean, reason: string | undefined } | undefined {
  if (!isRecord(value) || typeof value['healthy'] !== 'boolean') return undefined
  return { healthy: value['healthy'], reason: textOf(value['reason']) }
}

/** Until when something holds, by the time of day, and why. */
export function readUntil (value: unknown): { until: number, reason: string | undefined } | undefined {
  if (!isRecord(value) || typeof value['until'] !== 'number') return undefined
  return { until: value['until'], reason: textOf(value['reason']) }
}

export function readFound (value: unknown): Found[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.flatMap((one: unknown) => {
    if (!isRecord(one)) return []
    const { host, port, weight, backup } = one
    if (typeof host !== 'string' || typeof port !== 'number') return []
    return [{ host, port, weight: typeof weight === 'number' ? weight : undefined, backup: backup === true }]
  })
}

/** A purge of a cache; what is to be purged is looked at by the cache. */
export function readPurge (value: unknown): { cache: string, match: PurgeMatch, soft: boolean } | undefined {
  if (!isRecord(value) || !isRecord(value['match'])) return undefined
  const { cache, match, soft } = value
  const { key, glob, tag } = match
  if (typeof cache !== 'string') return undefined
  if (typeof key === 'string') return { cache, match: { key }, soft: soft === true }
  if (typeof glob === 'string') return { cache, match: { glob }, soft: soft === true }
  return typeof tag === 'string' ? { cache, match: { tag }, soft: soft === true } : undefined
}

export function readShares (value: unknown): Shares {
  const shares: Record<string, number> = {}
  if (isRecord(value)) for (const [process, share] of Object.entries(value)) if (isCount(share)) shares[process] = share
  return shares
}

export function readHeld (value: unknown): Held | undefined {
  if (!isRecord(value)) return undefined
  const { count, at } = value
  return isCount(count) && typeof at === 'number' ? { count, at } : undefined
}

function isCount (value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function textOf (value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
