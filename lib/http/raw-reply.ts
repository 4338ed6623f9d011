import { constants } from 'node:http2'
import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'

/** Takes back status, reason phrase and headers that are not sent yet. */
export function clearHead (reply: FastifyReply): void {
  const { raw } = reply
  for (const name of raw.getHeaderNames()) raw.removeHeader(name)
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
  reply.code(200)
  if (!isHttp2(raw)) raw.statusMessage = ''
}

/** Takes a header away, wherever it was set. */
export function removeHeader (reply: FastifyReply, name: string): void {
  reply.removeHeader(name)
  if (!reply.raw.headersSent) reply.raw.removeHeader(name)
}

/** Who waits for the end of a connection: one listener serves any number of pipelined requests. */
const waiting = new WeakMap<Socket, Set<() => void>>()

/** Calls back when a connection closes. */
export function onSocketClose (socket: Socket, call: () => void): void {
  const known = waiting.get(socket)
  if (known !== undefined) {
    known.add(call)
    return
  }
  const calls = new Set([call])
  waiting.set(socket, calls)
  socket.once('close', () => {
    for (const each of calls) each()
  })
}

export function offSocketClose (socket: Socket, call: () => void): void {
  waiting.get(socket)?.delete(call)
}

/**
 * Calls back, once, when a reply is over. That of a pipelined request has no connection before its turn, and does not hear of it when
 * that ends earlier.
 */
export function onReplyClose (raw: ServerResponse, socket: Socket, call: () => void): void {
  let over = false
  const close = (): void => {
    if (over) return
    over = true
    offSocketClose(socket, close)
    call()
  }
  raw.once('close', close)
  if (raw.socket === null) onSocketClose(socket, close)
}

export function isHttp2 (raw: ServerResponse): boolean {
  return 'stream' in raw
}

/**
 * Sends a head before its body. What `flushHeaders()` of Node.js writes of HTTP/1 is UTF-8; everything else that Node.js writes of a head
 * are the bytes that its values stand for.
 */
export function flushHead (raw: ServerResponse): void {
  const send: unknown = isHttp2(raw) ? undefined : Reflect.get(raw, '_send')
  if (typeof send !== 'function') {
    raw.flushHeaders()
    return
  }
  if (!raw.headersSent) raw.writeHead(raw.statusCode)
  send.call(raw, '', 'latin1')
}

/** Ends a reply so that the client can tell it is not whole: a stream of HTTP/2 that is only destroyed looks complete. */
export function breakOff (raw: ServerResponse): void {
  const stream: unknown = 'stream' in raw ? raw.stream : undefined
  if (typeof stream === 'object' && stream !== null && 'close' in stream && typeof stream.close === 'function') {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  } else {
    raw.destroy()
  }
}

/** Has a reply over HTTP/2 that is destroyed, as Fastify does where its body fails, end as one that is not whole. */
export function resetIfDestroyed (raw: ServerResponse): void {
  if (!isHttp2(raw)) return
  raw.destroy = () => {
    breakOff(raw)
    return raw
  }
}

/** A connection of HTTP/1 that was promised to be kept ends with its reply all the same. */
export function endAfter (raw: ServerResponse, socket: Socket): void {
  if (raw.headersSent && !isHttp2(raw)) raw.once('finish', () => socket.destroySoon())
}

/** The client's connection, or its stream, has ended already: nothing will tell of it any more. */
export function isGone (raw: ServerResponse): boolean {
  const stream: unknown = 'stream' in raw ? raw.stream : undefined
  if (typeof stream === 'object' && stream !== null && 'destroyed' in stream) return stream.destroyed === true
  return raw.destroyed
}

const { end, write } = OutgoingMessage.prototype

/** What is written to a reply of HTTP/1 is seen by Node.js alone, which keeps nothing of what has left. */
export function isUnseen (raw: ServerResponse, socket: Socket): boolean {
  return raw.write === write && raw.end === end && !Object.hasOwn(socket, 'write')
}

/** Bytes of a reply that the client has not taken yet. */
export function pendingBytes (raw: ServerResponse, socket: Socket): number {
  const stream: unknown = 'stream' in raw ? raw.stream : undefined
  if (typeof stream === 'object' && stream !== null && 'writableLength' in stream && typeof stream.writableLength === 'number') return stream.writableLength
  return raw.writableLength + socket.writableLength
}
