import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { Connection } from '../load/connection.ts'
import { Schedule } from '../load/schedule.ts'
import { encode, Mixer, type Ingredient } from './mix.ts'

// The load of the soak. argv: JSON of Settings. Without a rate it is a closed loop; with one an open loop. Beside it is an open loop for
// the floor. Every `interval` milliseconds it prints a line of JSON: what has been counted from the start.

interface Settings {
  readonly port: number
  readonly floorPort: number
  readonly seconds: number
  readonly rate?: number
  readonly connections: number
  readonly interval: number
  /** Streams of events, and as many tunnels, that stay open and are quiet. */
  readonly idle: number
}

const { port, floorPort, seconds, rate, connections, interval, idle }: Settings = JSON.parse(process.argv[2] ?? '{}')
const host = '127.0.0.1'
const floorShare = 0.1
/** Requests a second to the floor beside the closed loop, to warm it up. */
const floorRate = 200
/** One of the idle connections is closed and opened anew each so many milliseconds, and the metrics are asked for. */
const change = 5000
/** More that wait than this, and the gateway cannot keep up. */
const mostWaiting = 100_000

const counts = { requests: 0, floor: 0, left: 0, reopened: 0, lost: 0, waiting: 0 }
const unexpected: Record<string, number> = {}
const mixer = new Mixer()
let turn = 0
let over = false

function blame (what: string): void {
  unexpected[what] = (unexpected[what] ?? 0) + 1
}

/** A client that goes away when the reply has begun. */
function leave (ingredient: Ingredient, done: () => void): void {
  const socket = connect({ host, port, noDelay: true }, () => { socket.write(encode(ingredient, turn++)) })
  socket.on('error', () => { blame('a client that went away got an error') })
  socket.once('data', () => { socket.destroy() })
  socket.once('close', () => {
    counts.left++
    done()
  })
}

/** Keep-alive connections to one port, and the requests that wait for one of them. */
class Clients {
  readonly #port: number
  readonly #free: Connection[] = []
  readonly #waiting: (() => Ingredient | Buffer)[] = []
  readonly #onDone: () => void

  constructor (target: number, count: number, onDone: () => void) {
    this.#port = target
    this.#onDone = onDone
    for (let i = 0; i < count; i++) this.#open()
  }

  get waiting (): number {
    return this.#waiting.length
  }

  ask (make: () => Ingredient | Buffer): void {
    // In turn: servers close what is idle for some seconds.
    const connection = this.#free.shift()
    if (connection === undefined) this.#waiting.push(make)
    else this.#send(connection, make())
  }

  #open (): void {
    const opened = new Connection(host, this.#port, (connection) => { this.#next(connection) }, (connection) => {
      if (over) return
      const at = this.#free.indexOf(connection)
      if (at === -1) counts.lost++ // with a request under way
      else this.#free.splice(at, 1)
      this.#open()
      if (at === -1) this.#onDone()
    })
    opened.socket.setMaxListeners(0)
  }

  #send (connection: Connection, what: Ingredient | Buffer): void {
    if (!Buffer.isBuffer(what) && what.leaves === true) {
      this.#next(connection)
      leave(what, this.#onDone)
      return
    }
    connection.ask(Buffer.isBuffer(what) ? what : encode(what, turn++), ({ status }) => {
      // Both servers may fail at once.
      if (status !== 200 && !Buffer.isBuffer(what)) blame(`${what.name}: ${status}`)
      this.#onDone()
      this.#next(connection)
    })
  }

  #next (connection: Connection): void {
    const make = this.#waiting.shift()
    if (make === undefined) this.#free.push(connection)
    else this.#send(connection, make())
  }
}

const quiet: Socket[] = []
function openQuiet (n: number): void {
  const request = n % 2 === 0
    ? 'GET /special/events HTTP/1.1\r\nHost: soak.example\r\n\r\n'
    : 'GET /special/socket HTTP/1.1\r\nHost: soak.example\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n'
  const socket = connect({ host, port }, () => { socket.write(request) })
  socket.once('data', (head: Buffer) => {
    const status = head.toString('latin1', 9, 12)
    if (status !== (n % 2 === 0 ? '200' : '101')) blame(`${n % 2 === 0 ? 'events' : 'tunnel'}: ${status}`)
    socket.resume()
  })
  socket.on('error', () => {})
  socket.once('close', () => {
    if (over) return
    counts.reopened++
    openQuiet(n)
  })
  quiet[n] = socket
}

const page = Buffer.from('GET /1k HTTP/1.1\r\nHost: soak.example\r\n\r\n')
const scrape = Buffer.from('GET /metrics HTTP/1.1\r\nHost: soak.example\r\n\r\n')
const floor = new Clients(floorPort, 8, () => { counts.floor++ })
const gateway = new Clients(port, connections, () => {
  counts.requests++
  if (rate === undefined && !over) gateway.ask(() => mixer.next())
})
for (let i = 0; i < 2 * idle; i++) openQuiet(i)

const begun = performance.now()
let changed = 0
const changing = setInterval(() => {
  quiet[changed++ % quiet.length]?.destroy()
  if (rate !== undefined) gateway.ask(() => scrape)
}, change)
const telling = setInterval(() => {
  counts.waiting = gateway.waiting
  console.log(JSON.stringify({ ...counts, unexpected }))
  if (gateway.waiting > mostWaiting) throw new Error(`${gateway.waiting} requests wait: the gateway cannot keep up`)
}, interval)

if (rate === undefined) for (let i = 0; i < connections; i++) gateway.ask(() => mixer.next())
const schedules: [Schedule, () => void][] = [
  [new Schedule(rate === undefined ? floorRate : rate * floorShare, begun), () => { floor.ask(() => page) }],
]
if (rate !== undefined) schedules.push([new Schedule(rate, begun), () => { gateway.ask(() => mixer.next()) }])
while (performance.now() < begun + seconds * 1000 + interval / 2) {
  const now = performance.now()
  for (const [schedule, send] of schedules) while (schedule.take(now) !== undefined) send()
  await wait(1)
}
over = true
clearInterval(changing)
clearInterval(telling)
process.exit(0)
