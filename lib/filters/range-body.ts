import { Readable } from 'node:stream'
import { FST_SCGI_REPLY_TRUNCATED } from '../errors.ts'
import { SourceReader, type SourceListener } from '../reply/source-reader.ts'
import { toError } from '../runtime/caught.ts'
import type { PartialPlan, RangePart } from '../http/ranges.ts'

/** A body that can be read anywhere, such as a file or an entry of a cache. */
export interface RangeSource {
  /**
   * The bytes from `start` up to, and not with, `end`: exactly these, or an error. What it throws, or the promise rejects with, fails the
   * payload.
   */
  open (start: number, end: number): Readable | Buffer | Promise<Readable | Buffer>
  /** Nothing more is read. Called once, whatever has happened. */
  close (): void
}

/** The payload of a plan, out of the whole body. A single range is a view of it, not a copy. */
export function rangesOfBuffer (plan: PartialPlan, body: Buffer): Buffer {
  const [only] = plan.parts
  if (plan.kind === 'single' && only !== undefined) return body.subarray(only.start, only.end)
  const pieces: Buffer[] = []
  for (const { head, start, end } of plan.parts) {
    if (head !== undefined) pieces.push(head)
    pieces.push(body.subarray(start, end))
  }
  if (plan.tail !== undefined) pieces.push(plan.tail)
  return Buffer.concat(pieces)
}

/**
 * The payload of a plan, out of a body that can be read anywhere: its parts are opened one after the other, each when the one before
 * has been read. The source is closed when the payload has ended, failed or been destroyed.
 */
export function rangesOfSource (plan: PartialPlan, source: RangeSource): Readable | Buffer {
  const [only] = plan.parts
  if (plan.kind === 'multipart' || only === undefined) return new SourceRanges(plan, source)
  let opened: ReturnType<RangeSource['open']>
  try {
    opened = source.open(only.start, only.end)
  } catch (error) {
    opened = Promise.reject(toError(error))
  }
  if (Buffer.isBuffer(opened)) {
    source.close()
    return opened
  }
  if (opened instanceof Promise) return new SourceRanges(plan, source, opened)
  // A stream of just these bytes: another one in between would do nothing but cost.
  return opened.once('close', () => source.close())
}

/**
 * The payload of a plan, cut out of a stream while it passes: the plan must have been made with `sequential`. The stream is destroyed as
 * soon as the last byte that is wanted is through, unless that is its own last byte: then it may end by itself. It fails with
 * FST_SCGI_REPLY_TRUNCATED if the stream ends before.
 */
export function rangesOfStream (plan: PartialPlan, body: Readable): Readable {
  return new StreamRanges(plan, body)
}

/** Bytes that a reader of ours takes before it is full. */
const HIGH_WATER_MARK = 65_536

class SourceRanges extends Readable implements SourceListener {
  readonly #plan: PartialPlan
  readonly #source: RangeSource
  #next = 0
  /** Of the part that is being read. */
  #input: SourceReader | undefined
  #missing = 0
  #opening = false
  #first: ReturnType<RangeSource['open']> | undefined

  constructor (plan: PartialPlan, source: RangeSource, first?: ReturnType<RangeSource['open']>) {
    super({ highWaterMark: HIGH_WATER_MARK })
    this.#plan = plan
    this.#source = source
    this.#first = first
    if (first instanceof Promise) this.#openNext()
  }

