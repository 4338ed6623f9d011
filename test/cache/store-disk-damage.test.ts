// Files that are torn, damaged, or somebody else's: a miss, and never a wrong answer.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { eventually } from '../gateway/kit.ts'
import { tempDir } from '../helpers/temp.ts'
import { alive, bodyOf, keyOf, pattern, read, valueOf, write } from './store-kit.ts'

const nameOf = (path: string): string => hash('md5', path)

function setVersion (file: string, version: number): void {
  const bytes = readFileSync(file)
  bytes.writeUInt16LE(version, 8)
  // The checksum is right: the version alone decides.
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 56)), 56)
  writeFileSync(file, bytes)
}

/** What a fresh process makes of a file. */
async function readFresh (root: string, path: string): Promise<{ body: Buffer, etag: string | undefined } | undefined> {
  const store = new DiskStore({ path: root })
  try {
    const found = await store.get(keyOf(path))
    return found === undefined ? undefined : { body: await bodyOf(found.body), etag: found.etag }
  } finally {
    await store.close()
  }
}

for (const size of [0, 300, 100_000]) {
  test(`a file that ends too early is a miss, wherever (body of ${size} bytes)`, async () => {
    await using dir = await tempDir()
    const store = new DiskStore({ path: dir.path })
    await write(store, '/a', pattern(size, 1), { etag: '"1"' })
    const file = dir.file(nameOf('/a'))
    const whole = readFileSync(file)
    const head = whole.length - size
    const lengths = [...Array(head + 5).keys(), head + Math.floor(size / 2), whole.length - 1].filter(length => length < whole.length)
    for (const length of lengths) {
      writeFileSync(file, whole.subarray(0, length))
      assert.equal(await store.get(keyOf('/a')), undefined, `${length} of ${whole.length} bytes`)
      assert.equal(await store.openRange(keyOf('/a'), 0, 0), undefined)
    }
    writeFileSync(file, Buffer.concat([whole, Buffer.from('x')]))
    assert.equal(await store.get(keyOf('/a')), undefined, 'a byte too many')
    writeFileSync(file, whole)
    assert.ok((await read(store, '/a'))?.equals(pattern(size, 1)))
    // What is damaged is replaced.
    truncateSync(file, 100)
    await write(store, '/a', 'new')
    assert.equal((await read(store, '/a'))?.toString(), 'new')
    await store.close()
  })
}

test('any byte that has changed gives a miss, or the entry as it was', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  const bytes = pattern(300, 1)
  await write(store, '/a', bytes, { etag: '"1"', headers: { 'x-text': 'abc' } })
  const file = dir.file(nameOf('/a'))
  const whole = readFileSync(file)
  let misses = 0
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
    writeFileSync(file, changed)
    const store = new DiskStore({ path: dir.path, loader: { delay: '1h' } })
    const found = await store.get(keyOf('/a'))
    if (found === undefined) misses++
    else assert.deepEqual([found.etag, found.headers['x-text'], (await bodyOf(found.body)).equals(bytes)], ['"1"', 'abc', true], `byte ${at}`)
    await store.close()
  }
  // The other slot and the room in both are not looked at.
  assert.ok(misses > 300 + 60 + 100, `${misses} of ${whole.length}`)
  await store.close()
})

test('a large body that has changed breaks off, and is gone then', async () => {
  await using dir = await tempDir()
  const first = new DiskStore({ path: dir.path })
  await write(first, '/a', pattern(300_000, 1))
  await first.close()
  const file = dir.file(nameOf('/a'))
  const bytes = readFileSync(file)
  bytes[bytes.length - 10] = (bytes[bytes.length - 10] ?? 0) ^ 1
  writeFileSync(file, bytes)
  const store = new DiskStore({ path: dir.path })
  const found = await store.get(keyOf('/a'))
  await assert.rejects(bodyOf(found?.body), { code: 'FST_SCGI_CACHE_STORE' })
  await eventually(() => !readdirSync(dir.path).includes(nameOf('/a')), 'the file is removed')
  assert.equal(await read(store, '/a'), undefined)
  await store.close()
})

