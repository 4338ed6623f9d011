// The names of a disk store's files: other programs compute them from the key.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { createCache } from '../../lib/index.ts'
import type { CacheStore, CacheStoreValue } from '../../types/cache-store.ts'
import { get } from '../gateway/kit.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bodyOf, valueOf } from './store-kit.ts'

const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

/** Where a purge script finds the file of a key with `levels=1:2`. */
function pathOf (key: string): string {
  const name = md5(key)
  return `${name.slice(-1)}/${name.slice(-3, -1)}/${name}`
}

let caches = 0

test('a script that removes the file of a key purges it, from a process that runs and for the next one', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder()
  let count = 0
  recorder.answer = async exchange => {
    const body = String(++count)
    await exchange.end(`Content-Length: ${body.length}\r\n\r\n${body}`)
  }
  const open = async () => {
    const zone = createCache({ name: `named${caches++}`, path: dir.file('cache'), levels: '1:2' })
    const gateway = await startGateway({
      upstreams: recorder.address,
      cache: {
        zone,
        valid: '1h',
        methods: ['GET', 'HEAD', 'POST'],
        key: ({ method, host, originalUrl }) => method === 'POST' ? `${originalUrl} of anybody` : `http://${host}${originalUrl}`,
        statusHeader: 'X-Cache',
      },
    })
    const ask = async (request: Buffer): Promise<string> => headerValue(await rawRequest(gateway, request), 'x-cache') ?? ''
    return { zone, gateway, ask }
  }
  const post = Buffer.from('POST /b HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  const rows: Array<[Buffer, string]> = [
    [get('/a?b=%20c'), 'http://gateway.test/a?b=%20c'],
    [get('/'), 'http://gateway.test/'],
    [post, 'POST /b of anybody'],
  ]
  const first = await open()
  for (const [request, key] of rows) {
    assert.deepEqual([await first.ask(request), await first.ask(request)], ['MISS', 'HIT'], key)
    // What this process has read, and what it has written, and once more.
    for (let round = 0; round < 3; round++) {
      unlinkSync(dir.file(`cache/${pathOf(key)}`))
      assert.deepEqual([await first.ask(request), await first.ask(request)], ['MISS', 'HIT'], key)
    }
    // purge() takes the same text.
    assert.equal(await first.zone.purge({ key }), 1)
    assert.deepEqual([await first.ask(request), await first.ask(request)], ['MISS', 'HIT'], key)
    unlinkSync(dir.file(`cache/${pathOf(key)}`))
  }
  await first.gateway.close()
  await first.zone.close()
  const second = await open()
  for (const [request, key] of rows) assert.deepEqual([await second.ask(request), await second.ask(request)], ['MISS', 'HIT'], key)
  await second.gateway.close()
  await second.zone.close()
})

test('the variants of a key are found by its name as well', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder()
  recorder.answer = async exchange => { await exchange.end('Vary: Accept-Language\r\nContent-Length: 2\r\n\r\nok') }
  const zone = createCache({ name: `named${caches++}`, path: dir.path, levels: '1:2' })
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone, valid: '1h', statusHeader: 'X-Cache' } })
  const ask = async (language: string): Promise<string | undefined> =>
    headerValue(await rawRequest(gateway, get('/', `Accept-Language: ${language}`)), 'x-cache')
  const all = async (): Promise<Array<string | undefined>> => [await ask('de'), await ask('en'), await ask('fr')]
  assert.deepEqual([await all(), await all()], [['MISS', 'MISS', 'MISS'], ['HIT', 'HIT', 'HIT']])
  const path = pathOf('http://gateway.test/')
  const directory = dir.file(path.slice(0, 4))
  const files = readdirSync(directory)
  assert.equal(files.length, 3)
  for (const name of files) {
    assert.ok(name.startsWith(md5('http://gateway.test/')), name)
    unlinkSync(`${directory}/${name}`)
  }
  assert.deepEqual([await all(), await all()], [['MISS', 'MISS', 'MISS'], ['HIT', 'HIT', 'HIT']])
  // Without the first file none is found.
  unlinkSync(dir.file(path))
  assert.equal(await ask('fr'), 'MISS')
  await zone.close()
})

