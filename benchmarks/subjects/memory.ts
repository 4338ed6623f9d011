import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Stage, type Bench } from '../lib/bench.ts'
import { ask } from '../lib/box.ts'
import { formatTable } from '../lib/table.ts'
import { fastifyScgi, floor } from '../peers/node.ts'
import type { Section } from '../lib/page.ts'
import type { Origins, Peer } from '../peers/peer.ts'

/** Enough that what is made once does not count. */
const CLIENTS = 1000
const ENTRIES = 10_000
const BODY = 1024

/** An SCGI server that answers paths of `/entry` with a body that may be kept, and no others. */
async function startOrigin (): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>()
  const reply = `Status: 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=3600\r\nContent-Length: ${BODY}\r\n\r\n${'x'.repeat(BODY)}`
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    // The head comes in one piece.
    socket.on('data', (data) => { if (data.includes('\0/entry')) socket.end(reply) })
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  const address = server.address()
  return {
    port: isTcp(address) ? address.port : NaN,
    async [Symbol.asyncDispose] () {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function isTcp (address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}

/** Sends a request, and waits for the whole of its reply. */
async function answer (client: Socket, path: string): Promise<void> {
  client.write(request(path))
  let got = 0
  for (;;) {
    const [data] = await once(client, 'data')
    if (got === 0 && !String(data).startsWith('HTTP/1.1 200')) throw new Error(`the gateway answered ${String(data).slice(0, 20)}`)
    got += Buffer.byteLength(String(data))
    if (got > BODY) return
  }
}

function request (path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: example.org\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`
}

interface Seen {
  readonly idle: number
  readonly running: number
  readonly cached: number
}

/** Bytes of the heap and beside it that each thing holds, after a full collection. */
async function measure (bench: Bench, peer: Peer, port: number, cached: boolean): Promise<Seen> {
  const origins: Origins = { ...bench.origins, scgiPort: port }
  await using stage = new Stage({ ...bench, origins })
  const contestant = await stage.start(peer, 'tcp')
  const held = (): Promise<number> => ask<number>(contestant.running, 'memory')
  const clients: Socket[] = []
  try {
    const open = async (): Promise<Socket> => {
      const client = connect(contestant.port, '127.0.0.1')
      clients.push(client)
      client.setMaxListeners(0)
      await once(client, 'connect')
      await answer(client, '/entry')
      return client
    }
    // What is made with the first of them, and compiled, is there.
    for (let n = 0; n < 100; n++) await open()
    const before = await held()
    for (let n = 0; n < CLIENTS; n++) await open()
    const idle = await held()
    for (const client of clients) client.write(request('/never'))
    const busy = await settled(held)
    for (const client of clients.splice(0)) client.destroy()
    if (!cached) return { idle: (idle - before) / CLIENTS, running: (busy - idle) / (CLIENTS + 100), cached: NaN }
    const one = await open()
    for (let n = 0; n < 100; n++) await answer(one, `/entry?${n}`)
    const empty = await settled(held)
    for (let n = 100; n < ENTRIES + 100; n++) await answer(one, `/entry?${n}`)
    const full = await held()
    return { idle: (idle - before) / CLIENTS, running: (busy - idle) / (CLIENTS + 100), cached: (full - empty) / ENTRIES - BODY }
  } finally {
    for (const client of clients) client.destroy()
  }
}

/** What is held when it does not change any more. */
async function settled (held: () => Promise<number>): Promise<number> {
  let last = await held()
  for (let n = 0; n < 50; n++) {
    const now = await held()
    if (Math.abs(now - last) < 50_000) return now
    last = now
  }
  return last
}

/** What a client connection, an exchange and an entry of a cache take. */
export async function measureMemory (bench: Bench): Promise<Section[]> {
  const { options: { dist } } = bench
  await using origin = await startOrigin()
  const ours = await measure(bench, fastifyScgi(dist), origin.port, false)
  const caching = await measure(bench, fastifyScgi(dist, { cache: { name: 'memory', maxSize: '256m', maxEntries: 2 * ENTRIES } }), origin.port, true)
  const bare = await measure(bench, floor, origin.port, false)
  const line = (what: string, mine: number, theirs: number): string[] => [what, mine.toFixed(0), Number.isNaN(theirs) ? '' : theirs.toFixed(0)]
  return [{
    block: 'memory',
    title: 'Memory',
    text: `${formatTable(['bytes for', 'fastify-scgi', 'floor'], [
      line('an idle connection of a client, keep-alive', ours.idle, bare.idle),
      line('an exchange that waits for its reply, beside it', ours.running, bare.running),
      line('an entry of 1 kB in the memory store, beside its body', caching.cached, NaN),
    ], 1)}

Heap of JavaScript and the memory beside it that it holds, after a full collection, as the difference that ${CLIENTS} connections, as many
requests that the origin does not answer, and ${ENTRIES} entries make. Sockets of the kernel and the C part of Node.js' handles do not count.`,
  }]
}
