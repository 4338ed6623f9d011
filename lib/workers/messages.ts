import { isRecord } from '../options/checks.ts'

/** What marks these messages among others between a primary and its workers. */
const MARK = 'fastify-scgi:ask'

/** A worker by its number in node:cluster. `null` is the primary, where it does not say which workers there are. */
export interface WorkerName {
  readonly worker: number | null
  readonly pid: number
}

/** Between workers, by way of the primary. Which way is told by the type. */
export type Message =
  /** To the primary: this worker answers questions on that. */
  | { readonly type: 'join' | 'leave', readonly topic: string }
  /** To the primary: an order is given also to those that have answered nothing for a while. */
  | { readonly type: 'ask', readonly id: number, readonly topic: string, readonly question: unknown, readonly order: boolean }
  /** From whoever was asked, to the primary; from there to whoever asks, with `id` of theirs. Without `answer` there is none to come. */
  | { readonly type: 'answer', readonly id: number, readonly worker?: number, readonly answer?: unknown }
  /** From the primary: it passes questions on. */
  | { readonly type: 'here' }
  /** From the primary: who answers? */
  | { readonly type: 'who' }
  /** From the primary: these were asked; those that are silent have answered nothing for a while. */
  | { readonly type: 'asked', readonly id: number, readonly workers: readonly WorkerName[], readonly silent: readonly WorkerName[] }
  | { readonly type: 'question', readonly id: number, readonly topic: string, readonly question: unknown }

const TYPES: ReadonlySet<unknown> = new Set(['join', 'leave', 'ask', 'answer', 'here', 'who', 'asked', 'question'] satisfies Message['type'][])

export function pack (message: Message): object {
  return { [MARK]: message }
}

export function unpack (packed: unknown): Message | undefined {
  const message = isRecord(packed) ? packed[MARK] : undefined
  return isMessage(message) ? message : undefined
}

/** Others send messages, too; of this mark only these two sides do. */
function isMessage (message: unknown): message is Message {
  return isRecord(message) && TYPES.has(message['type'])
}
