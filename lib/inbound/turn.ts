import { AsyncResource } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** So many requests of one connection may wait before nothing more is read from it. */
const MAX_WAITING = 32

const lines = new WeakMap<Socket, Line>()

/**
 * Calls back when it is a request's turn: those of one HTTP/1 connection are served one after the other, as nginx does it. That is at once
 * unless it was pipelined; and never, where the connection ends before, or a reply has said that it is the last (RFC 9112 section 9.6).
 */
export function takeTurn (request: IncomingMessage, response: ServerResponse, call: () => void): void {
  if (isAfterLast(request, response)) return
  // Node.js gives a reply its socket when it is the next to be sent.
  if (request.httpVersionMajor !== 1 || response.socket !== null || response.writableEnded || response.destroyed) {
    call()
    return
  }
  const { socket } = request
  let line = lines.get(socket)
  if (line === undefined) lines.set(socket, line = new Line(socket))
  const { leave } = line
  line.join()
  // The turn comes in the course of another request, whose context is none of this one's.
  const begin = AsyncResource.bind(call)
  response.once('socket', () => {
    process.nextTick(() => {
      leave()
      // The reply before may have been the last of the connection.
      if (socket.writable) begin()
    })
  })
}

/** The rest of an earlier request is still read on the connection, which is closed for writing, and this one has come behind it. */
function isAfterLast ({ httpVersionMajor, socket }: IncomingMessage, response: ServerResponse): boolean {
  return httpVersionMajor === 1 && socket.writableEnded && !socket.destroyed && !response.destroyed
}

/** Those who wait on one connection. */
class Line {
  readonly #socket: Socket
  #waiting = 0
  #full = false

  constructor (socket: Socket) {
    this.#socket = socket
  }

  join (): void {
    if (++this.#waiting <= MAX_WAITING || this.#full) return
    this.#full = true
    this.#socket.on('resume', this.#stop)
    this.#socket.pause()
  }

  readonly leave = (): void => {
    if (--this.#waiting > MAX_WAITING / 2 || !this.#full) return
    this.#full = false
    this.#socket.off('resume', this.#stop)
    this.#socket.resume()
  }

  /** Node.js reads on after each request that it has parsed. */
  readonly #stop = (): void => {
    this.#socket.pause()
  }
}
