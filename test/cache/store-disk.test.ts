// The disk store: what it does with its files. What damages them is in store-disk-damage.test.ts.
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { testCacheStore } from '../../lib/cache-store-suite/index.ts'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import type { DiskStoreOptions } from '../../lib/cache/stores/disk.ts'
import { entryName } from '../../lib/cache/stores/disk/names.ts'
import { readDiskOptions } from '../../lib/cache/stores/disk/options.ts'
import { EntryFiles } from '../../lib/cache/stores/disk/entry-files.ts'
import { eventually } from '../gateway/kit.ts'
import { assertNoGrowth, resources } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'
import { alive, bodyOf, keyOf, pattern, read, valueOf, write } from './store-kit.ts'

const SHM = '/dev/shm'

for (const [name, options] of Object.entries<Omit<DiskStoreOptions, 'path'>>({
  disk: {},
  'disk, levels 1:2, no temporary directory': { levels: '1:2', useTempPath: false },
})) {
  testCacheStore(name, async t => {
    const dir = await tempDir()
    t.after(() => dir.remove())
    return new DiskStore({ path: dir.file('cache'), ...options })
  }, { methods: ['updateMeta', 'openRange', 'purge', 'keys', 'list', 'stats', 'close'] })
}

/** All files below a directory, relative to it. */
function filesIn (path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort()
}

test('a file is where its name says, and for its owner only', async () => {
  await using dir = await tempDir()
  const name = hash('md5', '/a')
  for (const [levels, path] of [
    [undefined, name],
    ['1:2', join(name.slice(-1), name.slice(-3, -1), name)],
    [[2, 1, 2], join(name.slice(-2), name.slice(-3, -2), name.slice(-5, -3), name)],
  ] as const) {
    const root = dir.file(`cache${levels ?? ''}`)
    const store = new DiskStore({ path: root, ...(levels !== undefined && { levels }) })
    await write(store, '/a', 'the body')
    assert.deepEqual(filesIn(root), [path])
    assert.equal(statSync(join(root, path)).mode & 0o777, 0o600)
    assert.equal(statSync(root).mode & 0o777, 0o700)
    assert.equal(statSync(join(root, path, '..')).mode & 0o777, 0o700)
    const bytes = readFileSync(join(root, path), 'latin1')
    assert.ok(bytes.startsWith('\x89FSCGI\r\n') && bytes.includes('scgi:zone\0/a') && bytes.endsWith('the body'))
    await store.close()
  }
})

test('variants are files of their own, of the same key', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, useTempPath: false })
  const put = async (encoding: string | undefined, vary: Record<string, string | null> | undefined): Promise<void> => {
    const key = keyOf('/v', encoding === undefined ? {} : { 'accept-encoding': encoding })
    const stream = store.createWriteStream(key, valueOf(vary === undefined ? {} : { vary }))
    await new Promise<void>(resolve => stream?.end(encoding, resolve))
  }
  for (const encoding of ['br', 'gzip', 'br', 'gzip']) await put(encoding, { 'accept-encoding': encoding })
  const names = filesIn(dir.path)
  assert.equal(names.length, 2)
  assert.match(names[1] ?? '', new RegExp(`^${names[0]}-[0-9a-f]{32}$`))
  // Without the Vary there is one entry, and the old ones do not come back with it.
  await put(undefined, undefined)
  assert.deepEqual(filesIn(dir.path), names.slice(0, 1))
  await put('br', { 'accept-encoding': 'br' })
  assert.equal(await store.get(keyOf('/v', { 'accept-encoding': 'gzip' })), undefined)
  await store.close()
})

test('entries outlive the process, and are found before the loader has seen them', async () => {
  await using dir = await tempDir()
  const count = 2000
  const first = new DiskStore({ path: dir.path, levels: '1' })
  for (let i = 0; i < count; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, n) => write(first, `/${i + n}`, `body ${i + n}`, { headers: { 'cache-tag': `t${n % 2}` } })))
  }
  const { bytes } = first.stats()
  await first.close()
  const second = new DiskStore({ path: dir.path, levels: '1', loader: { delay: 0, files: 500, sleep: 1 } })
  assert.equal((await read(second, '/1234'))?.toString(), 'body 1234')
  assert.ok(second.stats().entries < count)
  await alive(second.loaded)
  assert.deepEqual(second.stats(), { entries: count, bytes })
  assert.equal(await second.purge('scgi:zone', { tag: 't0' }, false), count / 2)
  assert.equal(second.stats().entries, count / 2)
  await second.close()
})

test('the loader does not keep a process, and stops with the store', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, loader: { delay: '1h' } })
  await store.close()
  await store.loaded
  assert.equal(await store.get(keyOf('/a')), undefined)
})

