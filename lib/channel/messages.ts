import { isEvent } from '../group/channel/log.ts'
import { isRecord } from '../options/checks.ts'
import type { ChannelEvent } from '../../types/channel.ts'

/** What marks the messages of this channel among others between a primary and its workers. */
const MARK = 'fastify-scgi:channel'

/** From a worker to the primary. */
export type ToPrimary =
  /** It is there: the first word, and then again and again. */
  | { readonly type: 'alive', readonly process: string }
  | { readonly type: 'leave', readonly process: string }
  | { readonly type: 'events', readonly events: readonly ChannelEvent[] }
  | { readonly type: 'snapshot', readonly id: number }

/** From the primary to a worker. */
export type ToWorker =
  /** Who is there; `missed` where events were dropped since. */
  | { readonly type: 'members', readonly members: readonly string[], readonly missed: boolean }
  | { readonly type: 'events', readonly events: readonly ChannelEvent[] }
  | { readonly type: 'snapshot', readonly id: number, readonly events: readonly ChannelEvent[] }

export function pack (message: ToPrimary | ToWorker): object {
  return { [MARK]: message }
}

export function readToPrimary (packed: unknown): ToPrimary | undefined {
  const message = unpack(packed)
  if (message === undefined) return undefined
  const { type, process, id } = message
  if ((type === 'alive' || type === 'leave') && typeof process === 'string') return { type, process }
  if (type === 'snapshot' && typeof id === 'number') return { type, id }
  return type === 'events' ? { type, events: eventsOf(message) } : undefined
}

export function readToWorker (packed: unknown): ToWorker | undefined {
  const message = unpack(packed)
  if (message === undefined) return undefined
  const { type, id, members, missed } = message
  if (type === 'members' && Array.isArray(members)) {
    return { type, members: members.filter((member: unknown) => typeof member === 'string'), missed: missed === true }
  }
  if (type === 'snapshot' && typeof id === 'number') return { type, id, events: eventsOf(message) }
  return type === 'events' ? { type, events: eventsOf(message) } : undefined
}

function unpack (packed: unknown): Record<string, unknown> | undefined {
  const message = isRecord(packed) ? packed[MARK] : undefined
  return isRecord(message) ? message : undefined
}

function eventsOf ({ events }: Record<string, unknown>): ChannelEvent[] {
  return Array.isArray(events) ? events.filter(isEvent) : []
}