test('what is found out about a body while it is read is not said of another one that has replaced it', async () => {
  for (const isRight of [true, false]) {
    await using dir = await tempDir()
    const [store, writer] = [new DiskStore({ path: dir.path, loader: { delay: '1h' } }), new DiskStore({ path: dir.path })]
    const file = dir.file(nameOf('/a'))
    const spoil = (): void => {
      const spoilt = readFileSync(file)
      spoilt.writeUInt8(spoilt.readUInt8(spoilt.length - 1) ^ 1, spoilt.length - 1)
      writeFileSync(file, spoilt)
    }
    await write(writer, '/a', pattern(200_000, 1))
    if (!isRight) spoil()
    const first = await store.get(keyOf('/a'))
    await write(writer, '/a', pattern(200_000, 2))
    if (isRight) spoil()
    const second = await store.get(keyOf('/a'))
    if (isRight) {
      assert.ok((await bodyOf(first?.body)).equals(pattern(200_000, 1)))
      await assert.rejects(bodyOf((await store.get(keyOf('/a')))?.body), /bytes have changed/)
      assert.equal(store.stats().entries, 0)
    } else {
      await assert.rejects(bodyOf(first?.body), /bytes have changed/)
      assert.equal(store.stats().entries, 1)
      assert.ok((await read(store, '/a'))?.equals(pattern(200_000, 2)))
    }
    if (second?.body instanceof Readable) second.body.destroy()
    await store.close()
    await writer.close()
  }
})

test('a body that becomes shorter while it is read breaks off', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  await write(store, '/a', pattern(1_000_000, 1))
  const found = await store.get(keyOf('/a'))
  assert.ok(found?.body instanceof Readable)
  truncateSync(dir.file(nameOf('/a')), 10_000)
  await assert.rejects(bodyOf(found.body), { code: 'FST_SCGI_CACHE_STORE' })
  await store.close()
})

test('another entry under this name is not taken for it', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  await write(store, '/a', 'a')
  copyFileSync(dir.file(nameOf('/a')), dir.file(nameOf('/b')))
  assert.equal(await read(store, '/b'), undefined)
  assert.equal(await store.updateMeta(keyOf('/b'), valueOf()), false)
  await write(store, '/b', 'b')
  assert.deepEqual([(await read(store, '/a'))?.toString(), (await read(store, '/b'))?.toString()], ['a', 'b'])
  await store.close()
})

test("somebody else's files are left alone", async () => {
  await using dir = await tempDir()
  const foreign = ['notes.txt', nameOf('/a'), `${nameOf('/b')}-${'0'.repeat(32)}`, 'temp/notes.txt', `${nameOf('/c')}.txt`]
  mkdirSync(dir.file('temp'))
  for (const name of foreign) writeFileSync(dir.file(name), `of ${name}`)
  mkdirSync(dir.file(nameOf('/d')))
  const store = new DiskStore({ path: dir.path, loader: { delay: 0 }, maxEntries: 0, inactive: 0 })
  assert.equal(await read(store, '/a'), undefined)
  for (const size of [10, 200_000]) await assert.rejects(write(store, '/a', pattern(size, 1)), { code: 'FST_SCGI_CACHE_STORE' })
  await assert.rejects(write(store, '/d', 'a directory'), { code: 'FST_SCGI_CACHE_STORE' })
  await alive(store.loaded)
  assert.equal(store.stats().entries, 0)
  for (const match of [{ glob: '*' }, { key: '/a' }, { key: '/b' }]) assert.equal(await store.purge('scgi:zone', match, false), 0)
  await alive(store.manage())
  await store.close()
  for (const name of foreign) assert.equal(readFileSync(dir.file(name), 'utf8'), `of ${name}`)
  assert.deepEqual(readdirSync(dir.path).sort(), ['temp', nameOf('/d'), ...foreign.filter(name => !name.includes('/'))].sort())
})

