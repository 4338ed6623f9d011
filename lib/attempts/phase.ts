import { phasesOf } from '../runtime/phases.ts'

/**
 * Where a request stands with its group:
 * - `begun`: no server was chosen
 * - `opening`: the names of the servers are being resolved
 * - `queued`: all that could serve it are busy, and it waits in the queue
 * - `holding`: no server can be had, and it tries again from time to time
 * - `connecting`: it has a server, which has got nothing of it
 * - `sent`: the server may have got something of it, and has not answered
 * - `answered`: the reply of this server is the one that counts
 * - `over`: it has no server, and gets none
 */
type Name = 'begun' | 'opening' | 'queued' | 'holding' | 'connecting' | 'sent' | 'answered' | 'over'

const phase = phasesOf<Name>('a pass', {
  begun: ['opening', 'queued', 'holding', 'connecting', 'over'],
  opening: ['queued', 'holding', 'connecting', 'over'],
  queued: ['holding', 'connecting', 'over'],
  holding: ['queued', 'holding', 'connecting', 'over'],
  // The next server, after one that could not be reached or had gone stale.
  connecting: ['queued', 'holding', 'connecting', 'sent', 'over'],
  sent: ['queued', 'holding', 'connecting', 'answered', 'over'],
  answered: ['over'],
  over: [],
})

export const BEGUN = phase('begun')
export const OPENING = phase('opening')
export const QUEUED = phase('queued')
export const HOLDING = phase('holding')
export const CONNECTING = phase('connecting')
export const SENT = phase('sent')
export const ANSWERED = phase('answered')
export const OVER = phase('over')
