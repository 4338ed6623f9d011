import type { ResponseHead } from '../../types/exchange.ts'
import { CONTENT_LENGTH, LAST, LIST, LOCATION, STATUS, TOKEN, hashStep, headerName } from './header-table.ts'
import { follows, isLine, learnLine, likelyFirst, likelyNext, lineIn, slotOf, type KnownLine } from './known-lines.ts'
import { CR, LF, isHttp, lineEnd, textEnd, wrong } from './line-bytes.ts'
import { printable } from './printable.ts'
import { isBlank, isText, parseLength, statusCode, statusOfLine, statusReason } from './status.ts'

export { looksLikeHttpServer } from './http-server.ts'

/** Why the head of a reply cannot be used. */
export interface HeadError {
  readonly kind: 'invalid' | 'too_big'
  /** What is wrong and in which line, in printable characters. */
  readonly message: string
}

/** Whoever wants to know of informational heads. */
export interface InterimReceiver {
  onInterim? (head: ResponseHead): void
}

/** `HeadParser.write`: the head is not complete yet. */
export const HEAD_MORE = -1
/** `HeadParser.write`: the head is wrong, `error` says how. */
export const HEAD_ERROR = -2

// An application that sends informational heads without end would be read for ever: each of them restarts the read timeout.
const MAX_INFORMATIONAL = 1000

const SLASH = 0x2f
const COLON = 0x3a

// Offsets of the lines of the head being parsed, from the start of the head: name start, name end, value start, value end, hash of the name,
// line end. One for all parsers: a head is built in the same call that scanned it.
const FIELDS = 6
let spans = new Int32Array(FIELDS * 64)
let spanCount = 0
// Those of the lines that are known have no offsets.
const known: (KnownLine | undefined)[] = []
let knownCount = 0
// A text that is cut out of a longer one holds on to it: lines of longer heads are not learned.
const MAX_LEARNED_HEAD = 2048

// In place of `name end`: the line is no header but the status line, or one that begins with `HTTP/` and is passed over.
const STATUS_LINE = -1
const SKIPPED_LINE = -2

// Header names come from the application: `__proto__` must be a name as any other, and `constructor` must not be found where
// there is none. An object made from this prototype keeps its fast shape; one without a prototype would not.
const NO_PROPERTIES: object = Object.freeze(Object.create(null))

/**
 * Parses the head of an application's reply, whole or in pieces: a CGI head (RFC 3875 section 6), or an HTTP status line and headers.
 * Informational (1xx) heads before it are told of, and passed over. It never throws. A head that is complete in its first chunk is not copied.
 */
export class HeadParser {
  readonly #limit: number
  readonly #upgrade: boolean
  readonly #receiver: InterimReceiver | undefined
  #head: ResponseHead | undefined = undefined
  #error: HeadError | undefined = undefined
  // The beginning of a head that did not come whole.
  #store: Buffer | undefined = undefined
  #stored = 0
  // Of the stored bytes: the offset after the last whole line, and how many lines there are before it. Those lines are valid.
  #checked = 0
  #lines = 0
  #informational = 0

  /**
   * @param limit Largest head in bytes, the blank line that ends it included.
   * @param upgrade A 101 is the final head: the request has asked for it.
   * @param receiver Hears of interim heads, but of 100 and 101: they are about one connection.
   */
  constructor (limit: number, upgrade = false, receiver?: InterimReceiver) {
    this.#limit = limit
    this.#upgrade = upgrade
    this.#receiver = receiver
  }

  /** The final head, once it is complete. */
  get head (): ResponseHead | undefined { return this.#head }

  /** Why parsing ended without a head. */
  get error (): HeadError | undefined { return this.#error }

  /** Makes the parser ready for another reply. */
  reset (): void {
    this.#head = undefined
    this.#error = undefined
    this.#informational = 0
    this.#forget()
  }

  /**
   * Takes the bytes of `chunk` from `start` to `end`. Nothing refers to `chunk` after the call.
   * @returns The offset in `chunk` of the first byte of the body, `HEAD_MORE` (-1) or `HEAD_ERROR` (-2).
   */
  write (chunk: Buffer, start: number, end: number): number {
    if (this.#error !== undefined) return HEAD_ERROR
    let next = start
    while (this.#head === undefined) {
      next = this.#stored === 0 ? this.#direct(chunk, next, end) : this.#append(chunk, next, end)
      if (next < 0) return next
      if (this.#head === undefined && ++this.#informational > MAX_INFORMATIONAL) {
        return this.#invalid(`more than ${MAX_INFORMATIONAL} informational (1xx) heads`)
      }
    }
    return next
  }

  #forget (): void {
    this.#store = undefined
    this.#stored = 0
    this.#checked = 0
    this.#lines = 0
  }

  #invalid (message: string): number {
    this.#error = { kind: 'invalid', message }
    this.#forget()
    return HEAD_ERROR
  }

  #tooBig (): number {
    this.#error = { kind: 'too_big', message: `more than ${this.#limit} bytes` }
    this.#forget()
    return HEAD_ERROR
  }

