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

const NEXT: Readonly<Record<Phase, readonly Phase[]>> = {
  connect: ['send', 'done'],
  // A server may answer before it has read the request.
  send: ['head', 'body', 'done'],
  // Back where the server turns out not to take what was written.
  head: ['body', 'send', 'done'],
  body: ['done'],
  done: [],
}

/**
 * The next phase, if it may follow.
 * @throws Error, which is a mistake in the calls
 */
export function follow (phase: Phase, next: Phase): Phase {
  if (!NEXT[phase].includes(next)) throw new Error(`an exchange cannot go from '${phase}' to '${next}'`)
  return next
}
