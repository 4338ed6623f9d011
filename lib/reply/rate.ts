import { Readable } from 'node:stream'
import { FST_SCGI_REPLY_TRUNCATED } from '../errors.ts'
import { MAX_TIME } from '../options/units.ts'
import { SourceReader, type SourceListener } from './source-reader.ts'
import type { Timers } from '../runtime/timers.ts'

/** What a rate allows at most at one time after a standstill, in milliseconds of it. */
const CREDIT = 1000
/** Milliseconds of the rate that pass in one piece. */
const PIECE = 50

/** A reply waits with its client, and the process must not end meanwhile: these timers keep it alive. */
const TIMERS: Timers = {
  now: () => performance.now(),
  after (milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds)
    return () => clearTimeout(timer)
  },
}

/**
 * When the next bytes may pass at a rate. What has passed since the beginning is never more than the rate times the time since, and the
 * last piece: with pieces of less than a second's bytes nginx's `rate * (seconds + 1)` is kept at every moment. What a standstill has left
 * unused is made up for, up to a second's bytes.
 */
class Pace {
  readonly #cost: number
  /** When all that has passed will be paid for. */
  #due: number

  /** @param rate bytes a second */
  constructor (rate: number, now: number) {
    this.#cost = 1000 / rate
    this.#due = now
  }

  pass (bytes: number, now: number): void {
    this.#due = Math.max(this.#due, now - CREDIT) + bytes * this.#cost
  }

  /** Milliseconds, 0 if bytes may pass now. */
  wait (now: number): number {
    return Math.max(this.#due - now, 0)
  }
}

export interface RateLimit {
  /** Bytes a second; 0 is without limit. (X-Accel-Limit-Rate, limit_rate) */
  readonly rate: number
  /** Bytes before that, at full speed. Default 0. (limit_rate_after) */
  readonly after?: number | undefined
  /** Bytes that have gone before the payload, asked when its first byte may go: the head of the reply. They count. Default 0. */
  readonly spent?: (() => number) | undefined
  /** Default: the system's. */
  readonly timers?: Timers | undefined
}

/**
 * The same payload, given to its reader no faster than the limit says, in pieces of a twentieth of a second. A Buffer short enough to go
 * at once stays what it is; any other becomes a stream, whose Content-Length is the caller's to set. The time begins
 * with the first byte after `after`; bytes that the reader did not take are no standstill to be made up for by more than a second's.
 * Destroying the stream destroys the payload; an error of the payload is passed on after what came before it.
 */
export function limitRate (payload: Buffer | Readable, limit: RateLimit): Buffer | Readable {
  const { rate, after = 0, spent = () => 0, timers = TIMERS } = limit
  if (!(rate > 0)) return payload
  const piece = Math.max(1, Math.floor(rate * PIECE / 1000))
  if (Buffer.isBuffer(payload) && payload.length <= after + piece) return payload
  return new PacedStream(payload, rate, piece, after, spent, timers)
}

class PacedStream extends Readable implements SourceListener {
  readonly #rate: number
  readonly #piece: number
  readonly #timers: Timers
  readonly #input: SourceReader | undefined
  #free: number
  #spent: (() => number) | undefined
  #pace: Pace | undefined
  readonly #waiting: Buffer[] = []
  #received = 0
  /** The payload is over: nothing comes after what waits. */
  #ended = false
  #failure: Error | undefined
  /** The reader takes more. */
  #wanted = false
  #pumping = false
  #cancel: (() => void) | undefined

  constructor (payload: Buffer | Readable, rate: number, piece: number, after: number, spent: () => number, timers: Timers) {
    super({ highWaterMark: piece })
    this.#rate = rate
    this.#piece = piece
    this.#free = after
    this.#spent = spent
    this.#timers = timers
    if (Buffer.isBuffer(payload)) {
      this.#waiting.push(payload)
      this.#ended = true
    } else {
      this.#input = new SourceReader(payload, this)
    }
  }

  onData (chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#received += chunk.length
    this.#waiting.push(chunk)
    this.#input?.pause()
    this.#pump()
  }

  onEnd (): void {
    this.#ended = true
    this.#pump()
  }

  onError (error: Error | undefined): void {
    this.#ended = true
    this.#failure = error ?? new FST_SCGI_REPLY_TRUNCATED(this.#received, '')
    this.#pump()
  }

  override _read (): void {
    this.#wanted = true
    this.#pump()
  }

  override _destroy (error: Error | null, done: (error?: Error | null) => void): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#waiting.length = 0
    this.#input?.close()
    done(error)
  }

  #pump (): void {
    // A reader that reads while it is given something comes back here.
    if (this.#pumping || this.#cancel !== undefined) return
    this.#pumping = true
    while (!this.destroyed) {
      const [chunk] = this.#waiting
      if (chunk === undefined) {
        this.#refill()
        break
      }
      if (!this.#wanted) break
      const length = this.#allowed(chunk.length)
      if (length === 0) break
      if (length === chunk.length) this.#waiting.shift()
      else this.#waiting[0] = chunk.subarray(length)
      // Before the push, within which the reader may ask for more.
      this.#wanted = false
      if (this.push(length === chunk.length ? chunk : chunk.subarray(0, length))) this.#wanted = true
    }
    this.#pumping = false
  }

  #refill (): void {
    if (!this.#ended) {
      if (this.#wanted) this.#input?.resume()
    } else if (this.#failure !== undefined) {
      this.destroy(this.#failure)
    } else {
      this.push(null)
    }
  }

  /** Bytes of so many that may pass now; where it is none, the pumping goes on when some may. */
  #allowed (length: number): number {
    if (this.#spent !== undefined) this.#charge(this.#spent())
    if (this.#free > 0) {
      const free = Math.min(this.#free, length)
      this.#free -= free
      return free
    }
    const now = this.#timers.now()
    this.#pace ??= new Pace(this.#rate, now)
    const wait = this.#pace.wait(now)
    if (wait > 0) {
      this.#cancel = this.#timers.after(Math.ceil(wait), () => {
        this.#cancel = undefined
        this.#pump()
      })
      return 0
    }
    const bytes = Math.min(length, this.#piece)
    this.#pace.pass(bytes, now)
    return bytes
  }

  /** Counts what has gone before the payload. */
  #charge (bytes: number): void {
    this.#spent = undefined
    const free = Math.min(this.#free, bytes)
    this.#free -= free
    if (bytes === free) return
    const now = this.#timers.now()
    this.#pace = new Pace(this.#rate, now)
    this.#pace.pass(bytes - free, now)
  }
}

/**
 * How fast one reply is read from its application (scgi_limit_rate): after each read it says how long not to read. The time begins when
 * it is made; all that is read counts, the part of the body that came with the head included.
 */
export class UpstreamRate {
  readonly #pace: Pace
  readonly #now: () => number

  /**
   * @param rate bytes a second, more than 0
   * @param now milliseconds, never going back. Default: the system's.
   */
  constructor (rate: number, now: () => number = TIMERS.now) {
    this.#pace = new Pace(rate, now())
    this.#now = now
  }

  /** Bytes have been read. Returns the milliseconds to pause, 0 if none: less than one is kept for the next time. */
  read (bytes: number): number {
    const now = this.#now()
    this.#pace.pass(bytes, now)
    return Math.min(Math.floor(this.#pace.wait(now)), MAX_TIME)
  }
}
