/** What the process that leads has given of a limit, by process. */
export type Shares = Readonly<Record<string, number>>

/** What a process says that it makes use of: no more than that, until it says otherwise. */
export interface Held {
  readonly count: number
  /** The clock of the latest shares that it goes by. */
  readonly at: number
}

/**
 * Shares a limit out among processes, so that the sum of what they may use is never more than the limit, whatever they have heard of yet:
 * nobody is given what another one may be using. Who has too much gives it back first, and it is given on when that is known.
 * @param members those that live, in an order that all know alike
 * @param given what was given so far, by process; `undefined` at first
 * @param givenAt the clock of that
 * @param held what each process says that it uses
 */
export function shareOut (
  limit: number, members: readonly string[], given: Shares, givenAt: number, held: ReadonlyMap<string, Held>
): Shares {
  const shares: Record<string, number> = {}
  let free = limit
  for (const [index, member] of members.entries()) {
    const fair = Math.floor(limit / members.length) + (index < limit % members.length ? 1 : 0)
    const before = given[member] ?? 0
    const says = held.get(member)
    // One that has not said that it goes by the present shares may be using all of them, or what it used before. To take from it what it
    // may not have heard of would be forgotten the next time.
    const goesBy = says?.at === givenAt
    const share = shares[member] = goesBy ? Math.min(before, fair) : before
    free -= Math.max(says?.count ?? 0, share)
  }
  for (const [index, member] of members.entries()) {
    const fair = Math.floor(limit / members.length) + (index < limit % members.length ? 1 : 0)
    const has = shares[member] ?? 0
    const more = Math.max(0, Math.min(fair - has, free))
    shares[member] = has + more
    free -= more
  }
  return shares
}

export function sameShares (one: Shares, other: Shares): boolean {
  const members = Object.keys(one)
  return members.length === Object.keys(other).length && members.every(member => one[member] === other[member])
}
