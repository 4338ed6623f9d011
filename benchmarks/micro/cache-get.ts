// Cost of a hit in a cache store.
//   node --expose-gc --import ./scripts/typescript.js benchmarks/micro/cache-get.ts
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { bench, group as section, run } from 'mitata'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import type { CacheStore, CacheStoreKey, CacheStoreResult } from '../../types/cache-store.ts'

const ENTRIES = 1000

function keyOf (path: string): CacheStoreKey {
  return { origin: 'scgi:zone', method: 'GET', path, headers: { host: 'localhost', accept: '*/*', 'accept-encoding': 'gzip' } }
}

async function put (store: CacheStore, path: string, size: number, vary?: Record<string, string>): Promise<void> {
  const now = Date.now()
  const stream = store.createWriteStream(keyOf(path), {
    statusCode: 200,
    statusMessage: 'OK',
    headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'max-age=600', etag: '"0123456789abcdef"', 'content-length': String(size) },
    ...(vary !== undefined && { vary }),
    etag: '"0123456789abcdef"',
    cachedAt: now,
    staleAt: now + 6e5,
    deleteAt: now + 6e6,
  })
  if (stream === undefined) throw new Error('the entry was refused')
  stream.end(Buffer.alloc(size, 'x'))
  await finished(stream)
}

async function readAll (result: CacheStoreResult | undefined): Promise<number> {
  let bytes = 0
  if (result?.body instanceof Readable) for await (const chunk of result.body) bytes += chunk.length
  else if (Buffer.isBuffer(result?.body)) bytes = result.body.length
  if (bytes === 0) throw new Error('a miss')
  return bytes
}

const path = mkdtempSync(join(tmpdir(), 'fastify-scgi-bench-'))
const memory = new MemoryStore({ maxSize: '256m' })
const disk = new DiskStore({ path, levels: '1:2' })
for (let i = 0; i < ENTRIES; i++) {
  await put(memory, `https://localhost/page/${i}`, 4096)
  await put(disk, `https://localhost/page/${i}`, 4096)
}
await put(memory, '/vary', 4096, { 'accept-encoding': 'gzip' })
await put(disk, '/vary', 4096, { 'accept-encoding': 'gzip' })
await put(disk, '/1m', 1024 * 1024)

let n = 0
const next = (): CacheStoreKey => keyOf(`https://localhost/page/${n++ % ENTRIES}`)

section('memory', () => {
  bench('hit', () => memory.get(next()))
  bench('hit of a variant', () => memory.get(keyOf('/vary')))
  bench('miss', () => memory.get(keyOf('/none')))
})

section('disk', () => {
  bench('hit of 4 kB', async () => readAll(await disk.get(next())))
  bench('hit of a variant', async () => readAll(await disk.get(keyOf('/vary'))))
  bench('hit of 1 MB', async () => readAll(await disk.get(keyOf('/1m'))))
  bench('1 kB of 1 MB', async () => disk.openRange(keyOf('/1m'), 500_000, 501_023, await disk.get(keyOf('/1m'))))
  bench('miss', async () => disk.get(keyOf('/none')))
})

await run()
memory.close()
await disk.close()
rmSync(path, { recursive: true })
