import { Readable } from 'node:stream'
import { FST_SCGI_REPLY_CONSUMED } from '../errors.ts'
import { asOwn, onLast } from './route-hooks.ts'
import { isHttp2, removeHeader } from './raw-reply.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Headers that are true of one body only. */
export const OF_A_BODY = [
  'content-length', 'content-encoding', 'content-range', 'content-location', 'content-md5', 'content-digest', 'repr-digest', 'digest', 'etag',
  'last-modified', 'accept-ranges',
]
/** Of them, those that are true of a body with another coding too. */
const OF_ANY_CODING = new Set(['content-location', 'last-modified'])

/** What a reply says of the body that it was given. */
interface Description {
  body: unknown
  status: number
  phrase: string
  readonly values: Map<string, unknown>
  /** Spellings of header names, for the wire. */
  readonly spelling: ReadonlyMap<string, string> | undefined
}

const descriptions = new WeakMap<FastifyReply, Description>()

/**
 * Notes what the head of a reply says of its body: if another body goes out in its place, or with another status, what is no longer
 * true is taken away. What a hook has set anew stays.
 */
export function describe (request: FastifyRequest, reply: FastifyReply, body: unknown, spelling?: ReadonlyMap<string, string>): void {
  onLast(request, settleLast)
  descriptions.set(reply, take(reply, body, spelling))
}

/** The filters have made another body of it, and have seen to the headers. */
export function describeAgain (reply: FastifyReply, body: unknown): void {
  const known = descriptions.get(reply)
  if (known !== undefined) descriptions.set(reply, take(reply, body, known.spelling))
}

/** Compares a reply with what was noted, and takes away what is no longer true of it. */
export function settle (reply: FastifyReply, payload: unknown): void {
  const known = descriptions.get(reply)
  if (known === undefined) return
  const replaced = (payload ?? null) !== known.body
  // A Response brings its status when all hooks are done.
  if (reply.statusCode !== known.status || isResponse(payload)) dropPhrase(reply, known)
  if (replaced) removeStale(reply, known)
  else if (known.status === 206 && reply.statusCode !== 206) removeIf(reply, known, 'content-range')
  known.body = payload ?? null
  known.status = reply.statusCode
}

/**
 * The error for a reply whose body goes out as it was given, although a hook has read of it: the client would take the rest for the whole. What a
 * hook has read and put back is not missing. The body is destroyed.
 */
export function readBefore (reply: FastifyReply, payload: unknown): Error | undefined {
  if (!(payload instanceof Readable) || !payload.readableDidRead || descriptions.get(reply)?.body !== payload) return undefined
  if (!payload.readableEnded && payload.readableFlowing !== true && payload.listenerCount('data') === 0) return undefined
  payload.once('error', () => {}).destroy()
  return new FST_SCGI_REPLY_CONSUMED()
}

/** An error is answered instead of a reply. */
export function settleError (reply: FastifyReply): void {
  const known = descriptions.get(reply)
  if (known === undefined) return
  descriptions.delete(reply)
  for (const name of OF_A_BODY) removeIf(reply, known, name)
}

/** Another reply is asked for in place of the one that was noted. */
export function startOver (reply: FastifyReply): void {
  const known = descriptions.get(reply)
  if (known === undefined) return
  descriptions.delete(reply)
  dropPhrase(reply, known)
  for (const name of known.values.keys()) removeIf(reply, known, name)
}

/** The type of a body is not that of an object which is sent in its place. */
export function forgetType (reply: FastifyReply): void {
  const known = descriptions.get(reply)
  if (known !== undefined) removeIf(reply, known, 'content-type')
}

function take (reply: FastifyReply, body: unknown, spelling: Description['spelling']): Description {
  const values = new Map<string, unknown>()
  for (const name of OF_A_BODY) {
    const value = reply.getHeader(name)
    if (value !== undefined) values.set(name, value)
  }
  values.set('content-type', reply.getHeader('content-type'))
  return { body: body ?? null, status: reply.statusCode, phrase: isHttp2(reply.raw) ? '' : reply.raw.statusMessage, values, spelling }
}

function removeStale (reply: FastifyReply, known: Description): void {
  const coding = known.values.has('content-encoding') ? undefined : reply.getHeader('content-encoding')
  for (const name of OF_A_BODY) {
    if (coding === undefined || !OF_ANY_CODING.has(name)) {
      const etag = name === 'etag' && coding !== undefined ? known.values.get(name) : undefined
      // As nginx's gzip does it: the same, but not byte for byte.
      if (typeof etag === 'string' && reply.getHeader(name) === etag) reply.header(name, etag.startsWith('W/') ? etag : `W/${etag}`)
      else removeIf(reply, known, name)
    }
  }
}

function dropPhrase ({ raw }: FastifyReply, { phrase }: Description): void {
  if (!isHttp2(raw) && raw.statusMessage === phrase) raw.statusMessage = ''
}

function removeIf (reply: FastifyReply, { values }: Description, name: string): void {
  const value = values.get(name)
  if (value !== undefined && reply.getHeader(name) === value) removeHeader(reply, name)
}

const settleLast = asOwn((_request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error?: Error) => void): void => {
  const error = readBefore(reply, payload)
  if (error !== undefined) {
    done(error)
    return
  }
  settle(reply, payload)
  const spelling = descriptions.get(reply)?.spelling
  descriptions.delete(reply)
  if (spelling !== undefined) respell(reply, spelling)
  done()
})

/** Fastify knows names in lower case only: those that are spelt otherwise are written past it, at last. */
function respell (reply: FastifyReply, spelling: ReadonlyMap<string, string>): void {
  for (const [name, spelt] of spelling) {
    // Fastify writes the length itself, when it sees the body.
    if (name === spelt || name === 'content-length') continue
    const value = reply.getHeader(name)
    if (value === undefined) continue
    reply.removeHeader(name)
    reply.raw.setHeader(spelt, value)
  }
}

function isResponse (payload: unknown): boolean {
  return Object.prototype.toString.call(payload) === '[object Response]'
}
