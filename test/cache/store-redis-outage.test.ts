// What becomes of the store when Redis is gone, slow or frozen.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as later } from 'node:timers/promises'
import { Redis as Client } from 'iovalkey'
import { redisStore } from '../../lib/cache/stores/redis.ts'
import type { RedisStoreOptions } from '../../lib/cache/stores/redis.ts'
import type { CacheStore } from '../../types/cache-store.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { tempDir } from '../helpers/temp.ts'
import { keyOf, pattern, read, valueOf, write } from './store-kit.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

const TIMEOUT = 200
/** What a busy machine may add. */
const SLACK = 300

function makeStore (options: RedisStoreOptions): { store: CacheStore, warnings: Error[] } {
  const warnings: Error[] = []
  return { store: redisStore({ timeout: TIMEOUT, onWarning: warning => warnings.push(warning), ...options }), warnings }
}

/** Asks again until the entry is there: nobody tells when Redis is back. */
async function back (store: CacheStore, path: string): Promise<void> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await later(20)) {
    if (await store.get(keyOf(path)) !== undefined) return
  }
  assert.fail('the store has not come back')
}

async function time<T> (work: () => Promise<T>): Promise<{ result: T, ms: number }> {
  const begun = performance.now()
  const result = await work()
  return { result, ms: performance.now() - begun }
}

const skip = noRedis

for (const kind of ['url', 'client'] as const) {
  test(`frozen: nothing is found, within the timeout, and nothing piles up (${kind})`, { skip }, async () => {
    await using redis = await startRedis()
    const client = kind === 'client' ? new Client(redis.url) : undefined
    if (client !== undefined) await new Promise<void>(resolve => client.once('ready', () => resolve()))
    const { store, warnings } = makeStore(client === undefined ? { url: redis.url } : { client })
    await write(store, '/a', 'kept')
    assert.equal((await read(store, '/a'))?.toString(), 'kept')
    for (const round of [1, 2]) {
      process.kill(redis.pid, 'SIGSTOP')
      const writing = store.createWriteStream(keyOf('/b'), valueOf())
      const closed = new Promise(resolve => writing?.once('close', resolve))
      const first = await Promise.all(Array.from({ length: 300 }, () => time(async () => store.get(keyOf('/a')))))
      for (const { result, ms } of first) {
        assert.equal(result, undefined)
        assert.ok(ms < TIMEOUT + SLACK, `${ms} ms`)
      }
      const { ms } = await time(async () => { for (let i = 0; i < 10_000; i++) assert.equal(await store.get(keyOf('/a')), undefined) })
      assert.ok(ms < 1000, `10,000 in ${ms} ms`)
      // A writer of before is dropped; no other is made.
      writing?.end(pattern(100_000, 1))
      await closed
      assert.equal(writing?.writableFinished, false)
      assert.equal(store.createWriteStream(keyOf('/b'), valueOf()), undefined)
      assert.equal(await store.updateMeta?.(keyOf('/a'), valueOf()), false)
      await assert.rejects(async () => store.delete(keyOf('/a')), { code: 'FST_SCGI_CACHE_STORE' })
      assert.equal(warnings.length, round, warnings.map(String).join('\n'))
      process.kill(redis.pid, 'SIGCONT')
      await back(store, '/a')
      assert.equal(await read(store, '/b'), undefined)
    }
    await store.close?.()
    if (client !== undefined) assert.equal(client.status, 'ready')
    client?.disconnect()
  })
}

test('killed and started again', { skip }, async () => {
  await using dir = await tempDir()
  const socket = dir.socket()
  const { store, warnings } = await (async () => {
    await using redis = await startRedis(socket)
    const made = makeStore({ url: socket })
    await write(made.store, '/a', 'lost with it')
    process.kill(redis.pid, 'SIGKILL')
    while (await made.store.get(keyOf('/a')) !== undefined);
    const { ms } = await time(async () => { for (let i = 0; i < 1000; i++) assert.equal(await made.store.get(keyOf('/a')), undefined) })
    assert.ok(ms < 1000, `${ms} ms`)
    return made
  })()
  assert.equal(warnings.length, 1, warnings.map(String).join('\n'))
  await using redis = await startRedis(socket)
  for (const deadline = Date.now() + 15_000; store.createWriteStream(keyOf('/x'), valueOf())?.destroy() === undefined; await later(20)) {
    assert.ok(Date.now() < deadline, 'the store has not come back')
  }
  await write(store, '/a', 'again')
  assert.equal((await read(store, '/a'))?.toString(), 'again')
  assert.equal(warnings.length, 1)
  await store.close?.()
  assert.ok(redis.pid > 0)
})

test('never there: nothing is found, one warning', { skip }, async () => {
  await using dir = await tempDir()
  const { store, warnings } = makeStore({ url: dir.socket() })
  const { ms } = await time(async () => { for (let i = 0; i < 100; i++) assert.equal(await store.get(keyOf('/a')), undefined) })
  assert.ok(ms < TIMEOUT + SLACK, `${ms} ms`)
  assert.equal(warnings.length, 1)
  assert.match(String(warnings[0]), /FST_SCGI_CACHE_STORE|ENOENT/)
  await store.close?.()
})

