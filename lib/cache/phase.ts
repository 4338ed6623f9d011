import { stepsOf } from '../runtime/transitions.ts'

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
export type Phase = 'begun' | 'lookup' | 'waiting' | 'fetching' | 'storing' | 'committing' | 'over'

/** The next phase. @throws Error where it may not follow */
export const follow = stepsOf<Phase>('a cache transaction', {
  begun: ['lookup', 'waiting', 'fetching', 'over'],
  lookup: ['waiting', 'fetching', 'over'],
  waiting: ['lookup', 'fetching', 'over'],
  fetching: ['storing', 'over'],
  storing: ['committing', 'over'],
  committing: ['over'],
  over: [],
})