test('the keys of several zones in one directory have names of their own', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, useTempPath: false })
  const [a, b] = [zoneOf(store, 'scgi:a'), zoneOf(store, 'scgi:b')]
  const second = md5('scgi:b\0/k')
  const files = (): string[] => readdirSync(dir.path).sort()

  await a.put('/k', 'of a')
  await b.put('/k', 'of b')
  assert.deepEqual(files(), [md5('/k'), second].sort())
  assert.deepEqual([await a.get('/k'), await b.get('/k')], ['of a', 'of b'])
  // Neither takes the other's place, nor goes with it.
  for (let round = 0; round < 2; round++) {
    await a.put('/k', `of a ${round}`)
    await b.put('/k', `of b ${round}`)
    assert.deepEqual([await a.get('/k'), await b.get('/k')], [`of a ${round}`, `of b ${round}`])
    assert.equal(files().length, 2)
  }
  // A change of the head finds either.
  const etag = '"1"'
  assert.equal(await store.updateMeta({ origin: 'scgi:b', method: 'GET', path: '/k' }, valueOf({ statusMessage: 'none' })), true)
  assert.equal(await store.updateMeta({ origin: 'scgi:b', method: 'GET', path: '/k' }, valueOf({ etag })), false)

  assert.equal(await store.purge('scgi:a', { key: '/k' }, false), 1)
  assert.deepEqual([await a.get('/k'), await b.get('/k')], [undefined, 'of b 1'])
  // The name is free. What was stored under the other one must not come back when the new entry goes.
  await b.put('/k', 'newer')
  assert.deepEqual(files(), [md5('/k')])
  assert.equal(await b.get('/k'), 'newer')
  unlinkSync(dir.file(md5('/k')))
  assert.equal(await b.get('/k'), undefined)

  await a.put('/k', 'of a')
  for (const [language, vary] of [['de', { 'accept-language': 'de' }], ['en', { 'accept-language': 'en' }]] as const) await b.put('/k', language, { vary })
  assert.deepEqual(files().map(name => name.slice(0, 32)).sort(), [md5('/k'), second, second].sort())
  assert.deepEqual([await b.get('/k', { 'accept-language': 'de' }), await b.get('/k', { 'accept-language': 'en' })], ['de', 'en'])
  assert.equal(await store.purge('scgi:b', { key: '/k' }, true), 2)
  assert.equal(await store.purge('scgi:b', { glob: '*' }, false), 2)
  assert.deepEqual([files(), await a.get('/k')], [[md5('/k')], 'of a'])

  // The same with variants that are left over.
  for (const [language, vary] of [['de', { 'accept-language': 'de' }], ['en', { 'accept-language': 'en' }]] as const) await b.put('/k', language, { vary })
  unlinkSync(dir.file(md5('/k')))
  await b.put('/k', 'fr', { vary: { 'accept-language': 'fr' } })
  assert.deepEqual(files(), [md5('/k')])
  await store.close()
})

test('an entry of another key under a name is kept beside', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  const zone = zoneOf(store, 'scgi:a')
  // As with two keys that have the same MD5, which anybody can make.
  await zone.put('/one', 'one')
  writeFileSync(dir.file(md5('/two')), readFileSync(dir.file(md5('/one'))))
  assert.equal(await zone.get('/two'), undefined)
  await zone.put('/two', 'two')
  assert.deepEqual([await zone.get('/one'), await zone.get('/two')], ['one', 'two'])
  await store.close()
})

/** A zone's view of a store. */
function zoneOf (store: CacheStore, origin: string) {
  return {
    async put (path: string, body: string, changes?: Partial<CacheStoreValue>): Promise<void> {
      const stream = store.createWriteStream({ origin, method: 'GET', path }, valueOf(changes))
      assert.ok(stream !== undefined)
      stream.end(body)
      await finished(stream)
    },
    async get (path: string, headers: Record<string, string> = {}): Promise<string | undefined> {
      const found = await store.get({ origin, method: 'GET', path, headers })
      return found === undefined ? undefined : (await bodyOf(found.body)).toString()
    },
  }
}
