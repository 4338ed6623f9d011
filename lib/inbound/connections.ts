import { cutLingering } from './linger.ts'
import { pace } from './pace.ts'
import { onlooker } from './upgrades.ts'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** How long a connection that comes while the application closes may stay silent, in milliseconds. */
const PATIENCE = 1000

/**
 * Connections of clients that keep a closing application waiting although nobody waits for a reply: those on which no request has come
 * yet or none but the beginning of one, sessions of HTTP/2, and those that linger after a reply. Browsers open connections ahead, and Node.js does not count them as idle.
 */
export class ClientConnections {
  readonly #servers: EventEmitter[] = []
  /** No request has come on them. */
  readonly #unused = new Set<Socket>()
  /** One has come on them, and maybe the beginning of another. */
  readonly #used = new Set<Socket>()
  /** On which TLS or HTTP/2 is spoken. Behind their handshake there is another socket, or a session, which counts. */
  readonly #outer = new Set<Socket>()
  readonly #sessions = new Set<Http2Session>()
  #closing = false
  /** One for all connections: of thousands each would hold its own. */
  readonly #gone: (this: Socket) => void

  constructor (server: EventEmitter) {
    const sets = [this.#unused, this.#used, this.#outer]
    this.#gone = function () {
      for (const set of sets) set.delete(this)
    }
    this.watch(server)
  }

  /** Fastify has a server for each address of a name. */
  watch (server: EventEmitter): void {
    if (this.#servers.includes(server)) return
    this.#servers.push(server)
    const plain = 'setSecureContext' in server || 'updateSettings' in server ? this.#outer : this.#unused
    server.on('connection', (socket: Socket) => {
      this.#add(socket, plain)
      // Not before there is one: what never listens is never closed, and would be remembered for ever.
      if (!this.#closing) pace.watch(this.#used)
      pace.accepted(socket, plain === this.#unused && !this.#closing)
    })
    server.on('secureConnection', (socket: TLSSocket) => { if (socket.alpnProtocol !== 'h2') this.#add(socket, this.#unused) })
    server.on('request', ({ socket }: IncomingMessage) => { if (this.#unused.delete(socket)) this.#used.add(socket) })
    server.on('upgrade', onlooker(({ socket }) => {
      this.#unused.delete(socket)
      this.#used.delete(socket)
    }))
    server.on('session', (session: Http2Session) => {
      this.#sessions.add(session)
      session.once('close', () => this.#sessions.delete(session))
    })
  }

  /**
   * To be called when the server is about to be closed.
   * @param done called when it may be closed
   */
  close (done: () => void): void {
    this.#closing = true
    pace.forget(this.#used)
    for (const socket of this.#outer) endSilent(socket)
    // They take no new streams, and end with the last one that is under way.
    for (const session of this.#sessions) session.close()
    // Until what has arrived is read nobody knows who is silent, and Node.js would close for idle those who have asked again.
    pace.finish(() => {
      for (const socket of this.#unused) endSilent(socket)
      done()
    })
  }

  /** Ends what is left without a reply to wait for, when closing has taken long enough. */
  cut (): void {
    for (const socket of this.#unused) socket.destroy()
    // The response that Node.js is about to send; null if there was one, and there is none now.
    for (const socket of this.#used) if (Reflect.get(socket, '_httpMessage') === null) socket.destroy()
    for (const server of this.#servers) cutLingering(server)
  }

  /** None is left. */
  get none (): boolean {
    return this.#unused.size === 0 && this.#used.size === 0 && this.#outer.size === 0 && this.#sessions.size === 0
  }

  #add (socket: Socket, to: Set<Socket>): void {
    to.add(socket)
    socket.on('close', this.#gone)
    // Until the server stops to listen others may come.
    if (this.#closing) setTimeout(endSilent, PATIENCE, socket)
  }
}

function endSilent (socket: Socket): void {
  if (socket.bytesRead === 0) socket.destroy()
}
