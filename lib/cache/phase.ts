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

const NEXT: Readonly<Record<Phase, readonly Phase[]>> = {
  begun: ['lookup', 'waiting', 'fetching', 'over'],
  lookup: ['waiting', 'fetching', 'over'],
  waiting: ['lookup', 'fetching', 'over'],
  fetching: ['storing', 'over'],
  storing: ['committing', 'over'],
  committing: ['over'],
  over: [],
}

/**
 * The next phase, if it may follow.
 * @throws Error, which is a mistake in the calls
 */
export function follow (phase: Phase, next: Phase): Phase {
  if (!NEXT[phase].includes(next)) throw new Error(`a cache pass cannot go from '${phase}' to '${next}'`)
  return next
}
