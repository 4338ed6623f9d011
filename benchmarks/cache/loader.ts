// What the search for the entries of a previous run costs those that are served meanwhile.
//   node --import tsx benchmarks/cache/loader.ts [entries]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as later } from 'node:timers/promises'
import { finished } from 'node:stream/promises'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import type { CacheStoreKey } from '../../types/cache-store.ts'

const entries = Number(process.argv[2] ?? 100_000)
/** The loader's own pauses make it take a minute for so many; these are shorter, so that more is done at once. */
const LOADER = { delay: 0, files: 100, sleep: 10 }
/** A request every so many milliseconds. */
const EVERY = 2
const LIMIT = 50

function keyOf (n: number): CacheStoreKey {
  return { origin: 'scgi:zone', method: 'GET', path: `https://localhost/page/${n}` }
}

async function put (store: DiskStore, n: number): Promise<void> {
  const now = Date.now()
  const stream = store.createWriteStream(keyOf(n), {
    statusCode: 200, statusMessage: 'OK', headers: { 'content-type': 'text/plain' }, cachedAt: now, staleAt: now + 1e7, deleteAt: now + 1e8,
  })
  if (stream === undefined) throw new Error('the entry was refused')
  stream.end(`the body of ${n}`)
  await finished(stream)
}

async function fill (path: string): Promise<void> {
  const store = new DiskStore({ path, levels: '1:2', inactive: '1d' })
  for (let n = 0; n < entries; n += 50) await Promise.all(Array.from({ length: Math.min(50, entries - n) }, (_, i) => put(store, n + i)))
  await store.close()
}

/** Asks for entries until told to stop, and gives how long each took. */
async function serve (store: DiskStore, isOver: () => boolean): Promise<number[]> {
  const times: number[] = []
  while (!isOver()) {
    const begun = performance.now()
    if (await store.get(keyOf(Math.floor(Math.random() * entries))) === undefined) throw new Error('a miss')
    times.push(performance.now() - begun)
    await later(EVERY)
  }
  return times.sort((a, b) => a - b)
}

interface Row { phase: string, seconds: number, requests: number, p50: number, p99: number, max: number, longest: number }

async function measure (phase: string, path: string, loader: typeof LOADER, until: (store: DiskStore) => Promise<void>): Promise<Row> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const store = new DiskStore({ path, levels: '1:2', inactive: '1d', loader })
  let over = false
  delay.enable()
  const begun = performance.now()
  const [times] = await Promise.all([serve(store, () => over), until(store).then(() => { over = true })])
  const seconds = (performance.now() - begun) / 1000
  delay.disable()
  if (loader.delay === 0 && store.stats().entries !== entries) throw new Error(`${store.stats().entries} entries were found`)
  await store.close()
  const at = (part: number): number => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? NaN
  // The histogram counts its own period with each delay.
  return { phase, seconds, requests: times.length, p50: at(0.5), p99: at(0.99), max: at(1), longest: delay.max / 1e6 - 1 }
}

const path = mkdtempSync(join(tmpdir(), 'fastify-scgi-bench-'))
try {
  await fill(path)
  const rows = [
    await measure('not loading', path, { ...LOADER, delay: 2 ** 31 - 1 }, async () => { await later(5000) }),
    await measure('loading', path, LOADER, store => store.loaded),
  ]
  console.log(`${entries} entries of a previous run; a request every ${EVERY} ms; milliseconds\n`)
  console.log('| phase | seconds | requests | hit p50 | hit p99 | hit max | longest pause of the event loop |')
  console.log('|---|---:|---:|---:|---:|---:|---:|')
  for (const { phase, seconds, requests, p50, p99, max, longest } of rows) {
    console.log(`| ${phase} | ${seconds.toFixed(1)} | ${requests} | ${[p50, p99, max, longest].map(ms => ms.toFixed(2)).join(' | ')} |`)
  }
  const longest = rows[1]?.longest ?? NaN
  console.log(`\nLimit ${LIMIT} ms: ${longest <= LIMIT ? 'kept' : 'NOT kept'}`)
  if (!(longest <= LIMIT)) process.exitCode = 1
} finally {
  rmSync(path, { recursive: true, force: true })
}
