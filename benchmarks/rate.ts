// Do the rate limits keep their figure? Ten seconds of real time, all rates at once; prints how far each is from it.
//   node --import tsx benchmarks/rate.ts [seconds]
import { createServer, request } from 'node:http'
import { connect, createServer as createNetServer, type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { limitRate, UpstreamRate } from '../lib/filters/rate.ts'

const SECONDS = Number(process.argv[2] ?? 10)
const RATES = [2000, 20_000, 200_000, 2_000_000, 20_000_000]
const CHUNK = 65_536
/** Further from the figure than this is a failure. */
const TOLERANCE = 0.05

interface Row {
  limit: string
  rate: number
  bytes: number
  seconds: number
}

/** One for all: to make it takes time. */
const BODY = Buffer.alloc(Math.max(...RATES) * (SECONDS + 2))

function endless (): Readable {
  return new Readable({ read () { this.push(Buffer.alloc(CHUNK)) } })
}

const clients = createServer((incoming, outgoing) => {
  const url = new URL(incoming.url ?? '/', 'http://localhost')
  const rate = Number(url.searchParams.get('rate'))
  const payload = limitRate(url.pathname === '/buffer' ? BODY.subarray(0, rate * (SECONDS + 2)) : endless(), { rate })
  if (!(payload instanceof Readable)) throw new Error('nothing to limit')
  payload.pipe(outgoing)
  outgoing.once('close', () => payload.destroy())
})
clients.listen(0, '127.0.0.1')

/** To the client, over HTTP. */
function download (path: string, rate: number): Promise<Row> {
  return new Promise((resolve, reject) => {
    const { port } = clients.address() as AddressInfo
    const outgoing = request({ host: '127.0.0.1', port, path: `${path}?rate=${rate}`, agent: false }, incoming => {
      // With the head the first piece is on its way.
      const began = performance.now()
      let bytes = 0
      incoming.on('data', (chunk: Buffer) => { bytes += chunk.length })
      setTimeout(() => {
        resolve({ limit: `to the client, ${path.slice(1)}`, rate, bytes, seconds: (performance.now() - began) / 1000 })
        outgoing.destroy()
      }, SECONDS * 1000)
    })
    outgoing.once('error', reject)
    outgoing.end()
  })
}

const applications = createNetServer(socket => {
  socket.on('error', () => {})
  endless().pipe(socket)
})
applications.listen(0, '127.0.0.1')

/** From the application: a socket that is paused and resumed. */
function read (rate: number): Promise<Row> {
  return new Promise(resolve => {
    const { port } = applications.address() as AddressInfo
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      const began = performance.now()
      const limiter = new UpstreamRate(rate)
      let bytes = 0
      socket.on('data', chunk => {
        bytes += chunk.length
        const pause = limiter.read(chunk.length)
        if (pause === 0) return
        socket.pause()
        setTimeout(() => socket.resume(), pause)
      })
      setTimeout(() => {
        resolve({ limit: 'from the application', rate, bytes, seconds: (performance.now() - began) / 1000 })
        socket.destroy()
      }, SECONDS * 1000)
    })
  })
}

await new Promise(resolve => setTimeout(resolve, 100))
const rows = await Promise.all(RATES.flatMap(rate => [download('/stream', rate), download('/buffer', rate), read(rate)]))
clients.close()
applications.close()
let worst = 0
console.log('limit                          B/s   bytes read   seconds   deviation')
for (const { limit, rate, bytes, seconds } of rows.sort((a, b) => a.limit.localeCompare(b.limit) || a.rate - b.rate)) {
  const deviation = bytes / (rate * seconds) - 1
  // A read is of 64 KiB at most, and takes its time: at a low rate the first one is worth more than all of the ten seconds.
  const counts = limit !== 'from the application' || rate * SECONDS > 20 * CHUNK
  if (counts) worst = Math.max(worst, Math.abs(deviation))
  console.log(`${limit.padEnd(24)} ${String(rate).padStart(9)} ${String(bytes).padStart(12)} ${seconds.toFixed(2).padStart(9)} ${(deviation * 100).toFixed(2).padStart(9)} %${counts ? '' : ' (one read)'}`)
}
console.log(`worst: ${(worst * 100).toFixed(2)} %, allowed: ${TOLERANCE * 100} %`)
if (worst > TOLERANCE) process.exitCode = 1
