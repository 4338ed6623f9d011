import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { Connection } from '../load/connection.ts'
import { encode, Mixer, type Ingredient } from './mix.ts'

/** What became of all requests of one load. */
export interface Counted {
  /** Clients that went away. */
  left: number
  reopened: number
  /** Connections that closed with a request under way. */
  lost: number
  /** Requests that wait for a connection. */
  waiting: number
  readonly unexpected: Record<string, number>
}

export interface TargetOptions {
  readonly port: number
  readonly connections: number
  /** Streams of events, and as many tunnels, that stay open and are quiet. */
  readonly idle: number
  /** Each reply is followed by the next request. */
  readonly closed: boolean
  readonly counted: Counted
}

const host = '127.0.0.1'
const scrape = Buffer.from('GET /metrics HTTP/1.1\r\nHost: soak.example\r\n\r\n')
/** More that wait than this, and the gateway cannot keep up. */
const mostWaiting = 100_000
/** Milliseconds for the replies that are under way. */
const patience = 60_000

/** Unlike those of an earlier load: what that had stored must be asked for no more. */
let sent = Date.now() * 1000

/** One gateway: the keep-alive connections to it, the requests that wait for one of them, and the quiet connections. */
export class Target {
  /** Requests that are done with. */
  requests = 0
  readonly #options: TargetOptions
  readonly #mixer = new Mixer()
  readonly #free: Connection[] = []
  readonly #waiting: (Ingredient | Buffer)[] = []
  readonly #quiet: Socket[] = []
  #asked = 0
  #changed = 0

  constructor (options: TargetOptions) {
    this.#options = options
    for (let i = 0; i < options.connections; i++) this.#open()
    for (let i = 0; i < 2 * options.idle; i++) this.#openQuiet(i)
    if (options.closed) for (let i = 0; i < options.connections; i++) this.ask()
  }

  get waiting (): number {
    return this.#waiting.length
  }

  ask (what: Ingredient | Buffer = this.#mixer.next()): void {
    this.#asked++
    // In turn: servers close what is idle for some seconds.
    const connection = this.#free.shift()
    if (connection !== undefined) this.#send(connection, what)
    else if (this.#waiting.push(what) > mostWaiting) throw new Error(`${mostWaiting} requests wait: the gateway cannot keep up`)
  }

  /** Closes one of the quiet connections, which is opened anew, and asks for the metrics. */
  change (): void {
    this.#quiet[this.#changed++ % this.#quiet.length]?.destroy()
    if (!this.#options.closed) this.ask(scrape)
  }

  /** Waits until no request is under way. */
  async settle (): Promise<void> {
    const end = performance.now() + patience
    while (this.requests < this.#asked) {
      if (performance.now() > end) throw new Error(`${this.#asked - this.requests} requests have no reply after ${patience} ms`)
      await wait(1)
    }
  }

  #done (): void {
    this.requests++
    if (this.#options.closed) this.ask()
  }

  #blame (what: string): void {
    const { unexpected } = this.#options.counted
    unexpected[what] = (unexpected[what] ?? 0) + 1
  }

  #open (): void {
    const opened = new Connection(host, this.#options.port, (connection) => { this.#next(connection) }, (connection) => {
      const at = this.#free.indexOf(connection)
      if (at === -1) this.#options.counted.lost++ // with a request under way
      else this.#free.splice(at, 1)
      this.#open()
      if (at === -1) this.#done()
    })
    opened.socket.setMaxListeners(0)
  }

  #send (connection: Connection, what: Ingredient | Buffer): void {
    if (!Buffer.isBuffer(what) && what.leaves === true) {
      this.#next(connection)
      this.#leave(what)
      return
    }
    connection.ask(Buffer.isBuffer(what) ? what : encode(what, sent++), ({ status }) => {
      if (status !== 200) this.#blame(`${Buffer.isBuffer(what) ? 'metrics' : what.name}: ${status}`)
      this.#done()
      this.#next(connection)
    })
  }

  #next (connection: Connection): void {
    const what = this.#waiting.shift()
    if (what === undefined) this.#free.push(connection)
    else this.#send(connection, what)
  }

  /** A client that goes away when the reply has begun. */
  #leave (ingredient: Ingredient): void {
    const socket = connect({ host, port: this.#options.port, noDelay: true }, () => { socket.write(encode(ingredient, sent++)) })
    socket.on('error', () => { this.#blame('a client that went away got an error') })
    socket.once('data', () => { socket.destroy() })
    socket.once('close', () => {
      this.#options.counted.left++
      this.#done()
    })
  }

  #openQuiet (n: number): void {
    const [what, status, request] = n % 2 === 0
      ? ['events', '200', 'GET /special/events HTTP/1.1\r\nHost: soak.example\r\n\r\n'] as const
      : ['tunnel', '101', 'GET /special/socket HTTP/1.1\r\nHost: soak.example\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n'] as const
    const socket = connect({ host, port: this.#options.port }, () => { socket.write(request) })
    socket.once('data', (head: Buffer) => {
      const got = head.toString('latin1', 9, 12)
      if (got !== status) this.#blame(`${what}: ${got}`)
      socket.resume()
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#options.counted.reopened++
      this.#openQuiet(n)
    })
    this.#quiet[n] = socket
  }
}
