// What scgi_cache_path says: directories, and every form of its values.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { get } from '../gateway/kit.ts'
import { PlainStore } from './kit.ts'
import type { CreateCacheOptions } from '../../types/index.ts'

let caches = 0
const named = (): string => `disk${caches++}`

for (const [title, useTempPath, tempPath, expected] of [
  ['true: that of the mount', true, 'mount', 'mount'],
  ['true, as an object', true, 'object', 'mount'],
  ['true, and the mount has none', true, undefined, 'cache/temp'],
  ['a directory', 'given', 'mount', 'given'],
  ['the default', undefined, 'mount', 'mount'],
  ['false: that of the entry', false, 'mount', 'cache'],
] as const) {
  test(`useTempPath, ${title}`, async () => {
    await using dir = await tempDir()
    await using recorder = await startRecorder()
    const path = dir.file('cache')
    const zone = createCache({
      name: named(), path, ...(useTempPath !== undefined && { useTempPath: typeof useTempPath === 'string' ? dir.file(useTempPath) : useTempPath }),
    })
    let go = (): void => {}
    const went = new Promise<void>(resolve => { go = resolve })
    const body = Buffer.alloc(500_000, 'x')
    recorder.answer = async exchange => {
      await exchange.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body.subarray(0, 400_000)]))
      await went
      await exchange.end(body.subarray(400_000))
    }
    const place = dir.file('mount')
    await using gateway = await startGateway({
      upstreams: recorder.address,
      ...(tempPath !== undefined && { buffering: { tempPath: tempPath === 'object' ? { path: place, levels: [1] } : place } }),
      cache: { zone, valid: '1h', statusHeader: 'X-Cache' },
    })
    const first = rawRequest(gateway, get('/'))
    const deadline = AbortSignal.timeout(5000)
    const written = async (): Promise<string[]> => (await readdir(dir.file(expected)).catch(() => [])).filter(name => /^[0-9a-f]{32}\./.test(name))
    while ((await written()).length === 0) deadline.throwIfAborted()
    go()
    assert.ok((await first).body.equals(body))
    assert.equal(headerValue(await rawRequest(gateway, get('/')), 'x-cache'), 'HIT')
    assert.deepEqual(await written(), [])
    await zone.close()
  })
}

test('createCache refuses nothing that scgi_cache_path has', async () => {
  await using dir = await tempDir()
  const forms: Array<Partial<CreateCacheOptions>> = [
    { levels: '1:2' }, { levels: '2:2:2' }, { levels: '' }, { levels: 2 }, { useTempPath: true }, { useTempPath: false },
    { inactive: '30d' }, { inactive: '1y' }, { inactive: '4w' }, { inactive: 0 },
    { maxSize: '10g' }, { maxSize: 0 }, { maxSize: '512K' }, { minFree: '1G' }, { minFree: 0 },
    { manager: { files: 1, sleep: '1s', threshold: '1ms' } }, { manager: { files: 0, sleep: 0, threshold: 0 } },
    { loader: { files: 1000, sleep: '300ms', threshold: '1m' } }, { loader: { files: 0, sleep: 0, threshold: 0 } },
  ]
  for (const form of forms) {
    const cache = createCache({ name: named(), path: dir.file(named()), ...form })
    await cache.close()
  }
  for (const wrong of [{ levels: '3' }, { levels: '1:' }, { levels: ':1' }, { levels: ' 1' }, { levels: '1:1:1:1' }, { levels: 12 }, { manager: { file: 1 } }, { loader: { delays: 1 } }]) {
    const given: object = { name: named(), path: dir.path, ...wrong }
    assert.throws(() => Reflect.apply(createCache, undefined, [given]), /FST_SCGI_OPT/, JSON.stringify(wrong))
  }
})

test('a stored head that cannot be sent is a miss', async () => {
  await using recorder = await startRecorder()
  const store = new PlainStore()
  const zone = createCache({ name: named(), store })
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone, valid: '1h', statusHeader: 'X-Cache' } })
  const ask = async (): Promise<string> => {
    const response = await rawRequest(gateway, get('/'))
    return `${response.statusCode} ${headerValue(response, 'x-cache')} ${response.body.toString()}`
  }
  assert.deepEqual([await ask(), await ask()], ['200 MISS ok', '200 HIT ok'])
  const found = await store.get({ origin: zone.name, method: 'GET', path: '' })
  assert.equal(found, undefined)
  for (const change of [
    { statusCode: 99 }, { statusCode: 200.5 }, { statusCode: 600 }, { statusMessage: 'a\r\nX: y' }, { statusMessage: 'ü\u0100' },
    { headers: { 'x-a': 'b\nc' } }, { headers: { 'x a': 'b' } }, { headers: { 'x-a': ['b', '\0'] } }, { headers: { 'x-a': 5 } }, { headers: { 'x-a': [['b']] } },
  ]) {
    const { get: real } = store
    Object.assign(store, {
      get: async (key: Parameters<typeof real>[0]) => {
        const result = await real.call(store, key)
        return result === undefined ? undefined : { ...result, ...change }
      }
    })
    assert.equal(await ask(), '200 MISS ok', JSON.stringify(change))
    Object.assign(store, { get: real })
    assert.equal(await ask(), '200 HIT ok')
  }
})

test('X-Accel-Expires of the past is stored, and stale', async () => {
  await using recorder = await startRecorder()
  let count = 0
  recorder.answer = async exchange => { await exchange.end(`X-Accel-Expires: @1\r\nContent-Length: 1\r\n\r\n${++count}`) }
  const zone = createCache({ name: named() })
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone, useStale: ['error'], statusHeader: 'X-Cache' }, nextUpstream: false })
  const ask = async (): Promise<string> => {
    const response = await rawRequest(gateway, get('/'))
    return `${response.statusCode} ${headerValue(response, 'x-cache')} ${response.body.toString()}`
  }
  assert.deepEqual([await ask(), await ask()], ['200 MISS 1', '200 EXPIRED 2'])
  recorder.answer = async exchange => { exchange.reset() }
  assert.equal(await ask(), '200 STALE 2')
})