test('two stores share a directory', async () => {
  await using dir = await tempDir()
  const options = { path: dir.path, loader: { delay: '1h' } }
  const [a, b] = [new DiskStore(options), new DiskStore(options)]
  await write(a, '/a', 'from a')
  assert.equal((await read(b, '/a'))?.toString(), 'from a')
  await write(b, '/a', pattern(200_000, 1), { etag: '"b"' })
  assert.ok((await read(a, '/a'))?.equals(pattern(200_000, 1)))
  assert.equal(await a.updateMeta(keyOf('/a'), valueOf({ etag: '"b"', statusMessage: 'changed' })), true)
  const found = await b.get(keyOf('/a'))
  assert.equal(found?.statusMessage, 'changed')
  if (found?.body instanceof Readable) found.body.destroy()
  await b.delete(keyOf('/a'))
  assert.equal(await read(a, '/a'), undefined)
  assert.equal(a.stats().entries, 0)
  await a.close()
  await b.close()
})

test('what another process reads is not inactive', async () => {
  await using dir = await tempDir()
  let now = Date.now()
  const options = { path: dir.path, inactive: '10m', now: () => now }
  const [a, b] = [new DiskStore(options), new DiskStore(options)]
  for (const path of ['/used', '/unused']) await write(a, path, 'body', { staleAt: now + 1e10, deleteAt: now + 1e10 })
  await read(b, '/used')
  now += 400_000
  await read(b, '/used')
  const used = join(dir.path, hash('md5', '/used'))
  await eventually(() => statSync(used).mtimeMs > Date.now() + 300_000, 'the file tells of its use')
  now += 300_000
  await alive(a.manage())
  assert.deepEqual(a.stats().entries, 1)
  assert.equal(await read(a, '/unused'), undefined)
  assert.equal((await read(a, '/used'))?.toString(), 'body')
  now += 700_000
  await alive(a.manage())
  assert.deepEqual(filesIn(dir.path), [])
  await a.close()
  await b.close()
})

test('the manager keeps maxSize and maxEntries, and takes the one used longest ago', async () => {
  for (const limit of [{ maxSize: 10 * 20_480 }, { maxEntries: 10 }]) {
    await using dir = await tempDir()
    const store = new DiskStore({ path: dir.path, manager: { sleep: 1 }, ...limit })
    for (let i = 0; i < 10; i++) await write(store, `/${i}`, pattern(18_000, i))
    await alive(store.manage())
    assert.equal(store.stats().entries, 10)
    await read(store, '/0')
    const reading = await store.get(keyOf('/1'))
    assert.ok(reading !== undefined)
    await read(store, '/0')
    for (let i = 10; i < 19; i++) await write(store, `/${i}`, pattern(18_000, i))
    await eventually(() => store.stats().entries === 10, 'the manager has done its work')
    assert.ok(store.stats().bytes <= 10 * 20_480)
    await alive(store.manage())
    assert.equal(filesIn(dir.path).length, 10)
    assert.ok((await read(store, '/0'))?.equals(pattern(18_000, 0)))
    assert.equal(await read(store, '/1'), undefined)
    assert.ok((await bodyOf(reading.body)).equals(pattern(18_000, 1)))
    await store.close()
  }
})

test('minFree: entries go while the disk is too full, in rounds', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, minFree: Number.MAX_SAFE_INTEGER, manager: { files: 3, sleep: 1 } })
  for (let i = 0; i < 10; i++) await write(store, `/${i}`, 'body')
  await alive(store.manage())
  assert.deepEqual([store.stats().entries, filesIn(dir.path).length], [0, 0])
  await store.close()
})

test('temporary files of dead processes are removed, those of the living are not', async () => {
  await using dir = await tempDir()
  const name = 'a'.repeat(32)
  const long = new Date(Date.now() - 120_000)
  const make = (file: string, old: boolean): void => {
    writeFileSync(file, 'torn')
    if (old) utimesSync(file, long, long)
  }
  const store = new DiskStore({ path: dir.path, levels: '1', loader: { delay: 0 } })
  await write(store, '/a', 'body')
  await store.close()
  const dead = 4_194_305 // beyond the highest number that Linux gives
  make(dir.file(`temp/${name}.${dead}.0000000001`), true)
  make(dir.file(`temp/${name}.${dead}.0000000002`), false)
  make(dir.file(`temp/${name}.${process.pid}.0000000003`), true)
  make(dir.file(`temp/foreign.${dead}.0000000004`), true)
  const again = new DiskStore({ path: dir.path, levels: '1', loader: { delay: 0 } })
  await alive(again.loaded)
  const left = [`${name}.${dead}.0000000002`, `${name}.${process.pid}.0000000003`, `foreign.${dead}.0000000004`]
  assert.deepEqual(readdirSync(dir.file('temp')).sort(), left.sort())
  assert.equal((await read(again, '/a'))?.toString(), 'body')
  await again.close()
})

