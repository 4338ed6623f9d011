import { randomBytes } from 'node:crypto'
import { headerOf, type FilteredRequest } from './conditions.ts'
import { parseHttpDate } from './date.ts'

/** A part of a body: from the byte `start` up to, and not with, `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** A range as it is sent: in a multipart body with its head before it. */
export interface RangePart extends ByteRange {
  readonly head?: Buffer | undefined
}

/** The reply of which ranges may be wanted. */
export interface RangeEntity {
  readonly status: number
  /** Bytes of its body; -1 if it is unknown yet. */
  readonly size: number
  /** Value of ETag, as it is sent. */
  readonly etag?: string | undefined
  /** Value of Last-Modified, as it is sent. */
  readonly lastModified?: string | undefined
  /**
   * Value of Date, where a date of If-Range is to count only if the reply was made a second or more after its Last-Modified: what changes twice
   * within a second has the same date (RFC 9110 section 8.8.2.2). Default: that is not asked.
   */
  readonly date?: string | undefined
  /** Value of Content-Type, for the parts of a multipart body. */
  readonly contentType?: string | undefined
  /** Ranges may be served: `forceRanges`, or Accept-Ranges of an application whose reply is cacheable. */
  readonly allowed: boolean
  /**
   * The body can be read only once, from its beginning to its end. Ranges that are not in that order, or overlap, are then
   * not served. Default false.
   */
  readonly sequential?: boolean | undefined
  /** A Range means something to GET alone (RFC 9110 section 14.2). Default false: HEAD gets the head that GET would get, as in nginx. */
  readonly getOnly?: boolean | undefined
}

/** Changes of the reply's headers, names in lower case. Remove first, then set. */
export interface HeaderChanges {
  readonly set: Readonly<Record<string, string>>
  readonly remove: readonly string[]
}

/** The reply stays as it is, save for its headers. */
interface WholePlan extends HeaderChanges {
  readonly kind: 'whole'
}

export interface PartialPlan extends HeaderChanges {
  readonly kind: 'single' | 'multipart'
  readonly status: 206
  /** At least one, in the order of the request. */
  readonly parts: readonly RangePart[]
  /** What follows the last part. */
  readonly tail?: Buffer | undefined
  /** Bytes of the whole body, with what stands between the parts. It is in `set` as content-length, too. */
  readonly length: number
  /** Bytes of the body that it is taken from. */
  readonly size: number
}

/** None of the ranges can be served; the reply has no body of its own any more. */
interface UnsatisfiablePlan extends HeaderChanges {
  readonly kind: 'unsatisfiable'
  readonly status: 416
  readonly length: 0
}

export type RangePlan = WholePlan | PartialPlan | UnsatisfiablePlan

const NOTHING: readonly string[] = []
/** Not ours to cut: it goes as it came. */
const UNTOUCHED: WholePlan = { kind: 'whole', set: {}, remove: NOTHING }
/** All of it, and the news that less could be had. */
const WHOLE: WholePlan = { kind: 'whole', set: { 'accept-ranges': 'bytes' }, remove: NOTHING }
/** Digests are of the body that is sent; Repr-Digest is not, and stays. */
const PARTIAL_REMOVES: readonly string[] = ['accept-ranges', 'content-digest', 'content-md5']
/** A multipart body has the Content-Range of each part inside, and must have none outside (RFC 9110 section 15.3.7.2). */
const MULTIPART_REMOVES: readonly string[] = [...PARTIAL_REMOVES, 'content-range']
const UNSATISFIABLE_REMOVES: readonly string[] = [
  'accept-ranges', 'content-digest', 'content-disposition', 'content-encoding', 'content-language', 'content-md5', 'content-type', 'etag', 'last-modified',
]

/**
 * Decides which bytes of a reply answer a request, as nginx's range filter does: nothing is cut but a reply of 200 to GET or HEAD whose
 * size is known and of which ranges are allowed. A 206 or a 416 of the application is left alone.
 * @param maxRanges most ranges that are served; a request for more gets the whole, and with 0 there are no ranges. Default: any number. (max_ranges)
 */
export function planRanges (request: FilteredRequest, entity: RangeEntity, maxRanges = Infinity): RangePlan {
  if (!entity.allowed || entity.status !== 200 || entity.size < 0 || maxRanges <= 0 ||
    (request.method !== 'GET' && request.method !== 'HEAD')) return UNTOUCHED
  if (request.headers['range'] === undefined || (entity.getOnly === true && request.method !== 'GET')) return WHOLE

  const condition = headerOf(request, 'if-range')
  if (condition !== undefined && !ifRange(condition, entity)) return WHOLE
  const ranges = parseRange(headerOf(request, 'range') ?? '', entity.size, maxRanges)
  if (ranges === 'whole') return WHOLE
  if (ranges === 'unsatisfiable') {
    return {
      kind: 'unsatisfiable',
      status: 416,
      set: { 'content-range': `bytes */${entity.size}`, 'content-length': '0' },
      remove: UNSATISFIABLE_REMOVES,
      length: 0,
    }
  }
  if (entity.sequential === true && !isAscending(ranges)) return WHOLE
  const [only] = ranges
  return only !== undefined && ranges.length === 1 ? single(only, entity.size) : multipart(ranges, entity)
}

