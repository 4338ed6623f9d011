/** Which phases may follow a phase. */
export type Transitions<Name extends string> = Readonly<Record<Name, readonly Name[]>>

/**
 * Where something stands. Of each phase there is one object, so that what every request goes through is compared and looked up
 * without a search by name.
 */
export class Phase<Name extends string> {
  readonly name: Name
  /** What has this phase, for the error. */
  readonly #what: string
  readonly #bit: number
  /** The bits of all that may follow. */
  readonly #followers: number

  constructor (name: Name, what: string, names: readonly string[], followers: readonly string[]) {
    this.name = name
    this.#what = what
    this.#bit = bitOf(name, names)
    this.#followers = followers.reduce((bits, follower) => bits | bitOf(follower, names), 0)
  }

  /** The next phase. @throws Error where it may not follow: that is a mistake in the calls */
  to (next: Phase<Name>): Phase<Name> {
    if ((this.#followers & next.#bit) === 0) throw new Error(`${this.#what} cannot go from '${this.name}' to '${next.name}'`)
    return next
  }
}

function bitOf (name: string, names: readonly string[]): number {
  return 1 << names.indexOf(name)
}

/**
 * The phases of something that has these.
 * @param what has the phases, for the error
 * @returns gives the phase of a name
 */
export function phasesOf<Name extends string> (what: string, transitions: Transitions<Name>): (name: Name) => Phase<Name> {
  const names = Object.keys(transitions)
  return name => new Phase(name, what, names, transitions[name])
}