for (const version of [1, 3]) {
  test(`a file of version ${version} is a miss, takes room, and is replaced`, async () => {
    await using dir = await tempDir()
    const first = new DiskStore({ path: dir.path })
    await write(first, '/a', 'old')
    await first.close()
    const file = dir.file(nameOf('/a'))
    setVersion(file, version)
    const store = new DiskStore({ path: dir.path, loader: { delay: 0 } })
    await alive(store.loaded)
    assert.equal(store.stats().entries, 1)
    assert.equal(await read(store, '/a'), undefined)
    await write(store, '/a', 'new')
    assert.equal((await read(store, '/a'))?.toString(), 'new')
    await store.close()
  })
}

test('what is left of version 1, where the names had the zone in them, is never served, and goes', async () => {
  await using dir = await tempDir()
  const first = new DiskStore({ path: dir.path })
  const oldName = (path: string): string => hash('md5', `scgi:zone\0${path}`)
  for (const path of ['/a', '/b']) {
    await write(first, path, 'old')
    setVersion(dir.file(nameOf(path)), 1)
    renameSync(dir.file(nameOf(path)), dir.file(oldName(path)))
  }
  await first.close()
  let now = Date.now()
  const store = new DiskStore({ path: dir.path, loader: { delay: 0 }, inactive: '10m', now: () => now })
  await alive(store.loaded)
  assert.equal(store.stats().entries, 2)
  for (const path of ['/a', '/b']) assert.equal(await read(store, path), undefined)
  // The same key is stored again: its old file goes at once.
  await write(store, '/a', 'new')
  assert.deepEqual(readdirSync(dir.path).sort(), ['temp', nameOf('/a'), oldName('/b')].sort())
  now += 500_000
  assert.equal((await read(store, '/a'))?.toString(), 'new')
  now += 101_000
  await alive(store.manage())
  assert.deepEqual(readdirSync(dir.path).sort(), ['temp', nameOf('/a')].sort())
  await store.close()
})

test('a head that was written by half leaves the one before', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  await write(store, '/a', 'body', { etag: '"1"', statusMessage: 'first' })
  assert.equal(await store.updateMeta(keyOf('/a'), valueOf({ etag: '"1"', statusMessage: 'second' })), true)
  const file = dir.file(nameOf('/a'))
  const bytes = readFileSync(file)
  const at = bytes.indexOf('second')
  bytes[at] = 0
  writeFileSync(file, bytes)
  assert.equal((await store.get(keyOf('/a')))?.statusMessage, 'first')
  assert.equal(await store.updateMeta(keyOf('/a'), valueOf({ etag: '"1"', statusMessage: 'third' })), true)
  assert.equal((await store.get(keyOf('/a')))?.statusMessage, 'third')
  assert.equal((await readFresh(dir.path, '/a'))?.body.toString(), 'body')
  await store.close()
})

test('a head that has become too long is refused, and the old one stays', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  await write(store, '/a', 'body')
  assert.equal(await store.updateMeta(keyOf('/a'), valueOf({ headers: { 'x-long': 'y'.repeat(10_000) } })), false)
  assert.deepEqual((await store.get(keyOf('/a')))?.headers, {})
  await store.close()
})

test('a directory that goes away is made again, one that cannot be fails the writing', async () => {
  await using dir = await tempDir()
  const root = dir.file('cache')
  const store = new DiskStore({ path: root, levels: '1:2' })
  await write(store, '/a', 'a')
  rmSync(root, { recursive: true })
  assert.equal(await read(store, '/a'), undefined)
  for (const size of [10, 200_000]) {
    await write(store, '/a', pattern(size, 1))
    assert.equal((await read(store, '/a'))?.length, size)
  }
  rmSync(root, { recursive: true })
  writeFileSync(root, 'a file')
  for (const size of [10, 200_000]) {
    const stream = store.createWriteStream(keyOf('/a'), valueOf())
    stream?.end(pattern(size, 1))
    assert.ok(stream !== undefined)
    await assert.rejects(finished(stream), { code: 'FST_SCGI_CACHE_STORE' })
    assert.equal(await store.get(keyOf('/a')), undefined)
  }
  await store.close()
})
