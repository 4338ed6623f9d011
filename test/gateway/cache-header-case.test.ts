// preserveHeaderCase and the cache: names are spelt alike whether the application answers, a store of any kind, or both after a 304.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cacheStores } from 'undici'
import { createCache, DiskStore, redisStore } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { tempDir } from '../helpers/temp.ts'
import { get } from './kit.ts'
import type { CacheStore } from '../../types/cache-store.ts'

const HEAD = ['Content-TYPE: text/plain', 'ETag: "1"', 'X-MiXed: 1', 'x-lower: 1', 'X-Twice: 1', 'x-twice: 2', 'X-OLD: 1']
const OWN = new Set(['connection', 'keep-alive', 'date', 'age', 'cache-status', 'x-cache'])

/** Stores by their kind; `undefined` is the cache's own. */
const STORES: Record<string, (path: string, redis: string) => CacheStore | undefined> = {
  memory: () => undefined,
  disk: path => new DiskStore({ path }),
  undici: () => new cacheStores.MemoryCacheStore(),
  ...(noRedis === false && { redis: (_path, url) => redisStore({ url, prefix: 'case:' }) }),
}

for (const [kind, make] of Object.entries(STORES)) {
  for (const rules of ['rfc9111', 'nginx'] as const) {
    test(`${kind}, rules of ${rules}`, async () => {
      await using dir = await tempDir()
      await using redis = kind === 'redis' ? await startRedis() : undefined
      let answer = ''
      await using recorder = await startRecorder({ answer: async exchange => { await exchange.end(answer) } })
      const store = make(dir.path, redis?.url ?? '')
      const zone = createCache({ name: 'case', ...(store !== undefined && { store }) })
      await using gateway = await startGateway({
        upstreams: recorder.address,
        preserveHeaderCase: true,
        cache: { zone, rules, revalidate: true, statusHeader: 'X-Cache' },
      })
      const ask = async (path: string): Promise<{ status: string | undefined, names: string[] }> => {
        const { headers } = await rawRequest(gateway, get(path))
        const status = headers.find(([name]) => name.toLowerCase() === 'x-cache')?.[1]
        return { status, names: headers.map(([name]) => name).filter(name => !OWN.has(name.toLowerCase())).sort() }
      }
      const expect = async (path: string, status: string): Promise<string[]> => {
        const reply = await ask(path)
        assert.equal(reply.status, status, path)
        return reply.names
      }
      const expected = ['Content-TYPE', 'ETag', 'X-MiXed', 'x-lower', 'X-Twice', 'X-Twice', 'X-OLD', 'Cache-CONTROL', 'content-length'].sort()

      answer = [...HEAD, 'Cache-CONTROL: max-age=60', '', 'ok'].join('\r\n')
      const miss = await ask('/fresh')
      assert.deepEqual(miss.names.filter(name => name !== 'content-length'), expected.filter(name => name !== 'content-length'))
      assert.deepEqual(await expect('/fresh', 'HIT'), expected)

      answer = [...HEAD, 'Cache-CONTROL: max-age=60', 'X-Accel-Expires: @1', '', 'ok'].join('\r\n')
      await ask('/stale')
      // What the 304 names goes by its spelling; the rest as it was stored. nginx takes nothing from a 304.
      answer = ['Status: 304', 'ETag: "1"', 'x-Old: 2', 'X-NEW: 1', 'Cache-Control: max-age=60', 'X-Accel-Expires: 60', '', ''].join('\r\n')
      const renewed = rules === 'nginx'
        ? expected
        : ['Content-TYPE', 'ETag', 'X-MiXed', 'x-lower', 'X-Twice', 'X-Twice', 'x-Old', 'X-NEW', 'Cache-Control', 'content-length'].sort()
      assert.deepEqual(await expect('/stale', 'REVALIDATED'), renewed)
      assert.deepEqual(await expect('/stale', 'HIT'), renewed)
    })
  }
}

test('entries without spellings are served, and without the option none are kept', async () => {
  await using recorder = await startRecorder({ answer: [...HEAD, 'Cache-Control: max-age=60', '', 'ok'].join('\r\n') })
  const kept: string[][] = []
  const memory = new cacheStores.MemoryCacheStore()
  const store: CacheStore = {
    get: key => memory.get(key),
    delete: key => memory.delete(key),
    createWriteStream (key, value) {
      kept.push(Object.keys(value.headers))
      return memory.createWriteStream(key, value)
    },
  }
  for (const preserveHeaderCase of [false, true]) {
    await using gateway = await startGateway({
      upstreams: recorder.address, preserveHeaderCase, cache: { zone: createCache({ name: 'case', store }), statusHeader: 'X-Cache' },
    })
    await rawRequest(gateway, get('/'))
    const { headers } = await rawRequest(gateway, get('/'))
    const names = headers.map(([name]) => name)
    assert.equal(headers.find(([name]) => name.toLowerCase() === 'x-cache')?.[1], 'HIT')
    assert.ok(names.includes('x-mixed'), names.join())
  }
  assert.equal(kept.length, 1)
  assert.ok(!kept[0]?.some(name => name.includes('case')), kept[0]?.join())
})
