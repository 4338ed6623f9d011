import { phasesOf } from '../runtime/phases.ts'

/**
 * Where a request stands with the cache:
 * - `begun`
 * - `lookup`: the store is asked
 * - `waiting`: another request fetches the same
 * - `fetching`: the application is asked, its head is not there
 * - `storing`: its body goes to the store as well
 * - `committing`: the body is complete, the store puts it in its place
 * - `over`
 */
type Name = 'begun' | 'lookup' | 'waiting' | 'fetching' | 'storing' | 'committing' | 'over'

const phase = phasesOf<Name>('a cache transaction', {
  begun: ['lookup', 'waiting', 'fetching', 'over'],
  lookup: ['waiting', 'fetching', 'over'],
  waiting: ['lookup', 'fetching', 'over'],
  fetching: ['storing', 'over'],
  storing: ['committing', 'over'],
  committing: ['over'],
  over: [],
})

export const BEGUN = phase('begun')
export const LOOKUP = phase('lookup')
export const WAITING = phase('waiting')
export const FETCHING = phase('fetching')
export const STORING = phase('storing')
export const COMMITTING = phase('committing')
export const OVER = phase('over')
