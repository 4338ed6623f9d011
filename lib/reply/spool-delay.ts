/** A client that has the application wait for so many milliseconds at a stretch is behind. */
const AT_A_STRETCH = 50
/** And so is one that has it wait for so many in all. */
const IN_ALL = 500

/**
 * How long an application may still have to wait for a client before the reply goes to a file. A file costs more than all the rest
 * of a large reply, and a client that is fast but has others beside it needs none.
 */
export class SpoolDelay {
  readonly #now: () => number
  #began = -1
  #spent = 0

  /** @param now milliseconds */
  constructor (now: () => number) {
    this.#now = now
  }

  /** The application waits from now on. */
  begin (): void {
    this.#began = this.#now()
  }

  /** It goes on. */
  end (): void {
    if (this.#began === -1) return
    this.#spent += this.#now() - this.#began
    this.#began = -1
  }

  /** Milliseconds; to be asked while it waits. */
  get left (): number {
    return Math.ceil(Math.min(AT_A_STRETCH, IN_ALL - this.#spent) - (this.#now() - this.#began))
  }
}
