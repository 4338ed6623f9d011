import { connect, type Socket } from 'node:net'
import { createHistogram } from 'node:perf_hooks'
import type { LoadOptions } from './load.ts'

// The load generator for machines without wrk: one request under way on each of a fixed number of connections, for a fixed
// time. It prints what wrk.lua prints. It reads framing only as far as the bench's own replies need it.

const url = new URL(process.argv[2] ?? '')
const options: LoadOptions = JSON.parse(process.argv[3] ?? '{}')
const lines = Object.entries({ Host: url.host, ...options.headers }).map(([name, value]) => `${name}: ${value}\r\n`).join('')
const requestBytes = makeRequest('')
const lastChunk = Buffer.from('0\r\n\r\n')
const largestHead = 65536

const latency = createHistogram()
const counts = { requests: 0, bytes: 0, connect: 0, read: 0, write: 0, timeout: 0, status: 0 }
const sockets = new Set<Socket>()
const begun = process.hrtime.bigint()
let stopping = false
let turn = 0

function makeRequest (query: string): Buffer {
  const { post } = options
  const method = post === undefined ? 'GET' : 'POST'
  const length = post === undefined ? '' : `Content-Length: ${post}\r\n`
  return Buffer.from(`${method} ${url.pathname}${query} HTTP/1.1\r\n${lines}${length}\r\n${'x'.repeat(post ?? 0)}`, 'latin1')
}

function nextRequest (): Buffer {
  const { queries } = options
  return queries === undefined ? requestBytes : makeRequest(`?${queries.prefix}${turn++ % queries.count + 1}`)
}

function open (): void {
  let sent = 0n
  let connected = false
  let head: Buffer | undefined
  let left = -1 // bytes of the body still to come; -2: chunked, until the last chunk
  let tail = Buffer.alloc(0)

  const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true })
  sockets.add(socket)

  const send = (): void => {
    head = undefined
    left = -1
    tail = Buffer.alloc(0)
    sent = process.hrtime.bigint()
    socket.write(nextRequest())
  }
  const complete = (): void => {
    counts.requests++
    latency.record(process.hrtime.bigint() - sent)
    if (!stopping) send()
  }
  const readHead = (data: Buffer): Buffer | undefined => {
    head = head === undefined ? data : Buffer.concat([head, data])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) {
      if (head.length > largestHead) socket.destroy(new Error('head too large'))
      return undefined
    }
    const text = head.toString('latin1', 0, end).toLowerCase()
    if (text[9] !== '2') counts.status++
    const length = /\r\ncontent-length: *(\d+)/.exec(text)?.[1]
    left = length === undefined ? -2 : Number(length)
    return head.subarray(end + 4)
  }

  socket.on('connect', () => {
    connected = true
    send()
  })
  socket.on('data', (data: Buffer) => {
    counts.bytes += data.length
    const body = left === -1 ? readHead(data) : data
    if (body === undefined) return
    if (left === -2) {
      tail = Buffer.concat([tail.subarray(-lastChunk.length), body])
      if (tail.subarray(-lastChunk.length).equals(lastChunk)) complete()
    } else {
      left -= body.length
      if (left <= 0) complete()
    }
  })
  socket.on('error', () => {
    if (!stopping) counts[connected ? 'read' : 'connect']++
  })
  socket.on('close', () => {
    sockets.delete(socket)
    if (stopping) return
    counts.read++
    if (counts.read < 100) open()
  })
}

for (let i = 0; i < options.connections; i++) open()

setTimeout(() => {
  stopping = true
  const microseconds = Number(process.hrtime.bigint() - begun) / 1000
  for (const socket of sockets) socket.destroy()
  console.log('@' + JSON.stringify({ ...counts, microseconds, p99: latency.percentile(99) / 1000 }))
}, options.seconds * 1000)