test('without room: writes are dropped with one warning, reads go on', { skip }, async () => {
  await using redis = await startRedis()
  const { store, warnings } = makeStore({ url: redis.url })
  await write(store, '/a', 'kept')
  const client = new Client(redis.url)
  await client.config('SET', 'maxmemory', '1')
  for (let i = 0; i < 5; i++) {
    const stream = store.createWriteStream(keyOf('/b'), valueOf())
    stream?.end('dropped')
    await new Promise(resolve => stream?.once('close', resolve))
    assert.equal(stream?.writableFinished, false)
    assert.equal((await read(store, '/a'))?.toString(), 'kept')
  }
  assert.equal(warnings.length, 1)
  assert.match(String(warnings[0]), /OOM/)
  await client.config('SET', 'maxmemory', '0')
  await write(store, '/b', 'taken')
  assert.equal((await read(store, '/b'))?.toString(), 'taken')
  client.disconnect()
  await store.close?.()
})

test('two gateways share what is in it, and scripts that Redis has forgotten are given again', { skip }, async () => {
  await using redis = await startRedis()
  const stores = [makeStore({ url: redis.url }).store, makeStore({ url: redis.url }).store] as const
  await write(stores[0], '/a', 'shared', { headers: { 'cache-tag': 'red' } })
  assert.equal((await read(stores[1], '/a'))?.toString(), 'shared')
  const client = new Client(redis.url)
  await client.script('FLUSH')
  assert.equal((await read(stores[1], '/a'))?.toString(), 'shared')
  assert.equal(await stores[1].purge?.('scgi:zone', { tag: 'red' }, false), 1)
  assert.equal(await read(stores[0], '/a'), undefined)
  // Everything that is left goes by itself.
  for (const key of await client.keys('*')) assert.ok(await client.pttl(key) > 0, key)
  client.disconnect()
  for (const store of stores) await store.close?.()
})

test('entries go when their time is over', { skip }, async () => {
  await using redis = await startRedis()
  const { store } = makeStore({ url: redis.url })
  const client = new Client(redis.url)
  await write(store, '/a', 'short', { headers: { 'cache-tag': 'red' }, deleteAt: Date.now() + 300 })
  assert.equal((await read(store, '/a'))?.toString(), 'short')
  for (const deadline = Date.now() + 5000; (await client.keys('*')).length > 0; await later(20)) assert.ok(Date.now() < deadline)
  client.disconnect()
  await store.close?.()
})

test('a body that is too large is not stored', { skip }, async () => {
  await using redis = await startRedis()
  const { store } = makeStore({ url: redis.url, maxEntrySize: 1000 })
  assert.equal(store.createWriteStream(keyOf('/a'), valueOf({ headers: { 'content-length': '1001' } })), undefined)
  const stream = store.createWriteStream(keyOf('/a'), valueOf())
  stream?.end(pattern(1001, 1))
  await new Promise(resolve => stream?.once('close', resolve))
  assert.equal(await read(store, '/a'), undefined)
  await write(store, '/a', pattern(1000, 1))
  assert.equal((await read(store, '/a'))?.length, 1000)
  await store.close?.()
})

test('options that cannot be are refused', () => {
  assert.throws(() => redisStore({}), { code: 'FST_SCGI_OPT_INVALID' })
  assert.throws(() => redisStore({ url: 'redis://127.0.0.1:1', timeout: 'soon' }), { code: 'FST_SCGI_OPT_INVALID' })
  const misspelt = { url: 'redis://127.0.0.1:1', perfix: 'a' }
  assert.throws(() => redisStore(misspelt), { code: 'FST_SCGI_OPT_UNKNOWN' })
})

test('without the package its name is told', async () => {
  await using dir = await tempDir()
  writeFileSync(dir.file('hide.cjs'), `
    const Module = require('node:module')
    const resolve = Module._resolveFilename
    Module._resolveFilename = function (name, ...rest) {
      if (name === 'iovalkey') throw Object.assign(new Error("Cannot find module 'iovalkey'"), { code: 'MODULE_NOT_FOUND' })
      return resolve.call(this, name, ...rest)
    }`)
  const store = new URL('../../lib/cache/stores/redis.ts', import.meta.url)
  const script = `import(${JSON.stringify(store.href)}).then(({ redisStore }) => redisStore({ url: 'redis://127.0.0.1:1' })).catch(error => console.log(error.code, error.message))`
  const { stdout } = spawnSync(process.execPath, ['--require', dir.file('hide.cjs'), ...TYPESCRIPT, '-e', script], { encoding: 'utf8' })
  assert.match(stdout, /^FST_SCGI_OPT_UNSUPPORTED .*'iovalkey' is not installed: npm install iovalkey/)
})
