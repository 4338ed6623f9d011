import { once } from 'node:events'
import { createHistogram } from 'node:perf_hooks'
import { Connection } from './connection.ts'
import type { LoadOptions } from './load.ts'

// What the generators of this directory share: what they were told, the requests, the connections, and what they print.

export const url = new URL(process.argv[2] ?? '')
export const options: LoadOptions = JSON.parse(process.argv[3] ?? '{}')
export const latency = createHistogram()
export const counts = { requests: 0, bytes: 0, connect: 0, read: 0, write: 0, timeout: 0, status: 0 }

/** So many connections are being opened at the same time: by default fewer than a listener has room for. */
const { together = 250 } = options
const first = createHistogram()
const mostLost = 100

const lines = Object.entries({ Host: url.host, ...options.headers }).map(([name, value]) => `${name}: ${value}\r\n`).join('')
const requestBytes = makeRequest('')
let turn = 0

function makeRequest (query: string): Buffer {
  const { post } = options
  const method = post === undefined ? 'GET' : 'POST'
  const length = post === undefined ? '' : `Content-Length: ${post}\r\n`
  return Buffer.from(`${method} ${url.pathname}${query} HTTP/1.1\r\n${lines}${length}\r\n${'x'.repeat(post ?? 0)}`, 'latin1')
}

export function nextRequest (): Buffer {
  const { queries } = options
  return queries === undefined ? requestBytes : makeRequest(`?${queries.prefix}${turn++ % queries.count + 1}`)
}

/** Counts a reply, `latency` microseconds after its request was due. */
export function count (status: number, bytes: number, microseconds: number): void {
  counts.requests++
  counts.bytes += bytes
  if (status < 200 || status > 299) counts.status++
  latency.record(Math.max(1, Math.round(microseconds)))
}

/** Connections, kept at their number. Each has had one reply before it counts as open. */
export class Pool {
  readonly open = new Set<Connection>()
  #closing = false
  #lost = 0
  /** Called with a connection that came in the place of one that was lost. */
  onReplaced: (connection: Connection) => void = () => {}

  /** Opens all of them. */
  async fill (size: number): Promise<void> {
    let left = size
    const one = async (): Promise<void> => {
      while (left-- > 0) await new Promise<void>((resolve) => { this.#connect(() => { resolve() }) })
    }
    await Promise.all(Array.from({ length: Math.min(together, size) }, one))
  }

  close (): void {
    this.#closing = true
    for (const { socket } of this.open) socket.destroy()
  }

  #connect (ready: (connection: Connection) => void): void {
    const begun = performance.now()
    const connection = new Connection(url.hostname, Number(url.port), () => {
      connection.ask(nextRequest(), () => {
        first.record(Math.max(1, Math.round((performance.now() - begun) * 1000)))
        this.open.add(connection)
        ready(connection)
      })
    }, (lost, connected) => {
      this.open.delete(lost)
      if (this.#closing) return
      counts[connected ? 'read' : 'connect']++
      if (this.#lost++ < mostLost) this.#connect((next) => { this.onReplaced(next) })
      else throw new Error(`${mostLost} connections were lost: ${counts.connect} never opened, ${counts.read} were closed by the server`)
    })
  }
}

/** Says that all is prepared, and waits for the word. */
export async function waitForStart (begun: number): Promise<void> {
  const opened = performance.now() - begun
  console.log('ready')
  await once(process.stdin, 'data')
  process.stdin.destroy()
  Object.assign(counts, { requests: 0, bytes: 0, opened: opened * 1000, firstP99: first.percentile(99) })
}

/** Prints what was counted in the time since `begun`, in what wrk.lua prints. */
export function report (begun: number): void {
  const [p50, p99, p999] = [50, 99, 99.9].map((share) => latency.percentile(share))
  console.log('@' + JSON.stringify({ ...counts, microseconds: (performance.now() - begun) * 1000, p50, p99, p999 }))
}
