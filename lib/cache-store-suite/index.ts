import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import type { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { CacheStore, CacheStoreKey, CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'

/** Creates an empty store for a test. Use `t.after()` to clean up; the suite calls `close()` of the store. */
export type MakeCacheStore = (t: TestContext) => CacheStore | Promise<CacheStore>

type OptionalMethod = 'updateMeta' | 'openRange' | 'purge' | 'keys' | 'list' | 'stats' | 'close'
type With<Name extends OptionalMethod> = CacheStore & Required<Pick<CacheStore, Name>>

const ORIGIN = 'scgi:suite'

/**
 * Tests everything that a cache needs of a store, with node:test. Tests of optional methods are skipped if the store does
 * not have them; `methods` lists those that it must have.
 */
export function testCacheStore (name: string, make: MakeCacheStore, { methods = [] }: { methods?: readonly OptionalMethod[] } = {}): void {
  const run = (title: string, body: (store: CacheStore) => Promise<void>): void => {
    test(`${name}: ${title}`, async t => {
      const store = await make(t)
      try {
        await body(store)
      } finally {
        await store.close?.()
      }
    })
  }
  const runWith = <Name extends OptionalMethod>(method: Name, title: string, body: (store: With<Name>) => Promise<void>): void => {
    run(`${method}: ${title}`, async store => {
      if (has(store, method)) await body(store)
      else assert.ok(!methods.includes(method), `the store has no ${method}()`)
    })
  }
  testEntries(run)
  testVariants(run)
  testWriters(run)
  testMeta(runWith)
  testRanges(runWith)
  testPurge(runWith)
}

type Run = (title: string, body: (store: CacheStore) => Promise<void>) => void
type RunWith = <Name extends OptionalMethod>(method: Name, title: string, body: (store: With<Name>) => Promise<void>) => void

function has<Name extends OptionalMethod> (store: CacheStore, method: Name): store is With<Name> {
  return typeof store[method] === 'function'
}

function testEntries (run: Run): void {
  run('what was never stored is not there', async store => {
    assert.equal(await store.get(keyOf('/none')), undefined)
  })

  run('an entry comes back as it was written', async store => {
    const value = valueOf({
      statusCode: 203,
      statusMessage: 'Of a sort',
      headers: { 'content-type': 'text/plain; charset=utf-8', 'x-many': ['a', 'b, c'], 'x-latin': 'caf\xe9', 'x-empty': '' },
      etag: '"abc"',
      cacheControlDirectives: { 'stale-while-revalidate': 10, 'stale-if-error': 20 },
    })
    await write(store, keyOf('/a'), value, 'the body')
    const found = await entry(store, keyOf('/a'))
    assert.deepEqual(headOf(found), value)
    assert.equal((await bodyOf(found)).toString(), 'the body')
    assert.equal(await store.get(keyOf('/b')), undefined)
  })

  run('bodies of every size, in pieces', async store => {
    for (const size of [0, 1, 4095, 65_536, 65_537, 300_000]) {
      const bytes = pattern(size, size)
      const stream = open(store, keyOf(`/${size}`), valueOf())
      for (let at = 0; at < size; at += 7001) if (!stream.write(bytes.subarray(at, at + 7001))) await once(stream, 'drain')
      stream.end()
      await finished(stream)
      const found = await entry(store, keyOf(`/${size}`))
      assert.ok(found.size === undefined || found.size === size, `size ${found.size}`)
      assert.ok(bytes.equals(await bodyOf(found)), `${size} bytes`)
    }
  })

  run('a chunk may be used again after it was written', async store => {
    const chunk = Buffer.alloc(1000)
    const stream = open(store, keyOf('/reused'), valueOf())
    for (const byte of [1, 2, 3]) {
      chunk.fill(byte)
      await new Promise<void>((resolve, reject) => stream.write(Buffer.from(chunk), error => error ? reject(error) : resolve()))
    }
    stream.end('text')
    await finished(stream)
    assert.deepEqual(await body(store, keyOf('/reused')), Buffer.concat([Buffer.alloc(1000, 1), Buffer.alloc(1000, 2), Buffer.alloc(1000, 3), Buffer.from('text')]))
  })

  run('another writing replaces the entry, and shows with its end', async store => {
    await write(store, keyOf('/a'), valueOf({ etag: '"1"' }), 'one and more')
    const stream = open(store, keyOf('/a'), valueOf({ etag: '"2"', statusCode: 404 }))
    stream.write('two')
    assert.equal((await entry(store, keyOf('/a'))).etag, '"1"')
    assert.equal((await body(store, keyOf('/a'))).toString(), 'one and more')
    stream.end()
    await finished(stream)
    const found = await entry(store, keyOf('/a'))
    assert.deepEqual([found.statusCode, found.etag, (await bodyOf(found)).toString()], [404, '"2"', 'two'])
  })

  run('any text is a key, and has an entry of its own', async store => {
    const texts = [
      '', ' ', '/', '/a', '/A', '/a/', '/a?', '/a\0', '/a\0b', '\0', '\n', '/a\r\nx: y', '/%2f', '/\xe9', '/e\u0301', '/\u00e9\u0301', '/😀', '../../etc/passwd',
      '*', '?', '[a]', '{a}', '\\', '__proto__', 'constructor', `/${'k'.repeat(10_000)}`, `/${'k'.repeat(10_000)}l`,
    ]
    for (const text of texts) await write(store, keyOf(text), valueOf({ headers: { 'x-key': encodeURIComponent(text) } }), `body of ${text}`)
    for (const text of texts) {
      const found = await entry(store, keyOf(text))
      assert.equal(found.headers['x-key'], encodeURIComponent(text))
      assert.equal((await bodyOf(found)).toString(), `body of ${text}`)
    }
    for (const text of texts) await store.delete(keyOf(text))
    for (const text of texts) assert.equal(await store.get(keyOf(text)), undefined)
  })

  run('zones do not see each other', async store => {
    const other = { ...keyOf('/a'), origin: 'scgi:other' }
    await write(store, keyOf('/a'), valueOf(), 'mine')
    assert.equal(await store.get(other), undefined)
    await write(store, other, valueOf(), 'theirs')
    await store.delete(keyOf('/a'))
    assert.equal(await store.get(keyOf('/a')), undefined)
    assert.equal((await body(store, other)).toString(), 'theirs')
  })

  run('a stale entry is found until deleteAt, and not after it', async store => {
    const now = Date.now()
    const stale = valueOf({ cachedAt: now - 2000, staleAt: now - 1000, deleteAt: now + 60_000 })
    await write(store, keyOf('/stale'), stale, 'stale')
    const found = await entry(store, keyOf('/stale'))
    assert.deepEqual([found.cachedAt, found.staleAt, found.deleteAt], [stale.cachedAt, stale.staleAt, stale.deleteAt])
    await bodyOf(found)
    await write(store, keyOf('/dead'), valueOf({ cachedAt: now - 3000, staleAt: now - 2000, deleteAt: now - 1000 }), 'dead')
    assert.equal(await store.get(keyOf('/dead')), undefined)
  })

  run('delete of what is not there does nothing', async store => {
    await store.delete(keyOf('/none'))
    assert.equal(await store.get(keyOf('/none')), undefined)
  })

  run('a reader goes on reading what it began, whatever becomes of the entry', async store => {
    const bytes = pattern(400_000, 1)
    await write(store, keyOf('/a'), valueOf(), bytes)
    const [replaced, removed] = [await entry(store, keyOf('/a')), await entry(store, keyOf('/a'))]
    await write(store, keyOf('/a'), valueOf(), pattern(400_000, 2))
    assert.ok(bytes.equals(await bodyOf(replaced)))
    await store.delete(keyOf('/a'))
    assert.ok(bytes.equals(await bodyOf(removed)))
    assert.equal(await store.get(keyOf('/a')), undefined)
  })

  run('a reader may leave', async store => {
    await write(store, keyOf('/a'), valueOf(), pattern(400_000, 1))
    const found = await entry(store, keyOf('/a'))
    if (found.body instanceof Readable) {
      found.body.destroy()
      await once(found.body, 'close')
    }
    assert.equal((await body(store, keyOf('/a'))).length, 400_000)
  })
}

function testVariants (run: Run): void {
  run('a variant for every value of what Vary names', async store => {
    const values = ['gzip', 'br', 'gzip, br', '', undefined]
    const requests = values.map(value => keyOf('/v', value === undefined ? {} : { 'accept-encoding': value, 'user-agent': 'any' }))
    for (const [index, request] of requests.entries()) {
      await write(store, request, valueOf({ vary: { 'accept-encoding': values[index] ?? null } }), `variant ${index}`)
    }
    for (const [index, request] of requests.entries()) assert.equal((await body(store, request)).toString(), `variant ${index}`)
    assert.equal(await store.get(keyOf('/v', { 'accept-encoding': 'deflate' })), undefined)
    const [first = keyOf('/v')] = requests
    await write(store, first, valueOf({ vary: { 'accept-encoding': 'gzip' } }), 'again')
    assert.equal((await body(store, first)).toString(), 'again')
    for (const [index, request] of requests.entries()) assert.equal((await body(store, request)).toString(), index === 0 ? 'again' : `variant ${index}`)
    await store.delete(keyOf('/v'))
    for (const request of requests) assert.equal(await store.get(request), undefined)
  })

  run('a variant by several headers', async store => {
    const request = (encoding: string, language: string): CacheStoreKey => keyOf('/v', { 'accept-encoding': encoding, 'accept-language': language })
    for (const encoding of ['br', 'gzip']) {
      for (const language of ['de', 'fr']) {
        await write(store, request(encoding, language), valueOf({ vary: { 'accept-language': language, 'accept-encoding': encoding } }), `${encoding} ${language}`)
      }
    }
    for (const encoding of ['br', 'gzip']) {
      for (const language of ['de', 'fr']) assert.equal((await body(store, request(encoding, language))).toString(), `${encoding} ${language}`)
    }
    for (const other of [request('br', 'it'), request('de', 'br'), keyOf('/v', { 'accept-encoding': 'br' }), keyOf('/v')]) {
      assert.equal(await store.get(other), undefined)
    }
  })

  run('names that every object has are headers like others', async store => {
    await write(store, keyOf('/v'), valueOf({ vary: { constructor: null, 'to-string': null } }), 'without')
    assert.equal(await store.get(keyOf('/v', { constructor: 'x' })), undefined)
    const found = await store.get(keyOf('/v', { accept: 'x' }))
    // Not to find it costs time alone.
    if (found !== undefined) assert.equal((await bodyOf(found)).toString(), 'without')
  })
}

function testWriters (run: Run): void {
  run('a stream that is destroyed leaves nothing', async store => {
    for (const size of [0, 10, 300_000]) {
      const stream = open(store, keyOf('/a'), valueOf())
      stream.on('error', () => {})
      if (size > 0 && !stream.write(pattern(size, 1))) await once(stream, 'drain')
      stream.destroy()
      await closed(stream)
      assert.equal(await store.get(keyOf('/a')), undefined)
    }
    await write(store, keyOf('/a'), valueOf(), 'kept')
    const stream = open(store, keyOf('/a'), valueOf())
    stream.on('error', () => {})
    stream.write('lost')
    stream.destroy(new Error('the application has died'))
    await closed(stream)
    assert.equal((await body(store, keyOf('/a'))).toString(), 'kept')
  })

  run('of several writers of one key the last to end is right, and nothing is mixed', async store => {
    const sizes = [10, 70_000, 200_000, 30, 100_000]
    const streams = sizes.map((size, index) => open(store, keyOf('/a'), valueOf({ etag: `"${index}"`, headers: { 'x-size': String(size) } })))
    for (let part = 0; part < 10; part++) {
      for (const [index, stream] of streams.entries()) stream.write(pattern((sizes[index] ?? 0) / 10, index))
    }
    for (const [index, stream] of streams.entries()) {
      stream.end()
      await finished(stream)
      await isWhole(await entry(store, keyOf('/a')), sizes, index)
    }
    const together = sizes.map((size, index) => {
      const stream = open(store, keyOf('/b'), valueOf({ etag: `"${index}"`, headers: { 'x-size': String(size) } }))
      for (let part = 0; part < 10; part++) stream.write(pattern(size / 10, index))
      stream.end()
      return finished(stream)
    })
    await Promise.all(together)
    await isWhole(await entry(store, keyOf('/b')), sizes)
  })

  run('many keys at once', async store => {
    const keys = Array.from({ length: 60 }, (_, index) => index)
    await Promise.all(keys.map(index => write(store, keyOf(`/${index}`), valueOf({ headers: { 'x-key': String(index) } }), pattern(index * 1500, index))))
    await Promise.all(keys.map(async index => {
      const found = await entry(store, keyOf(`/${index}`))
      assert.equal(found.headers['x-key'], String(index))
      assert.ok(pattern(index * 1500, index).equals(await bodyOf(found)))
    }))
  })
}

function testMeta (runWith: RunWith): void {
  runWith('updateMeta', 'another head for the same body', async store => {
    const value = valueOf({ etag: '"1"', headers: { 'content-type': 'text/plain', date: 'long ago' } })
    const bytes = pattern(100_000, 3)
    await write(store, keyOf('/a'), value, bytes)
    for (let round = 1; round < 5; round++) {
      const headers = { 'content-type': 'text/plain', date: 'now', 'x-round': String(round) }
      const next = { ...value, headers, staleAt: value.staleAt + round, deleteAt: value.deleteAt + round }
      assert.equal(await store.updateMeta(keyOf('/a'), next), true)
      const found = await entry(store, keyOf('/a'))
      assert.deepEqual(headOf(found), next)
      assert.ok(bytes.equals(await bodyOf(found)))
    }
  })

  runWith('updateMeta', 'not for an entry that is gone, or that was replaced', async store => {
    assert.equal(await store.updateMeta(keyOf('/a'), valueOf()), false)
    assert.equal(await store.get(keyOf('/a')), undefined)
    const value = valueOf({ etag: '"1"' })
    await write(store, keyOf('/a'), valueOf({ etag: '"2"' }), 'two')
    assert.equal(await store.updateMeta(keyOf('/a'), value), false)
    const found = await entry(store, keyOf('/a'))
    assert.deepEqual([found.etag, (await bodyOf(found)).toString()], ['"2"', 'two'])
  })

  runWith('updateMeta', 'not for an entry without an entity tag that was replaced since it was found', async store => {
    const now = Date.now()
    const modified = ['Tue, 01 Jan 2030 00:00:00 GMT', 'Wed, 02 Jan 2030 00:00:00 GMT'] as const
    const rows: [what: string, before: Record<string, string>, after: Record<string, string>, cachedAt: number][] = [
      ['no validators', {}, {}, now],
      ['the same Last-Modified', { 'last-modified': modified[0] }, { 'last-modified': modified[0] }, now],
      ['another Last-Modified', { 'last-modified': modified[0] }, { 'last-modified': modified[1] }, now - 1000],
    ]
    for (const [what, before, after, cachedAt] of rows) {
      await write(store, keyOf('/a'), valueOf({ headers: before, cachedAt: now - 1000 }), 'one')
      const found = await entry(store, keyOf('/a'))
      await bodyOf(found)
      const next = { ...headOf(found), cachedAt: now + 1000, statusMessage: 'late' }
      const second = valueOf({ headers: { ...after, 'content-encoding': 'x' }, cachedAt })
      await write(store, keyOf('/a'), second, 'two')
      assert.equal(await store.updateMeta(keyOf('/a'), next, found), false, what)
      const left = await entry(store, keyOf('/a'))
      assert.deepEqual(headOf(left), second)
      assert.equal((await bodyOf(left)).toString(), 'two')
      assert.equal(await store.updateMeta(keyOf('/a'), { ...second, statusMessage: 'in time' }, left), true, what)
    }
  })

  runWith('updateMeta', 'not for an entry that was replaced within a millisecond by one with the same validators, if the store gives ids', async store => {
    for (const changes of [{}, { etag: '"1"', headers: { etag: '"1"', 'last-modified': 'Tue, 01 Jan 2030 00:00:00 GMT' } }]) {
      const value = valueOf(changes)
      for (const between of [async () => {}, async () => store.delete(keyOf('/a'))]) {
        await write(store, keyOf('/a'), value, 'one')
        const found = await entry(store, keyOf('/a'))
        await bodyOf(found)
        if (found.id === undefined) return
        await between()
        await write(store, keyOf('/a'), value, 'two')
        assert.equal(await store.updateMeta(keyOf('/a'), { ...value, statusMessage: 'late' }, found), false)
        const second = await entry(store, keyOf('/a'))
        assert.deepEqual([second.statusMessage, (await bodyOf(second)).toString()], ['OK', 'two'])
        assert.notEqual(second.id, found.id)
        assert.equal(await store.updateMeta(keyOf('/a'), { ...value, statusMessage: 'in time' }, second), true)
        const third = await entry(store, keyOf('/a'))
        assert.deepEqual([third.statusMessage, third.id, (await bodyOf(third)).toString()], ['in time', second.id, 'two'])
      }
    }
  })

  runWith('updateMeta', 'of one variant', async store => {
    for (const encoding of ['br', 'gzip']) {
      await write(store, keyOf('/v', { 'accept-encoding': encoding }), valueOf({ vary: { 'accept-encoding': encoding } }), encoding)
    }
    for (const changed of ['gzip', 'br']) {
      const found = await entry(store, keyOf('/v', { 'accept-encoding': changed }))
      await bodyOf(found)
      assert.equal(await store.updateMeta(keyOf('/v', { 'accept-encoding': changed }), { ...headOf(found), statusMessage: `of ${changed}` }), true)
    }
    for (const encoding of ['br', 'gzip']) {
      const found = await entry(store, keyOf('/v', { 'accept-encoding': encoding }))
      assert.deepEqual([found.statusMessage, (await bodyOf(found)).toString()], [`of ${encoding}`, encoding])
    }
  })
}

function testRanges (runWith: RunWith): void {
  runWith('openRange', 'both ends included', async store => {
    for (const size of [1, 1000, 400_000]) {
      const bytes = pattern(size, 5)
      await write(store, keyOf('/a'), valueOf(), bytes)
      const half = Math.floor(size / 2)
      for (const [start, end] of [[0, 0], [0, size - 1], [size - 1, size - 1], [half, size - 1], [Math.floor(size / 3), half]] as const) {
        const part = await store.openRange(keyOf('/a'), start, end)
        assert.ok(part !== undefined, `${start}-${end} of ${size}`)
        assert.ok(bytes.subarray(start, end + 1).equals(await bytesOf(part)), `${start}-${end} of ${size}`)
      }
      for (const [start, end] of [[0, size], [size, size], [-1, 0], [1, 0]] as const) {
        assert.equal(await store.openRange(keyOf('/a'), start, end), undefined, `${start}-${end} of ${size}`)
      }
    }
    assert.equal(await store.openRange(keyOf('/none'), 0, 0), undefined)
  })

  runWith('openRange', 'several parts of the entry that was found, in any order', async store => {
    for (const size of [1000, 400_000]) {
      const bytes = pattern(size, 8)
      await write(store, keyOf('/a'), valueOf(), bytes)
      const found = await entry(store, keyOf('/a'))
      for (const [start, end] of [[10, 19], [15, size - 100], [0, 0], [size - 1, size - 1], [5, 900]] as const) {
        const part = await store.openRange(keyOf('/a'), start, end, found)
        assert.ok(part !== undefined && bytes.subarray(start, end + 1).equals(await bytesOf(part)), `${start}-${end} of ${size}`)
      }
      if (found.body instanceof Readable) found.body.destroy()
    }
  })

  runWith('openRange', 'a part of the entry that was found, or none', async store => {
    for (const size of [1000, 400_000]) {
      const bytes = pattern(size, 6)
      await write(store, keyOf('/a'), valueOf(), bytes)
      const [unread, left] = [await entry(store, keyOf('/a')), await entry(store, keyOf('/a'))]
      if (left.body instanceof Readable) left.body.destroy()
      await write(store, keyOf('/a'), valueOf(), pattern(size, 7))
      for (const found of [unread, left]) {
        const part = await store.openRange(keyOf('/a'), 10, 99, found)
        if (part !== undefined) assert.ok(bytes.subarray(10, 100).equals(await bytesOf(part)))
      }
      const found = await entry(store, keyOf('/a'))
      const part = await store.openRange(keyOf('/a'), 0, size - 1, found)
      assert.ok(part !== undefined && pattern(size, 7).equals(await bytesOf(part)))
    }
  })
}

function testPurge (runWith: RunWith): void {
  const fill = async (store: CacheStore): Promise<void> => {
    for (const [path, tags] of [['/a/1', 'red'], ['/a/2', 'red,blue'], ['/a/x/1', 'blue'], ['/b/1', ''], ['/b/*', 'red']] as const) {
      await write(store, keyOf(path), valueOf({ headers: { 'cache-tag': tags } }), path)
    }
    for (const encoding of ['br', 'gzip']) {
      const value = valueOf({ vary: { 'accept-encoding': encoding }, headers: { 'surrogate-key': `x ${encoding} y` } })
      await write(store, keyOf('/v', { 'accept-encoding': encoding }), value, encoding)
    }
    await write(store, { ...keyOf('/a/1'), origin: 'scgi:other' }, valueOf({ headers: { 'cache-tag': 'red' } }), 'other')
  }
  const left = async (store: CacheStore): Promise<string[]> => {
    const now = Date.now()
    const names: string[] = []
    const variants = ['br', 'gzip'].map(encoding => keyOf('/v', { 'accept-encoding': encoding }))
    const keys = [...['/a/1', '/a/2', '/a/x/1', '/b/1', '/b/*'].map(path => keyOf(path)), ...variants]
    for (const key of keys) {
      const found = await store.get(key)
      if (found === undefined) continue
      const name = (await bodyOf(found)).toString()
      names.push(found.staleAt > now ? name : `${name} stale`)
    }
    const other = await entry(store, { ...keyOf('/a/1'), origin: 'scgi:other' })
    assert.ok(other.staleAt > now)
    await bodyOf(other)
    return names
  }
  const all = ['/a/1', '/a/2', '/a/x/1', '/b/1', '/b/*', 'br', 'gzip']
  const cases: Array<[string, Parameters<With<'purge'>['purge']>[1], string[]]> = [
    ['a key', { key: '/b/*' }, ['/b/*']],
    ['a key with its variants', { key: '/v' }, ['br', 'gzip']],
    ['a key that is not there', { key: '/none' }, []],
    ['a glob', { glob: '/a/*' }, ['/a/1', '/a/2', '/a/x/1']],
    ['a glob with one character', { glob: '/?/1' }, ['/a/1', '/b/1']],
    ['a glob that is all', { glob: '*' }, all],
    ['a glob that matches nothing', { glob: '/a' }, []],
    ['a tag', { tag: 'red' }, ['/a/1', '/a/2', '/b/*']],
    ['a tag of one variant', { tag: 'gzip' }, ['gzip']],
    ['a tag that nobody has', { tag: 'green' }, []],
  ]
  for (const [title, match, meant] of cases) {
    for (const soft of [false, true]) {
      runWith('purge', `${title}${soft ? ', soft' : ''}`, async store => {
        await fill(store)
        // What was served before is purged as well.
        assert.deepEqual(await left(store), all)
        assert.equal(await store.purge(ORIGIN, match, soft), meant.length)
        assert.deepEqual(await left(store), soft ? all.map(name => meant.includes(name) ? `${name} stale` : name) : all.filter(name => !meant.includes(name)))
      })
    }
  }

  const gzip = { 'accept-encoding': 'gzip' }
  const superseding: Array<[string, first: Record<string, string | null>, second: Partial<CacheStoreValue>]> = [
    ['one for all requests', gzip, {}],
    ['one that fewer headers select', { ...gzip, 'accept-language': 'de' }, { vary: gzip }],
    ['one that a header which was missing does not select', { ...gzip, 'accept-language': null }, { vary: gzip }],
  ]
  for (const [title, first, second] of superseding) {
    runWith('purge', `a variant that was superseded by ${title} does not come back when that goes`, async store => {
      const request = keyOf('/v', Object.fromEntries(Object.entries(first).flatMap(([name, value]) => value === null ? [] : [[name, value]])))
      await write(store, request, valueOf({ vary: first }), 'first')
      await write(store, request, valueOf({ ...second, headers: { 'cache-tag': 'second' } }), 'second')
      assert.equal((await body(store, request)).toString(), 'second')
      assert.equal(await store.purge(ORIGIN, { tag: 'second' }, false), 1)
      assert.equal(await store.get(request), undefined)
      if (has(store, 'keys')) for await (const { path } of store.keys(ORIGIN)) assert.fail(`an entry of ${path} is left`)
    })
  }

  runWith('keys', 'of an application that changes its Vary all the time: none that no request would get', async store => {
    for (let round = 0; round < 20; round++) {
      const vary = { [`x-${round}`]: 'a' }
      await write(store, keyOf('/v', vary), valueOf({ vary }), String(round))
    }
    for await (const key of store.keys(ORIGIN)) {
      const found = await entry(store, key)
      await bodyOf(found)
      assert.deepEqual(found.vary, key.headers)
    }
    assert.equal((await body(store, keyOf('/v', { 'x-19': 'a' }))).toString(), '19')
  })

  runWith('purge', 'a tag that an entry does not have any more', async store => {
    await write(store, keyOf('/a'), valueOf({ headers: { 'cache-tag': 'old' } }), 'old')
    await write(store, keyOf('/a'), valueOf({ headers: { 'cache-tag': 'new' } }), 'new')
    assert.equal(await store.purge(ORIGIN, { tag: 'old' }, false), 0)
    assert.equal((await body(store, keyOf('/a'))).toString(), 'new')
    assert.equal(await store.purge(ORIGIN, { tag: 'new' }, false), 1)
    assert.equal(await store.get(keyOf('/a')), undefined)
  })

  runWith('purge', 'an entry with another head is purged by the tags of that', async store => {
    if (!has(store, 'updateMeta')) return
    // What a soft purge meets is still there.
    const meet = async (tag: string): Promise<number> => store.purge(ORIGIN, { tag }, true)
    await write(store, keyOf('/a'), valueOf({ headers: { 'cache-tag': 'kept, lost' } }), 'a')
    const found = await entry(store, keyOf('/a'))
    await bodyOf(found)
    const next = { ...headOf(found), headers: { 'cache-tag': 'kept, new' } }
    assert.equal(await store.updateMeta(keyOf('/a'), next, found), true)
    await write(store, keyOf('/other'), valueOf({ headers: { 'cache-tag': 'kept' } }), 'other')
    assert.deepEqual([await meet('lost'), await meet('new'), await meet('kept')], [0, 1, 2])
    assert.equal(await store.purge(ORIGIN, { tag: 'new' }, false), 1)
    assert.equal(await store.get(keyOf('/a')), undefined)
  })

  runWith('purge', 'what is being written is purged with the rest', async store => {
    for (const match of [{ key: '/a' }, { glob: '/a*' }, { tag: 'red' }]) {
      const stream = open(store, keyOf('/a'), valueOf({ headers: { 'cache-tag': 'red' } }))
      stream.write('from before')
      assert.equal(await store.purge(ORIGIN, match, false), 0)
      if (!stream.destroyed) stream.end()
      await closed(stream)
      assert.equal(await store.get(keyOf('/a')), undefined)
    }
  })

  runWith('keys', 'all entries of a zone', async store => {
    await fill(store)
    const found: string[] = []
    for await (const { origin, method, path, headers } of store.keys(ORIGIN)) {
      assert.deepEqual([origin, method], [ORIGIN, 'GET'])
      found.push(`${path} ${headers?.['accept-encoding'] ?? ''}`.trim())
    }
    assert.deepEqual(found.sort(), ['/a/1', '/a/2', '/a/x/1', '/b/*', '/b/1', '/v br', '/v gzip'])
  })

  runWith('list', 'all entries of a zone, without their bodies', async store => {
    await fill(store)
    const found: string[] = []
    for await (const { key, value, size } of store.list(ORIGIN)) {
      assert.equal(key.origin, ORIGIN)
      assert.equal(value.statusCode, 200)
      found.push(`${key.path} ${size}`)
    }
    assert.deepEqual(found.sort(), ['/a/1 4', '/a/2 4', '/a/x/1 6', '/b/* 4', '/b/1 4', '/v 2', '/v 4'])
  })

  runWith('stats', 'entries and bytes', async store => {
    assert.deepEqual(store.stats(), { entries: 0, bytes: 0 })
    await write(store, keyOf('/a'), valueOf(), pattern(10_000, 1))
    await write(store, keyOf('/b'), valueOf(), pattern(10_000, 1))
    await write(store, keyOf('/b'), valueOf(), pattern(10_000, 1))
    const { entries, bytes } = store.stats()
    assert.equal(entries, 2)
    assert.ok(bytes >= 20_000 && bytes < 40_000, `${bytes} bytes`)
    await store.delete(keyOf('/a'))
    assert.equal(store.stats().entries, 1)
  })

  runWith('close', 'a closed store has nothing and takes nothing', async store => {
    await write(store, keyOf('/a'), valueOf(), 'a')
    await store.close()
    assert.equal(await store.get(keyOf('/a')), undefined)
    assert.equal(store.createWriteStream(keyOf('/a'), valueOf()), undefined)
  })
}

function keyOf (path: string, headers?: Record<string, string>): CacheStoreKey {
  return { origin: ORIGIN, method: 'GET', path, ...(headers !== undefined && { headers }) }
}

function valueOf (changes: Partial<CacheStoreValue> = {}): CacheStoreValue {
  const now = Date.now()
  return { statusCode: 200, statusMessage: 'OK', headers: {}, cachedAt: now, staleAt: now + 60_000, deleteAt: now + 120_000, ...changes }
}

function open (store: CacheStore, key: CacheStoreKey, value: CacheStoreValue): Writable {
  const stream = store.createWriteStream(key, value)
  assert.ok(stream !== undefined, 'the store takes the entry')
  return stream
}

async function write (store: CacheStore, key: CacheStoreKey, value: CacheStoreValue, content: Buffer | string): Promise<void> {
  const stream = open(store, key, value)
  stream.end(content)
  await finished(stream)
}

async function closed (stream: Writable): Promise<void> {
  if (!stream.closed) await new Promise<void>(resolve => stream.once('close', resolve))
}

async function entry (store: CacheStore, key: CacheStoreKey): Promise<CacheStoreResult> {
  const found = await store.get(key)
  assert.ok(found !== undefined, 'the entry is there')
  return found
}

async function body (store: CacheStore, key: CacheStoreKey): Promise<Buffer> {
  return bodyOf(await entry(store, key))
}

async function bodyOf ({ body }: CacheStoreResult): Promise<Buffer> {
  return body === undefined ? Buffer.alloc(0) : bytesOf(body)
}

async function bytesOf (body: NonNullable<CacheStoreResult['body']>): Promise<Buffer> {
  if (typeof body === 'string') return Buffer.from(body)
  if (Buffer.isBuffer(body)) return body
  if (body instanceof Readable) return buffer(body)
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** The head alone, without what only a result has. */
function headOf (found: CacheStoreResult): CacheStoreValue {
  const { statusCode, statusMessage, headers, vary, etag, cacheControlDirectives, cachedAt, staleAt, deleteAt } = found
  return {
    statusCode,
    statusMessage,
    headers: { ...headers },
    ...(vary !== undefined && { vary }),
    ...(etag !== undefined && { etag }),
    ...(cacheControlDirectives !== undefined && { cacheControlDirectives }),
    cachedAt,
    staleAt,
    deleteAt,
  }
}

/** Bytes that tell another pattern, and another place in this one. */
function pattern (size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) * 17 + seed * 101) & 0xff
  return bytes
}

/** An entry of one writer alone: head and body of the same. */
async function isWhole (found: CacheStoreResult, sizes: readonly number[], index = Number(found.etag?.slice(1, -1))): Promise<void> {
  assert.equal(found.etag, `"${index}"`)
  const size = sizes[index] ?? 0
  assert.equal(found.headers['x-size'], String(size))
  const part = pattern(size / 10, index)
  assert.ok(Buffer.concat(Array.from({ length: 10 }, () => part)).equals(await bodyOf(found)))
}
