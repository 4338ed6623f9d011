import { FST_SCGI_CLIENT_SEND_TIMEOUT } from '../errors.ts'
import { isHttp2, pendingBytes } from '../http/raw-reply.ts'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Calls back when the client has taken nothing of its reply for `timeout` milliseconds although there is something to take. Waiting for
 * the application, or for a rate limit, is not the client's fault. (send_timeout)
 */
export function watchClient (request: FastifyRequest, reply: FastifyReply, timeout: number, late: (error: Error) => void): void {
  const { raw } = reply
  const { socket } = request.raw
  const { server } = request.server
  // A request of `app.inject()` has no client that could be late, nor a socket that is more than a name.
  if (typeof socket.setTimeout !== 'function') return
  // The socket has one timer, which the server uses while a connection is idle: its time must be told from ours.
  const idle = 'keepAliveTimeout' in server ? server.keepAliveTimeout : 0
  const limit = timeout === idle || timeout === idle + 1000 ? timeout + 1 : timeout
  const onTimeout = (): void => {
    if (raw.writableFinished || raw.destroyed) return
    if (pendingBytes(raw, socket) === 0) raw.setTimeout(limit)
    else late(new FST_SCGI_CLIENT_SEND_TIMEOUT(timeout))
  }
  raw.on('timeout', onTimeout)
  if (isHttp2(raw)) {
    raw.setTimeout(limit)
    return
  }
  const begin = (): void => {
    timed.set(socket, raw)
    raw.setTimeout(limit)
  }
  // A pipelined request waits for its turn: the connection's timer is another one's until then.
  if (raw.socket === null) raw.once('socket', begin)
  else begin()
  raw.once('close', () => {
    raw.off('timeout', onTimeout)
    if (timed.get(socket) !== raw) return
    timed.delete(socket)
    if (!socket.destroyed && socket.timeout === limit) socket.setTimeout('timeout' in server ? server.timeout : 0)
  })
}

/** For which reply the timer of a connection runs. */
const timed = new WeakMap<Socket, ServerResponse>()
