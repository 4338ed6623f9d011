import { errors } from 'undici'
import { isToken } from '../http/token.ts'

/** The headers of a request, however they were given. */
export interface RequestHeaders {
  /** By lower-case name; repeated ones are an array. */
  readonly byName: Record<string, string | string[]>
  /** Line by line, `[name, value, ...]`. */
  readonly raw: string[]
}

/** Marks headers that are sent as they are: a hook has made them of what a client sent. */
export const REWRITTEN = Symbol('fastify-scgi.rewritten')

const TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * Reads headers in any of undici's forms: an object, a flat list, an iterable of pairs, `Headers`.
 * @throws InvalidArgumentError
 */
export function readHeaders (given: unknown): RequestHeaders {
  const headers: RequestHeaders = { byName: Object.create(null), raw: [] }
  if (given === undefined || given === null) return headers
  if (typeof given !== 'object') throw new errors.InvalidArgumentError('headers must be an object or an array')
  if (Array.isArray(given) && !Array.isArray(given[0])) {
    if (given.length % 2 !== 0) throw new errors.InvalidArgumentError('headers array must be even')
    for (let i = 0; i < given.length; i += 2) add(headers, given[i], given[i + 1])
  } else if (isIterable(given)) {
    for (const pair of given) {
      if (!Array.isArray(pair) || pair.length !== 2) throw new errors.InvalidArgumentError('headers must be in key-value pair format')
      add(headers, pair[0], pair[1])
    }
  } else {
    for (const [name, value] of Object.entries(given)) add(headers, name, value)
  }
  return headers
}

function isIterable (value: object): value is Iterable<unknown> {
  return Symbol.iterator in value && typeof value[Symbol.iterator] === 'function'
}

function add (headers: RequestHeaders, name: unknown, value: unknown): void {
  if (value === undefined) return
  const key = Buffer.isBuffer(name) ? name.toString('latin1') : name
  if (typeof key !== 'string' || !isToken(key)) throw new errors.InvalidArgumentError('invalid header key')
  if (Array.isArray(value)) {
    for (const item of value) addLine(headers, key, item)
  } else {
    addLine(headers, key, value)
  }
}

function addLine ({ byName, raw }: RequestHeaders, name: string, value: unknown): void {
  let text: string
  if (typeof value === 'string') text = value
  else if (value === null) text = ''
  else if (Buffer.isBuffer(value)) text = value.toString('latin1')
  else if (typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol') throw invalid(name)
  else text = String(value)
  if (!TEXT.test(text)) throw invalid(name)
  raw.push(name, text)
  const lower = name.toLowerCase()
  const former = byName[lower]
  if (former === undefined) byName[lower] = text
  else if (typeof former === 'string') byName[lower] = [former, text]
  else former.push(text)
}

function invalid (name: string): Error {
  return new errors.InvalidArgumentError(`invalid ${name} header`)
}

/**
 * The one value of a header.
 * @throws InvalidArgumentError where it has several
 */
export function single ({ byName }: RequestHeaders, name: string): string | undefined {
  const value = byName[name]
  if (Array.isArray(value)) throw new errors.InvalidArgumentError(`duplicate ${name} header`)
  return value
}
