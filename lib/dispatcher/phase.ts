import { phasesOf, type Phase } from '../runtime/phases.ts'

/**
 * Where a request of `reply.from()` stands between its client and the application:
 * - `asking`: no head of a reply is there
 * - `replying`: the handler has the head, and gets what follows
 * - `unheard`: the client left before there was a head, and the application finishes all the same; the handler is told at the end
 * - `detached`: the client left when there was one; the handler has been told, and the application finishes all the same
 * - `over`
 */
type Name = 'asking' | 'replying' | 'unheard' | 'detached' | 'over'

export type TrackingPhase = Phase<Name>

const phase = phasesOf<Name>('a request of reply.from()', {
  asking: ['replying', 'unheard', 'over'],
  replying: ['detached', 'over'],
  unheard: ['over'],
  detached: ['over'],
  over: [],
})

export const ASKING = phase('asking')
export const REPLYING = phase('replying')
export const UNHEARD = phase('unheard')
export const DETACHED = phase('detached')
export const OVER = phase('over')