  /** A head that may be complete in this chunk. */
  #direct (chunk: Buffer, start: number, end: number): number {
    if (start === end) return HEAD_MORE
    const stop = Math.min(end, start + this.#limit)
    const headEnd = this.#scan(chunk, start, start, stop)
    if (headEnd !== HEAD_MORE) return headEnd < 0 ? headEnd : this.#build(chunk, start, headEnd)
    if (stop - start === this.#limit) return this.#tooBig()
    this.#keep(chunk, start, stop)
    return HEAD_MORE
  }

  /** A head of which a part is stored. */
  #append (chunk: Buffer, start: number, end: number): number {
    const before = this.#stored
    const stop = Math.min(end, start + this.#limit - before)
    const store = this.#keep(chunk, start, stop)
    // A line that comes byte by byte is scanned when it is whole, not at each byte.
    const headEnd = lineEnd(chunk, start, stop) < 0 ? HEAD_MORE : this.#scan(store, 0, this.#checked, this.#stored)
    if (headEnd === HEAD_MORE) return this.#stored === this.#limit ? this.#tooBig() : HEAD_MORE
    if (headEnd === HEAD_ERROR) return headEnd
    // Valid line by line; once more in one go, for the spans.
    this.#scan(store, 0, 0, headEnd)
    return this.#build(store, 0, headEnd) < 0 ? HEAD_ERROR : start + headEnd - before
  }

  #keep (chunk: Buffer, start: number, stop: number): Buffer {
    const length = this.#stored + stop - start
    let store = this.#store
    if (store === undefined || store.length < length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(1024, length * 2)))
      store?.copy(larger, 0, 0, this.#stored)
      this.#store = store = larger
    }
    chunk.copy(store, this.#stored, start, stop)
    this.#stored = length
    return store
  }

