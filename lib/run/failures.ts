import { isRecord } from '../options/checks.ts'
import { codeOf, statusOf } from '../runtime/caught.ts'
import { outside } from '../runtime/context.ts'

/** pino's number for it. */
const ERROR = 50
/** So many kinds at a time; what comes beyond them is written as it comes. */
const MOST = 1000

type Write = (details: object, line: string) => void

interface Kind {
  readonly status: number
  readonly address: string | undefined
  readonly reason: string
  /** Since the last line. */
  count: number
  write: Write
}

/** Failures of the servers: the first of a kind is written as it is, those that follow it in one line for all, again and again. */
export class Failures {
  readonly #window: number
  readonly #kinds = new Map<string, Kind>()
  #timer: NodeJS.Timeout | undefined
  #began = 0

  /** @param window milliseconds */
  constructor (window: number) {
    this.#window = window
  }

  /** What is about to be written is one of many, and is counted instead. */
  swallows (given: readonly unknown[], level: number, write: Write): boolean {
    if (level !== ERROR) return false
    const [details] = given
    const error = isRecord(details) ? details.err : details
    if (!(error instanceof Error) || !/^FST_SCGI_(?!OPT_)/.test(codeOf(error))) return false
    const status = statusOf(error)
    if (status < 500) return false
    const { cause } = error
    const address = 'address' in error && typeof error.address === 'string' ? error.address : undefined
    const reason = codeOf(cause) || (address === undefined ? error.message : codeOf(error))
    const key = `${status} ${address} ${reason}`
    const known = this.#kinds.get(key)
    if (known !== undefined) {
      known.count += 1
      known.write = write
      return true
    }
    if (this.#kinds.size < MOST) this.#kinds.set(key, { status, address, reason, count: 0, write })
    this.#start()
    return false
  }

  /** Writes what is counted, now. */
  flush (): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#tell()
  }

  #start (): void {
    if (this.#timer !== undefined) return
    this.#began = performance.now()
    this.#timer = outside(() => setTimeout(() => this.#tell(), this.#window))
    this.#timer.unref()
  }

  #tell (): void {
    this.#timer = undefined
    const seconds = Math.max(1, Math.round((performance.now() - this.#began) / 1000))
    for (const [key, kind] of this.#kinds) {
      const { status, address, reason, count, write } = kind
      if (count === 0) {
        this.#kinds.delete(key)
        continue
      }
      kind.count = 0
      const from = address === undefined ? '' : ` from ${address}`
      write({ failures: { status, address, reason, count, seconds } }, `${status}${from}: ${reason}, ${count.toLocaleString('en')} ${count === 1 ? 'time' : 'times'} in ${seconds} s`)
    }
    if (this.#kinds.size > 0) this.#start()
  }
}
