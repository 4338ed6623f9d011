import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/** A method and a blank, as far as they have come. A netstring begins with a digit. */
const METHOD = /^[A-Z]{1,20}(?: |$)/

/** Whether these first bytes of a connection are a client's that speaks HTTP. */
export function looksLikeHttp (chunk: Buffer): boolean {
  return METHOD.test(chunk.toString('latin1', 0, 24))
}

/**
 * The answer to what is no request, with the reason in words: who sees it is a person that looks for a mistake.
 * @param nph begin with a status line of HTTP
 * @param http it goes to a client that speaks HTTP
 */
export function refusal (reason: string, status: number, nph: boolean, http: boolean): string {
  const text = `${STATUS_CODES[status] ?? ''}\n\n${reason}\n`
  return `${nph || http ? 'HTTP/1.1' : 'Status:'} ${status} ${STATUS_CODES[status] ?? ''}\r\n` +
    `Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\n${http ? 'Connection: close\r\n' : ''}\r\n${text}`
}

/**
 * Tells the listeners of what was refused. One that destroys the socket, as Fastify's own does, would reset the connection as long as
 * bytes are unread, and the gateway could lose the answer: the socket ends by itself, soon.
 */
export function undestroyed (socket: Socket, tell: () => void): void {
  socket.destroy = () => socket
  try {
    tell()
  } finally {
    Reflect.deleteProperty(socket, 'destroy')
  }
}