  /**
   * Validates the lines of a head that begins at `origin`, from the line at `from` on, and notes their spans.
   * Only whole lines are judged, so that the verdict does not depend on how the head was cut into chunks.
   * @returns The offset after the blank line, `HEAD_MORE` or `HEAD_ERROR`.
   */
  #scan (bytes: Uint8Array, origin: number, from: number, stop: number): number {
    // As a local, it is looked up once and not for each byte.
    const tokens = TOKEN
    let count = 0
    let at = from
    let likely = likelyFirst()
    let slot = -1
    knownCount = 0
    for (;;) {
      const line = at
      if (likely !== undefined && isLine(likely, bytes, at, stop)) {
        at += likely.length
        known[count++] = likely
        knownCount++
        slot = likely.slot
        likely = likelyNext(slot)
        continue
      }
      let hash = 0
      for (; at < stop; at++) {
        const byte = bytes[at] ?? 0
        if (tokens[byte] !== 1) break
        hash = hashStep(hash, byte)
      }
      const nameEnd = at
      let valueStart = at
      let valueEnd = at
      let byte = at < stop ? bytes[at] ?? 0 : LF
      if (byte === COLON && at > line) {
        slot = slotOf(hash, slot)
        likely = lineIn(slot)
        if (likely !== undefined && isLine(likely, bytes, line, stop)) {
          at = line
          continue
        }
        likely = likelyNext(slot)
        at++
        // OWS: spaces and tabs at both ends are not part of the value.
        while (at < stop && isBlank(bytes[at])) at++
        valueStart = at
        at = textEnd(bytes, at, stop)
        valueEnd = at
        while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd--
        byte = at < stop ? bytes[at] ?? 0 : LF
      }
      while (byte === CR) byte = ++at < stop ? bytes[at] ?? 0 : LF

      let kind = nameEnd - origin
      if (byte !== LF) {
        const lf = lineEnd(bytes, at, stop)
        if (byte === SLASH && at - line === 4 && isHttp(bytes, line)) {
          kind = line === origin ? STATUS_LINE : SKIPPED_LINE
          at = valueEnd = lf < 0 ? stop : lf
          while (bytes[valueEnd - 1] === CR) valueEnd--
        } else if (lf >= 0) {
          return this.#invalid(`line ${this.#lines + count + 1}${wrong(bytes, line, nameEnd, at)}`)
        } else {
          at = stop
        }
      }
      if (at >= stop) {
        this.#checked = line - origin
        this.#lines += count
        return HEAD_MORE
      }
      at++
      if (nameEnd === line) {
        spanCount = count
        return at
      }

      known[count] = undefined
      const span = count++ * FIELDS
      while (span >= spans.length) spans = grow(spans)
      spans[span] = line - origin
      spans[span + 1] = kind
      spans[span + 2] = valueStart - origin
      spans[span + 3] = valueEnd - origin
      spans[span + 4] = hash
      spans[span + 5] = at - origin
    }
  }

  /** Makes the head of the valid lines between `start` and `headEnd`, whose spans were noted; gives `headEnd` or `HEAD_ERROR`. */
  #build (bytes: Buffer, start: number, headEnd: number): number {
    const count = spanCount
    // Of known lines all is there.
    const text = knownCount === count ? '' : bytes.toString('latin1', start, headEnd)
    const learns = headEnd - start <= MAX_LEARNED_HEAD
    const headers: Record<string, string | string[]> = Object.create(NO_PROPERTIES)
    const rawHeaders: string[] = []
    let statusLine: string | undefined
    let statusHeader: string | undefined
    let knownStatus: KnownLine | undefined
    let location = false
    let contentLength = -1
    let chunked = false
    let before = -1

    for (let i = 0, span = 0; i < count; i++, span += FIELDS) {
      const line = known[i]
      let name, lower, rule, value
      if (line !== undefined) {
        ({ name, lower, rule, value } = line)
        follows(before, before = line.slot)
      } else {
        const nameStart = spans[span] ?? 0
        const nameEnd = spans[span + 1] ?? 0
        value = text.slice(spans[span + 2], spans[span + 3])
        if (nameEnd < 0) {
          if (nameEnd === STATUS_LINE) statusLine = statusOfLine(text.slice(nameStart, spans[span + 3]))
          continue
        }
        const hash = spans[span + 4] ?? 0
        const header = headerName(hash, bytes, start + nameStart, start + nameEnd)
        ;({ name, lower, rule } = header)
        const slot = slotOf(hash, before)
        if (learns) learnLine(header, slot, value, bytes, start + nameStart, start + (spans[span + 5] ?? 0))
        follows(before, before = slot)
      }
      rawHeaders.push(name, value)
      const first = headers[lower]
      if (first === undefined) {
        headers[lower] = value
        if (rule < STATUS) continue
        if (rule === STATUS) {
          statusHeader = value
          knownStatus = line
        } else if (rule === LOCATION) location = true
        else if (rule === CONTENT_LENGTH) {
          contentLength = line === undefined ? parseLength(value) : line.number
          if (contentLength < 0) return this.#invalid(`line ${i + 1}: Content-Length is '${printable(value)}', not a number of bytes`)
        } else {
          chunked = value.toLowerCase() === 'chunked'
          if (!chunked) return this.#invalid(`line ${i + 1}: Transfer-Encoding is '${printable(value)}', only 'chunked' is possible`)
        }
      } else if (rule === LIST) {
        if (typeof first === 'string') headers[lower] = [first, value]
        else first.push(value)
      } else if (rule === LAST) {
        headers[lower] = value
      } else if (rule >= CONTENT_LENGTH) {
        return this.#invalid(`line ${i + 1}: a second ${name}`)
      }
    }
    if (chunked && contentLength >= 0) return this.#invalid('Content-Length and Transfer-Encoding in one head')

    let code = location ? 302 : 200
    let statusMessage = ''
    const status = statusLine ?? statusHeader
    if (statusLine === undefined && knownStatus !== undefined) {
      code = knownStatus.number
      statusMessage = knownStatus.reason
    } else if (status !== undefined) {
      code = statusCode(status)
      if (code < 0) return this.#invalid(`the status is '${printable(status)}', not a number from 100 to 599`)
      if (status.length > 3) {
        statusMessage = statusReason(status)
        if (statusLine !== undefined && !isText(statusMessage)) return this.#invalid('line 1: a control byte in the reason phrase')
      }
    }
    this.#forget()
    const nph = statusLine !== undefined
    const head: ResponseHead = { statusCode: code, statusMessage, headers, rawHeaders, contentLength, chunked, nph }
    if (code >= 200 || (code === 101 && this.#upgrade)) this.#head = head
    else if (code > 101) this.#receiver?.onInterim?.(head)
    return headEnd
  }
}

function grow (full: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(full.length * 2)
  larger.set(full)
  return larger
}
