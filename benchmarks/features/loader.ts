import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { note, type Bench } from '../lib/bench.ts'
import { ask } from '../lib/box.ts'
import { waitForPort } from '../lib/check.ts'
import { runLoad, type LoadOptions } from '../lib/load.ts'
import { spread } from '../lib/stats.ts'
import { fastifyScgi } from '../peers/node.ts'
import type { CacheStats, CreateCacheOptions } from '../../types/cache.ts'
import type { Outcome } from '../lib/report.ts'
import type { Transport } from '../peers/peer.ts'

const entries = 100_000
const name = 'bench'
const host = 'bench'
/** More is done at once than by default, and nobody has to wait a minute for it. */
const loader = { delay: '3s', files: 100, sleep: 10 }
const connections = 8
/** So long the gateway serves without looking for entries, for comparison. */
const before = 2
/** The loader takes no longer. */
const limit = 120_000
/** A divisor of them. */
const together = 50

/** The longest pause of the event loop while a gateway finds the entries of a previous run and serves them. */
export async function measureLoader (bench: Bench, transport: Transport): Promise<Outcome[]> {
  const { box, options, origins, cores, generator } = bench
  const path = join(box.dir, 'loader')
  const cache: CreateCacheOptions = { name, path, levels: '1:2', inactive: '1d', loader }
  await fill(path)
  const { running, port } = await fastifyScgi(options.dist, { cache }).start(box, origins, transport, cores.gateway)
  await waitForPort(port, 'fastify-scgi')
  const round = async (seconds: number): Promise<void> => {
    const load: LoadOptions = { ...bench.load, seconds, connections, headers: { Host: host }, queries: { prefix: '', count: entries } }
    const { requests, errors } = await runLoad(generator, `http://127.0.0.1:${port}/page`, load)
    if (requests === 0 || Object.values(errors).some((count) => count > 0)) throw new Error(`loader: ${requests} replies, errors: ${JSON.stringify(errors)}`)
  }
  const stats = (): Promise<CacheStats> => ask<CacheStats>(running, 'cacheStats')
  const watch = async (work: () => Promise<void>): Promise<number> => {
    await ask(running, 'watchDelay')
    await work()
    return await ask<number>(running, 'longestDelay')
  }

  note('loader: not loading')
  // Its first requests compile code.
  await round(1)
  const idle = await watch(() => round(before))
  note('loader: loading')
  const loading = await watch(async () => {
    const begun = Date.now()
    do await round(1)
    while (await found() < entries && Date.now() - begun < limit)
  })
  async function found (): Promise<number> {
    return (await stats()).entries ?? 0
  }
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
  stream.end(`the body of ${n}`)
  await finished(stream)
}
