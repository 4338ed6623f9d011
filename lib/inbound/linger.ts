import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How long a rest of a request is read in all, and how long it is waited for. In seconds. (nginx: lingering_time, lingering_timeout) */
const LINGERING_TIME = 30
const LINGERING_TIMEOUT = 5

/** The latest request of a connection whose body was not through when it was answered. */
const unread = new WeakMap<Socket, IncomingMessage>()
/** Connections that are waited for, by their server. */
const lingering = new WeakMap<object, Set<Socket>>()

/**
 * To be told of each reply before it goes out. Where it is early, the rest of the request is read and thrown away: to close a connection
 * on which something is unread resets it, and a client that writes all before it reads never sees the reply (RFC 9112 section 9.6).
 * Of a connection that ends the write side is closed at once, and the rest when the client has closed too.
 * @param server whose connection it is, for `cutLingering`
 */
export function hearRest (request: IncomingMessage, response: ServerResponse, server: object): void {
  if (request.complete || request.httpVersionMajor !== 1 || !hasBody(request)) return
  const { socket } = request
  // A request of `app.inject()` has a socket that is more of a name.
  if (typeof socket.destroySoon !== 'function' || unread.get(socket) === request) return
  const first = !unread.has(socket)
  unread.set(socket, request)
  if (first) closeLingeringly(socket, server)
  response.once('finish', () => {
    // What its connection ends with lingers already.
    if (request.complete || !socket.writable) return
    request.resume()
    const stop = limit(socket, server)
    request.once('end', () => {
      stop()
      if ('listening' in server && server.listening === false) socket.destroySoon()
    })
  })
}

/** Without either of them nothing follows the head (RFC 9112 section 6.3): Node.js only says so after it has handed the request on. */
function hasBody ({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

/** Ends what still waits for clients. */
export function cutLingering (server: object): void {
  for (const socket of lingering.get(server) ?? []) socket.destroy()
}

/** Node.js ends a connection after its last reply by this method, and would close it with all that is unread. */
function closeLingeringly (socket: Socket, server: object): void {
  const { destroySoon } = socket
  socket.destroySoon = () => {
    const request = unread.get(socket)
    if (request === undefined || request.complete || socket.destroyed || socket.readableEnded) {
      destroySoon.call(socket)
      return
    }
    if (!socket.writable) return
    socket.once('close', () => request.destroy())
    socket.end()
    socket.pause()
    // Node.js begins to read again when it hears of this, and only as long as it parses what it reads.
    socket.once('resume', () => {
      // What comes after this request will not be answered.
      socket.removeAllListeners('data').removeAllListeners('end')
      socket.on('data', ignore)
    })
    socket.resume()
    limit(socket, server)
  }
}

/** Limits the time that is waited; call what is returned when there is nothing more to wait for. */
function limit (socket: Socket, server: object): () => void {
  let all = lingering.get(server)
  if (all === undefined) lingering.set(server, all = new Set())
  all.add(socket)
  let seen = socket.bytesRead
  let seconds = 0
  let silent = 0
  const timer = setInterval(() => {
    silent = socket.bytesRead === seen ? silent + 1 : 0
    seen = socket.bytesRead
    if (++seconds >= LINGERING_TIME || silent >= LINGERING_TIMEOUT) socket.destroy()
  }, 1000)
  const stop = (): void => {
    clearInterval(timer)
    all.delete(socket)
  }
  socket.once('close', stop)
  return () => {
    socket.off('close', stop)
    stop()
  }
}

function ignore (): void {}