function isAscending (ranges: readonly ByteRange[]): boolean {
  let position = 0
  for (const { start, end } of ranges) {
    if (start < position) return false
    position = end
  }
  return true
}

function single (range: ByteRange, size: number): PartialPlan {
  const length = range.end - range.start
  return {
    kind: 'single',
    status: 206,
    set: { 'content-range': contentRange(range, size), 'content-length': String(length) },
    remove: PARTIAL_REMOVES,
    parts: [range],
    length,
    size,
  }
}

function multipart (ranges: readonly ByteRange[], { size, contentType }: RangeEntity): PartialPlan {
  const boundary = makeBoundary()
  const type = contentType === undefined || contentType === '' ? '' : `Content-Type: ${contentType}\r\n`
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1')
  let length = tail.length
  const parts = ranges.map(range => {
    const head = Buffer.from(`\r\n--${boundary}\r\n${type}Content-Range: ${contentRange(range, size)}\r\n\r\n`, 'latin1')
    length += head.length + range.end - range.start
    return { head, start: range.start, end: range.end }
  })
  return {
    kind: 'multipart',
    status: 206,
    set: { 'content-type': `multipart/byteranges; boundary=${boundary}`, 'content-length': String(length) },
    remove: MULTIPART_REMOVES,
    parts,
    tail,
    length,
    size,
  }
}

function contentRange (range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end - 1}/${size}`
}

/** Twenty digits, as nginx's, but of chance: what a body holds must not be able to pose as the next part. */
function makeBoundary (): string {
  return randomBytes(8).readBigUInt64BE().toString().padStart(20, '0')
}

/**
 * Tells whether a request's If-Range lets its Range be served: an entity tag must be that of the reply and neither of them weak
 * (RFC 9110 section 13.1.5), a date must be exactly its Last-Modified.
 */
export function ifRange (value: string, entity: Pick<RangeEntity, 'etag' | 'lastModified' | 'date'>): boolean {
  if (value.length >= 2 && value.endsWith('"')) return !value.startsWith('W/') && value === entity.etag
  const time = parseHttpDate(value)
  if (time === undefined || entity.lastModified === undefined || time !== parseHttpDate(entity.lastModified)) return false
  const made = entity.date === undefined ? undefined : parseHttpDate(entity.date)
  return made === undefined || made > time
}

const BYTES = /^bytes=/i
const SPACE = 32
const COMMA = 44
const MINUS = 45

/**
 * The ranges that a Range header asks of a body of `size` bytes, those that cannot be satisfied left out. `'whole'` where it is to be
 * answered as if there were no such header: another unit than bytes, more than `maxRanges` of them, more bytes in them than in the
 * body, any range of nothing. `'unsatisfiable'` where it breaks the grammar or nothing of it can be served. A number too large to be counted
 * stands for the largest there is.
 */
export function parseRange (value: string, size: number, maxRanges: number): readonly ByteRange[] | 'whole' | 'unsatisfiable' {
  if (!BYTES.test(value) || value.length < 7) return 'whole'
  const ranges: ByteRange[] = []
  let sum = 0
  let at = 6

  const skipSpaces = (): void => {
    while (value.charCodeAt(at) === SPACE) at++
  }
  /** -1 if no digit stands. */
  const number = (): number => {
    let result = -1
    for (;;) {
      const digit = value.charCodeAt(at) - 48
      // Past the end it is NaN.
      if (!(digit >= 0 && digit <= 9)) return result
      result = Math.min(Math.max(result, 0) * 10 + digit, Number.MAX_SAFE_INTEGER)
      at++
    }
  }

  for (;;) {
    skipSpaces()
    let start = number()
    let end: number
    if (start === -1) {
      if (value.charCodeAt(at++) !== MINUS) return 'unsatisfiable'
      const suffix = number()
      if (suffix === -1) return 'unsatisfiable'
      start = Math.max(size - suffix, 0)
      end = size
    } else {
      skipSpaces()
      if (value.charCodeAt(at++) !== MINUS) return 'unsatisfiable'
      skipSpaces()
      const last = number()
      end = last === -1 ? size : Math.min(last + 1, size)
    }
    skipSpaces()
    if (at < value.length && value.charCodeAt(at) !== COMMA) return 'unsatisfiable'
    if (start < end) {
      if (ranges.length === maxRanges) return 'whole'
      ranges.push({ start, end })
      sum += end - start
    } else if (start === 0) {
      // Of nothing, nothing is all there is.
      return 'whole'
    }
    if (at >= value.length) break
    at++
  }
  if (ranges.length === 0) return 'unsatisfiable'
  return sum > size ? 'whole' : ranges
}
