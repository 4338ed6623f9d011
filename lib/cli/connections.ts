import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Knows the connections on which no request has come yet, which would keep a closing server waiting. */
export class UnusedConnections {
  readonly #sockets = new Set<Socket>()

  constructor (app: FastifyInstance) {
    const { server } = app
    server.on('connection', socket => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', request => this.#sockets.delete(request.socket))
  }

  /** Ends them; to be called when the server is about to be closed. */
  close (): void {
    // Browsers open connections ahead. Node.js does not count them as idle, and would wait a minute for their requests.
    for (const socket of this.#sockets) socket.destroy()
  }
}
