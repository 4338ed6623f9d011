import type { ExchangePhase } from '../../types/exchange.ts'

/**
 * Where an exchange stands:
 * - `connect`: there is no connection yet
 * - `send`: the request is being sent
 * - `head`: all of it has left, and the head of the reply is not complete
 * - `body`: the head is complete
 * - `done`
 */
export type Phase = ExchangePhase | 'done'

/** Every request goes this way: a look-up is less work than a search. */
const NEXT: Readonly<Record<Phase, Readonly<Record<Phase, boolean>>>> = {
  connect: { connect: false, send: true, head: false, body: false, done: true },
  // A server may answer before it has read the request.
  send: { connect: false, send: false, head: true, body: true, done: true },
  // Back where the server turns out not to take what was written.
  head: { connect: false, send: true, head: false, body: true, done: true },
  body: { connect: false, send: false, head: false, body: false, done: true },
  done: { connect: false, send: false, head: false, body: false, done: false },
}

/**
 * The next phase, if it may follow.
 * @throws Error, which is a mistake in the calls
 */
export function follow (phase: Phase, next: Phase): Phase {
  if (!NEXT[phase][next]) throw new Error(`an exchange cannot go from '${phase}' to '${next}'`)
  return next
}
