import { outside } from '../../../runtime/context.ts'
import { readKnown } from '../../../options/read.ts'
import { ROUNDS } from '../../../options/table/cache.ts'

/** How much of the background's work is done before others get their turn. */
export interface RoundOptions {
  /** Files of one round. Default 100. */
  files?: number
  /** Time between two rounds. Default `'50ms'`. */
  sleep?: number | string
  /** A round ends after this time even if there were fewer files. Default `'200ms'`. */
  threshold?: number | string
}

/** Work in the background, in rounds. It keeps no process alive, and stops between two files when it is told. */
export class Rounds {
  readonly #files: number
  readonly #sleep: number
  readonly #threshold: number
  #done = 0
  #begun = performance.now()
  #timer: NodeJS.Timeout | undefined
  #wake: (() => void) | undefined
  #stopped = false

  /** @throws FST_SCGI_OPT_INVALID */
  constructor (name: string, options: RoundOptions = {}) {
    const { files, sleep, threshold } = readKnown(ROUNDS, options, name)
    this.#files = Math.max(1, files)
    this.#sleep = sleep
    this.#threshold = threshold
  }

  get stopped (): boolean {
    return this.#stopped
  }

  /** The first file of a round. */
  begin (): void {
    this.#done = 0
    this.#begun = performance.now()
  }

  /** After a file: waits where the round is over. */
  async step (): Promise<void> {
    if (++this.#done < this.#files && performance.now() - this.#begun < this.#threshold) return
    await this.wait(this.#sleep)
    this.begin()
  }

  /** Waits, but not after `stop()`. */
  wait (milliseconds: number): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    return new Promise(resolve => {
      this.#wake = resolve
      this.#timer = outside(() => setTimeout(resolve, milliseconds).unref())
    })
  }

  /** Ends a waiting. */
  wake (): void {
    clearTimeout(this.#timer)
    this.#wake?.()
  }

  stop (): void {
    this.#stopped = true
    this.wake()
  }
}
