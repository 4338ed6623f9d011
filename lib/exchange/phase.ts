import { phasesOf, type Phase } from '../runtime/phases.ts'

/**
 * Where a request stands between its client and the servers:
 * - `reading`: it is read; its group is being chosen, or its body is coming in
 * - `looking up`: the cache is asked, or waits for another request that fetches the same
 * - `asking`: it is with the servers, and none has answered
 * - `replying`: the head of a reply is there, and the client gets what follows
 * - `detached`: the client has all that it gets, or is gone, and the reply is read to its end for others: a cache, a store, the application
 *   itself (`ignoreClientAbort`)
 * - `over`: nothing more is expected of cache or servers, and nothing of theirs is held
 */
type Name = 'reading' | 'looking up' | 'asking' | 'replying' | 'detached' | 'over'

export type GatewayPhase = Phase<Name>

const phase = phasesOf<Name>('an exchange', {
  // Without a body that is to be waited for, or with one that has come.
  reading: ['looking up', 'asking', 'over'],
  // The cache answers, or has the servers asked.
  'looking up': ['reading', 'over'],
  asking: ['replying', 'detached', 'over'],
  // A 304 that does not say which entry it is about has the servers asked again.
  replying: ['asking', 'detached', 'over'],
  detached: ['over'],
  over: [],
})

export const READING = phase('reading')
export const LOOKING_UP = phase('looking up')
export const ASKING = phase('asking')
export const REPLYING = phase('replying')
export const DETACHED = phase('detached')
export const OVER = phase('over')
