// A process that fills a disk store until it is killed; started by test/cache/store-disk-kill.test.ts.
import { finished } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { keyOf, pattern, valueOf } from '../cache/store-kit.ts'

/** Keys that all writers fill. */
export const KEYS = 20
const SIZES = [0, 100, 5000, 70_000, 400_000]

/** The bytes that the origin gives for a key in a version. */
export function originBody (key: number, version: number): Buffer {
  return pattern(SIZES[(key + version) % SIZES.length] ?? 0, key * 7919 + version)
}

async function fill (store: DiskStore, version: number): Promise<never> {
  for (;; version++) {
    const key = Math.floor(Math.random() * KEYS)
    const body = originBody(key, version)
    const encoding = version % 3 === 0 ? 'br' : 'gzip'
    const vary = key % 2 === 0 ? {} : { vary: { 'accept-encoding': encoding } }
    // Every other one at once, where the store takes it so.
    const value = valueOf({ etag: `"${version}"`, ...vary })
    if (version % 2 === 0 && body.length <= store.putLimit && store.put(keyOf(`/${key}`), value, [body], body.length) === true) {
      await nextTurn()
      continue
    }
    const stream = store.createWriteStream(keyOf(`/${key}`, { 'accept-encoding': encoding }), value)
    if (stream === undefined) continue
    for (let at = 0; at < body.length; at += 30_000) stream.write(body.subarray(at, at + 30_000))
    stream.end()
    await finished(stream)
    const found = await store.get(keyOf(`/${key}`, { 'accept-encoding': encoding }))
    if (found?.body !== undefined && typeof found.body === 'object' && 'destroy' in found.body) found.body.destroy()
    if (found !== undefined && version % 5 === 0) await store.updateMeta(keyOf(`/${key}`), { ...valueOf({ etag: `"${version}"` }) })
  }
}

const [path, seed] = process.argv.slice(2)
if (path !== undefined && seed !== undefined) {
  const store = new DiskStore({ path, levels: '1' })
  process.stdout.write('ready\n')
  for (let i = 0; i < 4; i++) fill(store, Number(seed) * 1_000_000 + i * 100_000)
}
