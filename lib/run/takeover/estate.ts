import { toError } from '../../runtime/caught.ts'
import { HeldConnections } from './held-connections.ts'
import { JournalFile, type Entry } from './journal.ts'
import type { Passing } from '../passing.ts'

/** What a worker leaves behind when it dies: its connections, and what it had in flight on them. */
export class Estate {
  readonly #journal: JournalFile
  readonly #held = new HeldConnections()
  readonly #onFailure: (reason: string) => void
  /** False where nothing can be known of its connections: they end with the worker. */
  #isKept = true

  private constructor (journal: JournalFile, onFailure: (reason: string) => void) {
    this.#journal = journal
    this.#onFailure = onFailure
  }

  /** @param onFailure is told why nothing is kept */
  static open (onFailure: (reason: string) => void): Estate | undefined {
    try {
      return new Estate(new JournalFile(), onFailure)
    } catch (error) {
      onFailure(toError(error).message)
      return undefined
    }
  }

  /** The file of the journal, for the worker. */
  get path (): string {
    return this.#journal.path
  }

  /** The worker has opened the journal. */
  opened (): void {
    this.#journal.unlink()
  }

  /** Keeps a connection that is on its way; `undefined` if it does not. */
  hold (passing: Passing): number | undefined {
    return this.#isKept ? this.#held.hold(passing) : undefined
  }

  arrived (id: number): void {
    this.#held.arrived(id)
  }

  refused (id: number): void {
    this.#held.refused(id)
  }

  closed (ids: readonly number[]): void {
    this.#held.closed(ids)
  }

  /** The journal does not say what is in flight any more. */
  fail (reason: string): void {
    if (!this.#isKept) return
    this.#isKept = false
    this.#held.drop()
    this.#onFailure(reason)
  }

  /**
   * The worker is dead.
   * @param passes others may have its connections; if not, they are closed
   */
  settle (passes: boolean): { passed: Passing[], closed: number } {
    const count = this.#held.size
    const journal = passes && count > 0 ? this.#read() : undefined
    const passed = journal === undefined ? [] : this.#held.inherit(journal)
    this.#held.drop()
    this.#isKept = false
    this.#journal.close()
    return { passed, closed: count - passed.length }
  }

  #read (): ReadonlyMap<number, Entry> | undefined {
    try {
      return this.#journal.read()
    } catch (error) {
      this.#onFailure(toError(error).message)
      return undefined
    }
  }
}