  override _read (): void {
    if (this.#input !== undefined) this.#input.resume()
    else if (!this.#opening) this.#openNext()
  }

  override _destroy (error: Error | null, done: (error?: Error | null) => void): void {
    this.#input?.close()
    this.#source.close()
    done(error)
  }

  #openNext (): void {
    const part = this.#plan.parts[this.#next++]
    if (part === undefined) {
      if (this.#plan.tail !== undefined) this.push(this.#plan.tail)
      this.push(null)
      return
    }
    this.#opening = true
    let opened: ReturnType<RangeSource['open']>
    try {
      opened = this.#first ?? this.#source.open(part.start, part.end)
    } catch (error) {
      this.destroy(toError(error))
      return
    }
    this.#first = undefined
    if (opened instanceof Promise) opened.then(body => this.#begin(part, body), (error: unknown) => this.destroy(toError(error)))
    else this.#begin(part, opened)
  }

  #begin (part: RangePart, body: Readable | Buffer): void {
    if (this.destroyed) {
      // It was too late to stop what is opened now.
      if (!Buffer.isBuffer(body)) body.on('error', () => {}).destroy()
      return
    }
    this.#opening = false
    this.#missing = part.end - part.start
    if (Buffer.isBuffer(body)) {
      // The head asks for more of its own accord while this is pushed, and must not open the next part before this one's bytes are in.
      this.#opening = true
      if (part.head !== undefined) this.push(part.head)
      this.#opening = false
      if (this.destroyed) return
      if (body.length < this.#missing) this.#truncated(body.length)
      else this.push(body.subarray(0, this.#missing))
      return
    }
    this.#input = new SourceReader(body, this)
    if (part.head === undefined || this.push(part.head)) this.#input.resume()
  }

  onData (chunk: Buffer): void {
    const wanted = chunk.length > this.#missing ? chunk.subarray(0, this.#missing) : chunk
    this.#missing -= wanted.length
    const more = wanted.length === 0 || this.push(wanted)
    if (this.#missing === 0) {
      // It need not end: what it was opened for has come.
      this.#input?.close()
      this.#input = undefined
      // A reader that is full asks when it wants the next part.
      if (more && !this.destroyed) this.#openNext()
    } else if (!more) {
      this.#input?.pause()
    }
  }

  onEnd (): void {
    this.#input = undefined
    this.#truncated(0)
  }

  onError (error: Error | undefined): void {
    this.#input = undefined
    if (error === undefined) this.#truncated(0)
    else this.destroy(error)
  }

  #truncated (received: number): void {
    const end = this.#plan.parts[this.#next - 1]?.end ?? 0
    this.destroy(new FST_SCGI_REPLY_TRUNCATED(end - this.#missing + received, ` of ${end}`))
  }
}

class StreamRanges extends Readable implements SourceListener {
  readonly #plan: PartialPlan
  readonly #input: SourceReader
  /** Bytes of the body that have come by. */
  #position = 0
  /** The part that is being looked for, or taken. */
  #part = 0
  #inside = false
  #complete = false

  constructor (plan: PartialPlan, body: Readable) {
    super({ highWaterMark: HIGH_WATER_MARK })
    this.#plan = plan
    this.#input = new SourceReader(body, this)
  }

  override _read (): void {
    this.#input.resume()
  }

  override _destroy (error: Error | null, done: (error?: Error | null) => void): void {
    this.#input.close()
    done(error)
  }

  onData (chunk: Buffer): void {
    if (this.#complete) return
    const { parts, size, tail } = this.#plan
    const from = this.#position
    this.#position += chunk.length
    let full = false
    for (let part = parts[this.#part]; part !== undefined; part = parts[++this.#part]) {
      if (part.start >= this.#position) break
      if (!this.#inside) {
        this.#inside = true
        if (part.head !== undefined) this.push(part.head)
      }
      const piece = chunk.subarray(Math.max(part.start - from, 0), part.end - from)
      full = !this.push(piece)
      if (part.end > this.#position) break
      this.#inside = false
    }
    if (this.#part === parts.length) {
      this.#complete = true
      if (tail !== undefined) this.push(tail)
      this.push(null)
      if ((parts.at(-1)?.end ?? 0) < size) this.#input.close()
      // At its last byte a stream is about to end: whoever fills it has done all that was to do, and is not to be told of a client that left.
      else this.#input.resume()
    } else if (full) {
      this.#input.pause()
    }
  }

  onEnd (): void {
    if (!this.#complete) this.onError(undefined)
  }

  onError (error: Error | undefined): void {
    // All that is wanted of it has come.
    if (this.#complete) return
    this.destroy(error ?? new FST_SCGI_REPLY_TRUNCATED(this.#position, ` of ${this.#plan.size}`))
  }
}
