import { Readable } from 'node:stream'
import { breakOff } from './raw-reply.ts'
import type { ServerResponse } from 'node:http'

/** Streams between a body and its reply, at most. */
const DEPTH = 16

/**
 * Ends a reply whose body fails, where nobody else would. Fastify ends one whose own payload fails, or answers with the error, and a
 * pipeline or an iterator passes the failure on. But what a hook has made of the body with `pipe()`, or copies of it by hand, would wait for
 * ever. What a hook sends in its place is left alone.
 * @param isFailure false: whoever has destroyed the body has done so on purpose
 * @param deaf listeners that are added to a body which fails, and that do nothing
 */
export function endWithBody (body: Readable, raw: ServerResponse, isFailure: (error: Error) => boolean = () => true, deaf = 0): void {
  body.on('error', error => {
    if (!isFailure(error)) return
    const isHeard = body.listenerCount('error') > own + deaf
    const check = (): void => {
      if (raw.writableEnded) return
      const fed = destinations(body)
      const isStuck = fed.length > 0
        // Whoever pipes it there himself, and does not listen, has taken the reply from Fastify.
        ? fed.some(each => each === raw ? !isHeard && raw.headersSent : isWaiting(each, raw))
        : !isHeard && raw.headersSent && isRead(body)
      if (isStuck) breakOff(raw)
    }
    // Whoever hears of it may still send another.
    setImmediate(check)
    // A hook that is late may still make something of it.
    raw.once('pipe', () => setImmediate(check))
  })
  const own = body.listenerCount('error')
}

/** A stream that gets no more, and no end, and that the reply is made of. */
function isWaiting (stream: unknown, raw: ServerResponse): boolean {
  return !isTrue(stream, 'writableEnded') && leadsTo(stream, raw, DEPTH)
}

function leadsTo (stream: unknown, raw: ServerResponse, depth: number): boolean {
  const next = destinations(stream)
  // Of a payload that was destroyed Fastify hears.
  if (next.includes(raw)) return !isTrue(stream, 'destroyed')
  // Somebody else reads it: what limits the rate, say.
  if (next.length === 0) return raw.headersSent && stream instanceof Readable && isRead(stream)
  return depth > 0 && next.some(each => leadsTo(each, raw, depth - 1))
}

function isRead (stream: Readable): boolean {
  return stream.listenerCount('data') + stream.listenerCount('readable') > 0
}

/** What a stream is piped into, which Node.js tells nowhere else. */
function destinations (stream: unknown): readonly unknown[] {
  const state = valueIn(stream, '_readableState')
  const pipes = valueIn(state, 'pipes')
  return Array.isArray(pipes) ? pipes : []
}

function isTrue (stream: unknown, name: string): boolean {
  return valueIn(stream, name) === true
}

function valueIn (of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined
}
