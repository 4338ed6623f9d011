import { outside } from '../../../runtime/context.ts'
import { parseSize, parseTime } from '../../../options/units.ts'

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
  constructor (name: string, { files = 100, sleep = 50, threshold = 200 }: RoundOptions = {}) {
    this.#files = Math.max(1, parseSize(`${name}.files`, files))
    this.#sleep = parseTime(`${name}.sleep`, sleep)
    this.#threshold = parseTime(`${name}.threshold`, threshold)
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
