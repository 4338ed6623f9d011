import { Readable } from 'node:stream'
import { FormData, Response, errors } from 'undici'
import { BodyCollector, BytesBody, StreamBody, givesBytes, release, unreadable } from '../request/body.ts'
import { toError } from '../runtime/caught.ts'
import type { Settings } from './options.ts'
import type { DispatchView } from './view.ts'
import type { RequestBody } from '../../types/exchange.ts'

/** The methods of which undici does not expect a body: a Content-Length that is not true of them is no error. */
const NO_PAYLOAD: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** A body as it is given. */
type Source =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes', readonly bytes: Buffer }
  | { readonly kind: 'stream', readonly stream: Readable, readonly type: string }
  /** It can be opened again and again. */
  | { readonly kind: 'blob', readonly blob: BlobLike, readonly type: string }

interface BlobLike {
  readonly size: number
  readonly type: string
  stream (): AsyncIterable<unknown>
}

/** Makes a request's body ready to be sent. */
export class BodyReader {
  readonly #given: unknown
  readonly #settings: Settings
  readonly #view: DispatchView
  readonly #done: (error: Error | null, body: RequestBody | null) => void
  #begun = false
  #stream: Readable | undefined
  #collector: BodyCollector | undefined

  /**
   * @param given the body as undici has it
   * @param done called once with the body, or with why there is none, and with an error once more where a stream that is being
   *   sent fails
   */
  constructor (given: unknown, settings: Settings, view: DispatchView, done: (error: Error | null, body: RequestBody | null) => void) {
    this.#given = given
    this.#settings = settings
    this.#view = view
    this.#done = done
  }

  /** @throws InvalidArgumentError for what is no body, and why a stream cannot be read */
  read (): void {
    this.#begun = true
    const source = sourceOf(this.#given)
    switch (source.kind) {
      case 'none':
        this.#ready(null)
        break
      case 'bytes':
        this.#ready(new BytesBody(source.bytes))
        break
      case 'stream':
        this.#view.contentType ??= source.type || undefined
        this.#read(source.stream)
        break
      case 'blob':
        this.#view.contentType ??= source.type || undefined
        // What is already in memory is not collected a second time, save for what leaves in one write with the header block.
        if (this.#settings.buffering && source.blob.size <= this.#settings.spool.memory) this.#read(open(source.blob))
        else this.#ready({ length: source.blob.size, replayable: true, open: () => this.#reopen(source.blob) })
    }
  }

  /**
   * Frees what the body holds.
   * @param sent it was sent to its end
   */
  close (sent: boolean, error?: Error): void {
    this.#collector?.close()
    // One that was never read is given up all the same: whoever writes into it may wait.
    const stream = this.#begun ? this.#stream : streamOf(this.#given)
    if (stream !== undefined) release(stream, sent, error)
  }

  #read (stream: Readable): void {
    this.#stream = stream
    const reason = unreadable(stream)
    if (reason !== undefined) throw reason
    const { announcedLength } = this.#view
    if (!this.#settings.buffering && announcedLength >= 0 && givesBytes(stream)) {
      this.#ready(new StreamBody(stream, announcedLength, error => this.#done(error, null)))
      return
    }
    this.#collector = new BodyCollector(stream, this.#settings.spool, {
      collected: (error, body) => {
        if (error === null) this.#ready(body)
        else this.#done(error, null)
      },
    })
  }

  #reopen (blob: BlobLike): Readable {
    this.#stream?.destroy()
    const stream = this.#stream = open(blob)
    stream.on('error', error => {
      if (this.#stream === stream) this.#done(toError(error), null)
    })
    return stream
  }

  #ready (body: RequestBody | null): void {
    const { announcedLength, method } = this.#view
    const length = body === null ? 0 : body.length
    if (announcedLength >= 0 && announcedLength !== length && !NO_PAYLOAD.has(method)) {
      this.#done(new errors.RequestContentLengthMismatchError(`the body has ${length} bytes, not the ${announcedLength} of Content-Length`), null)
    } else {
      this.#done(null, length === 0 ? null : body)
    }
  }
}

function sourceOf (body: unknown): Source {
  if (body === undefined || body === null || body === '') return { kind: 'none' }
  if (typeof body === 'string') return { kind: 'bytes', bytes: Buffer.from(body) }
  if (typeof body === 'object') {
    const stream = streamOf(body)
    if (stream !== undefined) return { kind: 'stream', stream, type: '' }
    if (ArrayBuffer.isView(body)) return { kind: 'bytes', bytes: Buffer.from(body.buffer, body.byteOffset, body.byteLength) }
    if (body instanceof ArrayBuffer) return { kind: 'bytes', bytes: Buffer.from(body) }
    if (isFormData(body)) return multipart(body)
    if (isBlob(body)) return { kind: 'blob', blob: body, type: body.type }
    if (isIterable(body)) return { kind: 'stream', stream: Readable.from(body, { objectMode: false }), type: '' }
  }
  throw new errors.InvalidArgumentError('body must be a string, a Buffer, a Readable stream, an iterable, or an async iterable')
}

function streamOf (body: unknown): Readable | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  if (body instanceof Readable) return body
  return isOldStream(body) ? new Readable().wrap(body) : undefined
}

/** A form in the coding of a browser. The copy is for forms of another undici, such as the one in Node.js, which ours does not know. */
function multipart (form: Iterable<unknown>): Source {
  const copy = new FormData()
  for (const entry of form) {
    if (!Array.isArray(entry)) continue
    const [name, value]: unknown[] = entry
    if (value instanceof Blob) copy.append(String(name), value)
    else copy.append(String(name), String(value))
  }
  const response = new Response(copy)
  const { body } = response
  if (body === null) return { kind: 'none' }
  return { kind: 'stream', stream: Readable.from(body, { objectMode: false }), type: response.headers.get('content-type') ?? '' }
}

function open (blob: BlobLike): Readable {
  return Readable.from(blob.stream(), { objectMode: false })
}

function isOldStream (body: object): body is NodeJS.ReadableStream {
  return 'pipe' in body && typeof body.pipe === 'function' && 'on' in body && typeof body.on === 'function'
}

function isFormData (body: object): body is Iterable<unknown> {
  return tagOf(body) === 'FormData' && 'append' in body && isIterable(body)
}

function isBlob (body: object): body is BlobLike {
  const tag = tagOf(body)
  return (tag === 'Blob' || tag === 'File') && 'stream' in body && typeof body.stream === 'function' && 'size' in body
}

function tagOf (body: object): unknown {
  return Symbol.toStringTag in body ? body[Symbol.toStringTag] : undefined
}

function isIterable (body: object): body is Iterable<unknown> | AsyncIterable<unknown> {
  return Symbol.asyncIterator in body || Symbol.iterator in body
}
