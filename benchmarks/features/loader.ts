import { Agent, get } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import { finished } from 'node:stream/promises'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { note, type Bench } from '../lib/bench.ts'
import { ask } from '../lib/box.ts'
import { waitForPort } from '../lib/check.ts'
import { spread } from '../lib/stats.ts'
import { fastifyScgi } from '../peers/node.ts'
import type { CacheStats, CreateCacheOptions } from '../../types/cache.ts'
import type { IncomingMessage } from 'node:http'
import type { Outcome } from '../lib/report.ts'
import type { Transport } from '../peers/peer.ts'

const entries = 100_000
const name = 'bench'
const host = 'bench'
/** More is done at once than by default, and nobody has to wait a minute for it. */
const loader = { delay: '6s', files: 100, sleep: 10 }
/** Clients, and milliseconds between two requests of each: the gateway is at work, and has time for the loader. */
const clients = 4
const pause = 5
/** So long the gateway serves without looking for entries, first for itself, then for comparison, in milliseconds. */
const warmUp = 2000
const before = 3000
/** The loader takes no longer. */
const limit = 120_000
/** A divisor of them. */
const together = 50

/** The longest pause of the event loop while a gateway finds the entries of a previous run and serves them. */
export async function measureLoader (bench: Bench, transport: Transport): Promise<Outcome[]> {
  const { box, options, origins, cores } = bench
  const path = join(box.dir, 'loader')
  const cache: CreateCacheOptions = { name, path, levels: '1:2', inactive: '1d', loader }
  await fill(path)
  const { running, port } = await fastifyScgi(options.dist, { cache }).start(box, origins, transport, cores.gateway)
  await waitForPort(port, 'fastify-scgi')
  const stats = (): Promise<CacheStats> => ask<CacheStats>(running, 'cacheStats')
  const watch = async (isOver: (elapsed: number) => boolean | Promise<boolean>): Promise<number> => {
    await ask(running, 'watchDelay')
    const begun = Date.now()
    let over = false
    const serving = Array.from({ length: clients }, () => request(port, () => over))
    do await Promise.race([later(200), Promise.all(serving)])
    while (!await isOver(Date.now() - begun))
    over = true
    await Promise.all(serving)
    return await ask<number>(running, 'longestDelay')
  }

  note('loader: not loading')
  await watch((elapsed) => elapsed > warmUp)
  const idle = await watch((elapsed) => elapsed > before)
  note('loader: loading')
  const loading = await watch(async (elapsed) => (await stats()).entries === entries || elapsed > limit)
  const { entries: loaded = 0, requests: { MISS } } = await stats()
  // Those that were asked for are found by that; each of them was there.
  if (loaded !== entries || MISS > 0) throw new Error(`loader: ${loaded} of ${entries} entries were found, ${MISS} misses`)
  await box.stop(running)
  const serving = `longest pause while serving from a disk of ${entries} entries`
  return [
    { what: serving, unit: 'ms', most: undefined, measured: spread([idle]) },
    { what: `${serving}, all being found anew`, unit: 'ms', most: 50, measured: spread([loading]) },
  ]
}

/** Asks for one entry after the other until told to stop. */
async function request (port: number, isOver: () => boolean): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  try {
    while (!isOver()) {
      const n = 1 + Math.floor(Math.random() * entries)
      const [response]: IncomingMessage[] = await once(get({ host: '127.0.0.1', port, agent, path: `/page?${n}`, headers: { host } }), 'response')
      const body = Buffer.concat(await response?.toArray() ?? []).toString()
      if (response?.statusCode !== 200 || body !== bodyOf(n)) throw new Error(`loader: status ${response?.statusCode} and '${body}' for entry ${n}`)
      await later(pause)
    }
  } finally {
    agent.destroy()
  }
}

function bodyOf (n: number): string {
  return `the body of ${n}`
}

async function fill (path: string): Promise<void> {
  note(`loader: writing ${entries} entries`)
  const store = new DiskStore({ path, levels: '1:2', inactive: '1d' })
  for (let n = 1; n <= entries; n += together) await Promise.all(Array.from({ length: together }, (_, i) => put(store, n + i)))
  await store.close()
}

async function put (store: DiskStore, n: number): Promise<void> {
  const now = Date.now()
  const stream = store.createWriteStream({ origin: `scgi:${name}`, method: 'GET', path: `http://${host}/page?${n}` }, {
    statusCode: 200, statusMessage: 'OK', headers: { 'content-type': 'text/plain' }, cachedAt: now, staleAt: now + 1e7, deleteAt: now + 1e8,
  })
  if (stream === undefined) throw new Error('the entry was refused')
  stream.end(bodyOf(n))
  await finished(stream)
}