const oneFileSystem = !existsSync(SHM) || statSync(SHM).dev === statSync(tmpdir()).dev ? 'there is one file system' : false
test('from another file system an entry is copied, then named', { skip: oneFileSystem }, async () => {
  await using dir = await tempDir()
  const shm = join(SHM, `fst-${process.pid}`)
  const store = new DiskStore({ path: dir.path, levels: '1', useTempPath: shm })
  for (const size of [10, 300_000]) {
    await write(store, '/a', pattern(size, size))
    assert.ok((await read(store, '/a'))?.equals(pattern(size, size)))
  }
  assert.deepEqual(readdirSync(shm), [])
  assert.equal(filesIn(dir.path).length, 1)
  await store.close()
  rmSync(shm, { recursive: true })
})

test('a range reads its bytes and no others', { skip: !existsSync('/proc/self/io') ? 'no /proc/self/io' : false }, async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  const bytes = pattern(20_000_000, 1)
  await write(store, '/large', bytes)
  const readSoFar = (): number => Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'latin1'))?.[1])
  const before = readSoFar()
  for (let i = 0; i < 5; i++) {
    const found = i % 2 === 0 ? undefined : await store.get(keyOf('/large'))
    const part = await store.openRange(keyOf('/large'), 15_000_000, 15_000_999, found)
    assert.ok(Buffer.isBuffer(part) && part.equals(bytes.subarray(15_000_000, 15_001_000)))
  }
  assert.ok(readSoFar() - before < 500_000, `${readSoFar() - before} bytes read`)
  await store.close()
})

test('nothing stays open', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  await write(store, '/small', pattern(1000, 1))
  await write(store, '/large', pattern(200_000, 1))
  await assertNoGrowth(async () => {
    const found = await store.get(keyOf('/large'))
    if (found?.body instanceof Readable) found.body.destroy()
    await read(store, '/small')
    const half = await store.get(keyOf('/large'))
    if (half?.body instanceof Readable) for await (const chunk of half.body) if (chunk.length > 0) break
    const ranged = await store.get(keyOf('/large'))
    const part = await store.openRange(keyOf('/large'), 10, 150_000, ranged)
    if (part instanceof Readable) part.destroy()
    assert.equal(await store.openRange(keyOf('/large'), 10, 200_000, await store.get(keyOf('/large'))), undefined)
    assert.equal(await store.get(keyOf('/none')), undefined)
    const stream = store.createWriteStream(keyOf('/left'), valueOf())
    stream?.write(pattern(100_000, 2))
    stream?.destroy()
    await store.updateMeta(keyOf('/small'), valueOf())
  }, { rounds: 200, tempDirs: [dir.path] })
  await store.close()
})

test('a body that is destroyed is closed at once, read or not', { skip: !existsSync('/proc/self/fd') ? 'no /proc/self/fd' : false }, async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  await write(store, '/large', pattern(200_000, 1))
  const open = (): number => readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir.path)
    } catch {
      return false // the descriptor of the listing itself
    }
  }).length
  const held: Readable[] = []
  for (let i = 0; i < 20; i++) {
    const found = await store.get(keyOf('/large'))
    assert.ok(found?.body instanceof Readable)
    held.push(found.body)
  }
  assert.equal(open(), 20)
  for (const [index, body] of held.entries()) {
    // Some are destroyed while they are being read.
    if (index % 2 === 0) body.read()
    const closed = once(body, 'close')
    body.destroy()
    await closed
  }
  await eventually(() => open() === 0, 'all files are closed')
  // Held until now: it was not the collector that closed them.
  assert.equal(held.length, 20)
  await store.close()
})

test('a body that everybody has forgotten is closed', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path })
  await write(store, '/large', pattern(200_000, 1))
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  const before = resources()['fd file'] ?? 0
  const openFiles = (): number => (resources()['fd file'] ?? 0) - before
  await (async () => { for (let i = 0; i < 20; i++) await store.get(keyOf('/large')) })()
  await eventually(() => {
    if (typeof gc === 'function') gc()
    return openFiles() <= 1
  }, 'the files are closed')
  await store.close()
})

test('an entry that is placed while somebody looks for it stays counted', async () => {
  await using dir = await tempDir()
  const entryFiles = new EntryFiles(readDiskOptions({ path: dir.path }), Date.now)
  const key = keyOf('/a')
  const name = entryName(key)
  // The disk is asked, and before its answer is there the entry is.
  const lookup = entryFiles.find(key)
  entryFiles.index.add(name, 10, Date.now())
  assert.equal(await lookup, undefined)
  assert.ok(entryFiles.index.has(name))
  // One that is known and gone is not.
  assert.equal(await entryFiles.find(key), undefined)
  assert.ok(!entryFiles.index.has(name))
})

test('options that cannot be are refused', async () => {
  await using dir = await tempDir()
  writeFileSync(dir.file('file'), '')
  for (const options of [{ path: '' }, { path: dir.file('file/below') }, { path: dir.path, levels: '3' }, { path: dir.path, levels: '1:1:1:1' },
    { path: dir.path, inactive: 'never' }, { path: dir.path, maxSize: -1 }, { path: dir.path, loader: { sleep: 'x' } }]) {
    assert.throws(() => new DiskStore(options), { code: 'FST_SCGI_OPT_INVALID' }, JSON.stringify(options))
  }
})
