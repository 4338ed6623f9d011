import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Http2Stream } from 'node:http2'
import type { Server } from 'node:net'

/**
 * Milliseconds in which a client may use a connection that it has open, and is told that it is the last time. A connection that is closed
 * while its request is on the way costs the client that request.
 */
const LAST_WORD = 5000
/** Milliseconds from one look at the open connections to the next. */
const LOOK = 50

const SWITCHING_PROTOCOLS = 101

/** The requests that are under way, and how they come to an end while clients notice nothing. */
export class Activity {
  readonly #running = new Set<FastifyReply['raw']>()
  #leaving = false
  /** Whoever waits until nothing is under way. */
  readonly #waiting = new Set<() => void>()

  constructor (app: FastifyInstance) {
    app.addHook('onRequest', (request, reply, done) => {
      this.#enter(request, reply)
      done()
    })
  }

  /**
   * Has every reply end its connection from now on, and waits until nothing is under way, but no longer than so many milliseconds (0: without
   * limit). Event streams and tunnels are under way for as long as their clients are there.
   * @param servers have the connections that clients may still use
   */
  async end (limit: number, servers: readonly Server[]): Promise<void> {
    this.#leaving = true
    for (const raw of this.#running) endsConnection(raw)
    const until = limit === 0 ? Infinity : performance.now() + limit
    const lastWord = Math.min(performance.now() + LAST_WORD, until)
    while (performance.now() < lastWord && await haveConnections(servers)) await wait(Math.min(LOOK, lastWord - performance.now()))
    while (this.#running.size > 0 && performance.now() < until) {
      await new Promise<void>(resolve => {
        const tell = (): void => {
          clearTimeout(timer)
          this.#waiting.delete(tell)
          resolve()
        }
        const timer = until === Infinity ? undefined : setTimeout(tell, Math.min(until - performance.now(), 2 ** 31 - 1))
        this.#waiting.add(tell)
      })
    }
  }

  #enter ({ raw }: FastifyRequest, { raw: reply }: FastifyReply): void {
    if (this.#leaving) endsConnection(reply)
    // Another hop of the same request.
    if (this.#running.has(reply)) return
    this.#running.add(reply)
    const { socket } = raw
    const leave = (): void => {
      socket.off('close', leave)
      this.#running.delete(reply)
      if (this.#running.size === 0) for (const tell of this.#waiting) tell()
    }
    if (raw.headers.upgrade === undefined) {
      reply.once('close', leave)
      return
    }
    // What becomes a tunnel is over with its connection.
    socket.once('close', leave)
    reply.once('close', () => { if (reply.statusCode !== SWITCHING_PROTOCOLS) leave() })
  }
}

/**
 * The client is told while it waits for the reply: with its head, or by GOAWAY, after which the streams that are there go on. A session
 * that is closed between two requests costs the client the one that is on the way.
 */
function endsConnection (reply: FastifyReply['raw']): void {
  if (reply.req.httpVersionMajor < 2) {
    if (!reply.headersSent) reply.shouldKeepAlive = false
    return
  }
  const stream: unknown = Reflect.get(reply, 'stream')
  if (isStream(stream)) stream.session?.close()
}

function isStream (value: unknown): value is Http2Stream {
  return typeof value === 'object' && value !== null && 'session' in value
}

async function haveConnections (servers: readonly Server[]): Promise<boolean> {
  const counts = await Promise.all(servers.map(server => new Promise<number>(resolve => {
    // It fails where a server is closed.
    server.getConnections((error, count) => resolve(error === null ? count : 0))
  })))
  return counts.some(count => count > 0)
}

function wait (milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, Math.max(0, milliseconds)))
}
