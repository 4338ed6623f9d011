/** Something that the primary has for as long as it runs, whatever happens to its workers. */
export interface Owned {
  /** Ends it, within the time that it has itself; it is not asked twice. */
  close (): Promise<void>
  /** Ends it at once: the process is about to. */
  kill (): void
}

/** What the primary owns: it is ended in the opposite order, after the workers, which may still use it. */
export class Possessions {
  readonly #owned: Owned[] = []

  add (owned: Owned): void {
    this.#owned.push(owned)
  }

  async close (): Promise<void> {
    for (const owned of this.#owned.splice(0).reverse()) await owned.close()
  }

  kill (): void {
    for (const owned of this.#owned.splice(0)) owned.kill()
  }
}
