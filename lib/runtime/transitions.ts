/** Which phases may follow a phase. */
export type Transitions<Phase extends string> = Readonly<Record<Phase, readonly Phase[]>>

/**
 * The step from a phase to the next, for something that has these.
 * @param what has the phases, for the error
 * @returns gives the next phase back, or throws an Error where it may not follow: that is a mistake in the calls
 */
export function stepsOf<Phase extends string> (what: string, transitions: Transitions<Phase>): (from: Phase, to: Phase) => Phase {
  return (from, to) => {
    if (!transitions[from].includes(to)) throw new Error(`${what} cannot go from '${from}' to '${to}'`)
    return to
  }
}
