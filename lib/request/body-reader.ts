import { performance } from 'node:perf_hooks'
import { FST_SCGI_BODY_CONSUMED, FST_SCGI_BODY_TOO_LARGE, FST_SCGI_CLIENT_BODY_TIMEOUT } from '../errors.ts'
import { BodyCollector, BytesBody, givesBytes, unreadable, type BodyReceiver } from './body.ts'
import type { SpoolOptions } from '../files/spool.ts'
import type { RequestBody } from '../../types/exchange.ts'
import type { FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'

export interface BodySettings {
  readonly pass: boolean
  readonly buffering: boolean
  readonly spool: SpoolOptions
  /** Milliseconds; 0 is without limit. */
  readonly timeout: number
}

type Done = (error: Error | null, body: RequestBody | null) => void

/**
 * Where the body of a request is: nowhere, in bytes, or in a stream still to be read.
 * @throws FST_SCGI_BODY_CONSUMED
 */
export function findBody (request: FastifyRequest, given: Buffer | string | Readable | undefined): Buffer | Readable | null {
  const body: unknown = given ?? request.body
  // The body of a GET is left alone by Fastify, and so is one that nobody has a parser for.
  if (body === undefined || body === null) return announcesBody(request) ? unread(request, request.raw) : null
  if (typeof body === 'string') return Buffer.from(body)
  if (Buffer.isBuffer(body)) return body
  if (isReadable(body)) return unread(request, body, body === given)
  throw new FST_SCGI_BODY_CONSUMED()
}

/**
 * A stream that a body comes in, before anybody waits for it: one that has been read already would be silent for ever. `null` if there was
 * nothing in it.
 * @param isGiven it was given for this request: what has been read of it before was not to be sent
 * @throws FST_SCGI_BODY_CONSUMED
 */
function unread (request: FastifyRequest, source: Readable, isGiven = false): Readable | null {
  const cause = unreadable(source)
  // Where the client has announced a length, that tells whether a part is missing.
  if (cause === undefined && (isGiven || !source.readableDidRead || announcedLength(source, request) >= 0)) return source
  if (!isGiven && source.readableEnded && !source.readableDidRead) return null
  throw Object.assign(new FST_SCGI_BODY_CONSUMED(), cause === undefined ? undefined : { cause })
}

/**
 * Whether the stream that the body of a request comes in, if it is one, can be read by others who send it.
 * @throws FST_SCGI_BODY_CONSUMED
 */
export function hasUnread (request: FastifyRequest): boolean {
  const { body } = request
  return !isReadable(body) || unread(request, body) !== null
}

/**
 * Whether the application gets a body with a request, whoever it comes from: the client, a hook, the one who forwards the request, an
 * earlier route.
 * @param redirected how the request came here, if by an internal redirect
 */
export function sendsBody (
  request: FastifyRequest, redirected: { readonly body: RequestBody | null } | undefined, given: Buffer | string | Readable | undefined
): boolean {
  if (redirected !== undefined && given === undefined) return redirected.body !== null && redirected.body.length > 0
  const body: unknown = given ?? request.body
  if (body === undefined || body === null) return announcesBody(request)
  return typeof body === 'string' || Buffer.isBuffer(body) ? body.length > 0 : true
}

function isReadable (value: unknown): value is Readable {
  return typeof value === 'object' && value !== null && 'pipe' in value && typeof value.pipe === 'function'
}

/** The head of the request says that a body follows. */
function announcesBody ({ raw }: FastifyRequest): boolean {
  if (raw.headers['transfer-encoding'] !== undefined) return true
  if (raw.headers['content-length'] !== undefined) return raw.headers['content-length'] !== '0'
  // HTTP/2 needs neither header: the stream says whether anything follows.
  return 'stream' in raw && hasOpenEnd(raw.stream)
}

function hasOpenEnd (stream: unknown): boolean {
  return typeof stream === 'object' && stream !== null && 'endAfterHeaders' in stream && stream.endAfterHeaders === false
}

/** Content-Length of the client's own body stream, or -1: a stream that a hook put in its place has a length of its own. */
function announcedLength (source: Readable, { raw }: FastifyRequest): number {
  if (source !== raw || raw.headers['transfer-encoding'] !== undefined) return -1
  const text = raw.headers['content-length']
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : -1
}

/** Nobody has read from a stream or waits to read from it by himself: `pause()` keeps all of it for whoever reads it later. */
function isKept (source: Readable): boolean {
  return givesBytes(source) && !source.readableDidRead && source.listenerCount('readable') === 0
}

/**
 * Makes a request's body ready to be sent, and calls back once; not at all when the client disconnects meanwhile.
 */
export class BodyReader implements BodyReceiver {
  readonly #request: FastifyRequest
  readonly #settings: BodySettings
  readonly #limit: number
  readonly #done: Done
  #collector: BodyCollector | undefined
  #source: Readable | undefined
  /** Bytes that the client has announced, or -1. */
  #announced = -1
  #timer: NodeJS.Timeout | undefined
  #touched = 0
  #closed = false
  #streaming = false
  /** Tells that the client has been silent too long in a body that is being streamed. */
  onStreamTimeout: ((error: Error) => void) | undefined

  constructor (request: FastifyRequest, settings: BodySettings, limit: number, done: Done) {
    this.#request = request
    this.#settings = settings
    this.#limit = limit
    this.#done = done
  }

  /** @param isGiven it was given for this request */
  read (found: Buffer | Readable, isGiven: boolean): void {
    if (Buffer.isBuffer(found)) {
      const error = found.length > this.#limit ? new FST_SCGI_BODY_TOO_LARGE(this.#limit) : null
      this.#finish(error, this.#settings.pass ? new BytesBody(found) : null)
      return
    }
    // What is left of a stream that was given has a length of its own.
    const length = this.#announced = isGiven && found.readableDidRead ? -1 : announcedLength(found, this.#request)
    if (length > this.#limit) {
      this.#finish(new FST_SCGI_BODY_TOO_LARGE(this.#limit), null)
      return
    }
    this.#source = found
    // What flows already, because a hook listens as well, waits for nobody.
    if (length < 0 || found.readableFlowing !== null) {
      this.#begin(found)
      return
    }
    // What came in one segment with the head is in the stream's buffer once the parser has returned.
    process.nextTick(() => {
      if (this.#closed) return
      if (found.readableLength === length && givesBytes(found) && !found.destroyed) this.#take(found)
      else this.#begin(found)
    })
  }

  /** Frees what the body occupies. */
  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
    const source = this.#source
    if (source !== undefined) {
      source.off('data', this.#touch)
      // What is left of a body that no server takes any more must be read, or the client never comes to read the answer.
      if (this.#streaming) source.resume()
    }
    this.#collector?.close()
  }

  #finish (error: Error | null, body: RequestBody | null): void {
    clearTimeout(this.#timer)
    this.#done(error, error === null ? body : null)
  }

  #take (source: Readable): void {
    const bytes: unknown = source.read()
    this.collected(null, this.#settings.pass && Buffer.isBuffer(bytes) ? new BytesBody(bytes) : null)
  }

  #begin (source: Readable): void {
    const { pass, buffering } = this.#settings
    if (pass && !buffering && this.#announced >= 0 && isKept(source)) this.#stream(source, this.#announced)
    else this.#collect(source)
  }

  #stream (source: Readable, length: number): void {
    source.on('error', ignore)
    this.#streaming = true
    // A hook that listens gets it when the server does.
    if (source.readableFlowing === true) source.pause()
    const open = (): Readable => {
      source.on('data', this.#touch)
      source.once('end', () => clearTimeout(this.#timer))
      this.#watch()
      return source
    }
    this.#finish(null, { length, replayable: false, open })
  }

  #collect (source: Readable): void {
    this.#collector = new BodyCollector(source, this.#settings.pass ? this.#settings.spool : undefined, this, this.#limit)
    this.#watch()
  }

  piece (): void {
    this.#touch()
  }

  collected (error: Error | null, body: RequestBody | null): void {
    if (error !== null) {
      this.#fail(error)
      return
    }
    const length = body === null ? 0 : body.length
    // Somebody else has read the rest, and the application would take the part for the whole.
    if (this.#settings.pass && this.#announced >= 0 && length !== this.#announced) this.#fail(new FST_SCGI_BODY_CONSUMED())
    else this.#finish(null, length === 0 ? null : body)
  }

  /** Of a client that has disconnected the connection tells the handler, and nobody is left to be answered. */
  lost (error: Error): void {
    const { raw } = this.#request
    if (this.#source === raw || (raw.destroyed && !raw.readableEnded)) this.close()
    else this.#fail(error)
  }

  readonly #touch = (): void => {
    this.#touched = performance.now()
  }

  #fail (error: Error): void {
    this.close()
    this.#source?.resume()
    this.#finish(error, null)
  }

  /** One timer for the whole body: it looks how long ago the last piece came. */
  #watch (): void {
    const { timeout } = this.#settings
    if (timeout === 0) return
    this.#touch()
    const look = (): void => {
      const source = this.#source
      // A body that waits for us is not late.
      if (source === undefined || source.isPaused() || source.readableLength > 0) this.#touch()
      const left = timeout - (performance.now() - this.#touched)
      if (left > 0) {
        this.#timer = setTimeout(look, Math.ceil(left))
        return
      }
      const error = new FST_SCGI_CLIENT_BODY_TIMEOUT(timeout)
      if (this.#streaming) this.onStreamTimeout?.(error)
      else this.#fail(error)
    }
    this.#timer = setTimeout(look, timeout)
  }
}

function ignore (): void {}
