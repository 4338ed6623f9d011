import { STATUS_CODES } from 'node:http'
import { isGone, isHttp2 } from '../http/raw-reply.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ReplySettings } from './settings.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/** Hints that a client has not taken yet; beyond that it gets no more of them. */
const MAX_BEHIND = 65_536

/**
 * Hands an informational head on to the client, with the fields that it may get of any reply (RFC 9110 section 15.2). Not to HTTP/1.0, which
 * has none; not once the head of the reply is out; and not to a pipelined request that waits for the reply before it.
 */
export function sendInterim (mount: ReplySettings, request: IncomingMessage, raw: ServerResponse, head: ResponseHead): void {
  if (raw.headersSent || isGone(raw) || request.httpVersion === '1.0' || request.httpVersion === '0.9') return
  if (isHttp2(raw)) sendOverHttp2(raw, head.statusCode, mount.filter.apply(head, true))
  else sendOverHttp1(mount, raw, head)
}

/** By hand: Node.js has a method for 103 alone, and that refuses links which it does not know how to read. */
function sendOverHttp1 (mount: ReplySettings, raw: ServerResponse, head: ResponseHead): void {
  const { socket } = raw
  if (socket === null || !socket.writable || socket.writableLength > MAX_BEHIND) return
  const headers = mount.filter.apply(head, false)
  const spelling = mount.preserveHeaderCase ? mount.filter.spelling(head) : undefined
  let text = `HTTP/1.1 ${head.statusCode} ${head.statusMessage || (STATUS_CODES[head.statusCode] ?? '')}\r\n`
  for (const name in headers) {
    const value = headers[name] ?? ''
    for (const line of typeof value === 'string' ? [value] : value) text += `${spelling?.get(name) ?? name}: ${line}\r\n`
  }
  socket.write(`${text}\r\n`, 'latin1')
}

function sendOverHttp2 (raw: ServerResponse, statusCode: number, headers: Record<string, string | string[]>): void {
  const stream: unknown = 'stream' in raw ? raw.stream : undefined
  if (typeof stream !== 'object' || stream === null || !('additionalHeaders' in stream) || typeof stream.additionalHeaders !== 'function') return
  try {
    stream.additionalHeaders({ ':status': statusCode, ...headers })
  } catch {
    // The stream has ended meanwhile, or Node.js knows a field better than the application: the reply itself follows.
  }
}
