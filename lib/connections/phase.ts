import { phasesOf, type Phase } from '../runtime/phases.ts'
import type { ExchangePhase as Named } from '../../types/exchange.ts'

/**
 * Where an exchange stands:
 * - `connect`: there is no connection yet
 * - `send`: the request is being sent
 * - `head`: all of it has left, and the head of the reply is not complete
 * - `body`: the head is complete
 * - `done`
 */
export type ExchangePhase = Phase<Named | 'done'>

const phase = phasesOf<Named | 'done'>('an exchange', {
  connect: ['send', 'done'],
  // A server may answer before it has read the request.
  send: ['head', 'body', 'done'],
  // Back where the server turns out not to take what was written.
  head: ['send', 'body', 'done'],
  body: ['done'],
  done: [],
})

export const CONNECT = phase('connect')
export const SEND = phase('send')
export const HEAD = phase('head')
export const BODY = phase('body')
export const DONE = phase('done')
