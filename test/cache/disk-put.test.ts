// Short entries that the disk store takes at once, and those for which it needs time.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { mock, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { entryDirectory, entryName, secondName } from '../../lib/cache/stores/disk/names.ts'
import { keyBytes, keyText } from '../../lib/cache/stores/key.ts'
import { TestGateway } from './kit.ts'
import { mockFs } from '../helpers/mock-fs.ts'
import { tempDir, type TempDir } from '../helpers/temp.ts'
import { keyOf, read, valueOf, write } from './store-kit.ts'

const NAME = entryName(keyOf('/a'))
const SECOND = secondName(keyBytes(keyText(keyOf('/a'))), 'GET')

// However busy this machine is, the disk is quick.
mock.method(performance, 'now', () => 0)

function put (store: DiskStore, text: string, tempPath?: string, changes = {}): boolean | 'later' {
  // In pieces, as it comes.
  const body = [Buffer.from(text.slice(0, 1)), Buffer.from(text.slice(1))]
  return store.put(keyOf('/a'), valueOf(changes), body, text.length, tempPath)
}

async function files (dir: TempDir): Promise<string[]> {
  const found = await readdir(dir.path, { recursive: true, withFileTypes: true })
  return found.filter(file => file.isFile()).map(({ name }) => name)
}

function pathOf (dir: TempDir, name: string): string {
  return `${entryDirectory(dir.path, [1, 2], name)}/${name}`
}

test('a short entry is on the disk when the call ends, and the file is what a stream would have written', async () => {
  for (const useTempPath of [true, false]) {
    await using dir = await tempDir()
    const store = new DiskStore({ path: dir.path, levels: '1:2', useTempPath })
    assert.equal(store.isAbsent(keyOf('/a')), true)
    const value = { headers: { 'x-a': ['1', '2'] }, cachedAt: 1, staleAt: Date.now() + 9e5, deleteAt: Date.now() + 9e5 }
    assert.equal(put(store, 'hello', undefined, value), true)
    assert.equal(store.isAbsent(keyOf('/a')), false)
    assert.deepEqual(await files(dir), [NAME])
    assert.deepEqual(store.stats(), { entries: 1, bytes: 4096 })
    const at = await readFile(pathOf(dir, NAME))
    assert.equal(String(await read(store, '/a')), 'hello')
    // Again, the other way.
    await write(store, '/a', 'hello', value)
    await nextTurn()
    const streamed = await readFile(pathOf(dir, NAME))
    for (const bytes of [at, streamed]) bytes.fill(0, 36, 60)
    assert.ok(at.equals(streamed))
    assert.equal(put(store, 'world'), true, 'in the place of another')
    const other = new DiskStore({ path: dir.path, levels: '1:2' })
    assert.equal(String(await read(other, '/a')), 'world')
    assert.deepEqual(await files(dir), [NAME])
    await other.close()
    await store.close()
    assert.equal(put(store, 'late'), false)
  }
})

test('what a store does not want it refuses', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, maxSize: 1024, maxEntrySize: 500 })
  assert.equal(store.putLimit, 500)
  assert.equal(put(store, 'x'.repeat(501)), false)
  assert.equal(put(store, 'x'.repeat(300)), false, 'with its head it is too large')
  assert.deepEqual(await files(dir), [])
  await store.close()
})

test('it needs time where there is more to be done, and leaves nothing behind', async () => {
  const cases: Record<string, (store: DiskStore, dir: TempDir) => Promise<object> | object> = {
    'the reply varies': () => ({ vary: { accept: 'a' } }),
    'a file of another program has the name': async (_store, dir) => {
      await mkdir(entryDirectory(dir.path, [1, 2], NAME), { recursive: true })
      await writeFile(pathOf(dir, NAME), 'foreign')
      return {}
    },
    'an entry of another store has the name': async (_store, dir) => {
      const other = new DiskStore({ path: dir.path, levels: '1:2' })
      await write(other, '/a', 'old')
      await other.close()
      return {}
    },
    'an entry may have the second name': async (_store, dir) => {
      await mkdir(entryDirectory(dir.path, [1, 2], SECOND), { recursive: true })
      await writeFile(pathOf(dir, SECOND), 'x')
      return {}
    },
    'a large one gives its place': async store => {
      await write(store, '/a', Buffer.alloc(200_000))
      return {}
    },
    'another is being committed': store => {
      const stream = store.createWriteStream(keyOf('/a'), valueOf())
      stream?.end('first')
      return {}
    },
    'a directory is missing that cannot be made': async (_store, dir) => {
      await rm(dir.file('temp'), { recursive: true })
      await writeFile(dir.file('temp'), '')
      return {}
    },
    'the entry\'s directory cannot be made': async (_store, dir) => {
      await writeFile(dir.file(NAME.slice(-1)), '')
      return {}
    },
  }
  for (const [what, prepare] of Object.entries(cases)) {
    await using dir = await tempDir()
    const store = new DiskStore({ path: dir.path, levels: '1:2' })
    const changes = await prepare(store, dir)
    const before = await files(dir)
    assert.equal(put(store, 'new', undefined, changes), 'later', what)
    assert.deepEqual((await files(dir)).filter(name => name.includes('.') && !before.includes(name)), [], what)
    await store.close()
  }
})

test('missing directories are made, and those of the mount are used', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, levels: '1:2' })
  await rm(dir.file('temp'), { recursive: true })
  assert.equal(put(store, 'one'), true)
  assert.equal(put(store, 'two', dir.file('mine')), true)
  assert.deepEqual((await readdir(dir.path)).sort(), [NAME.slice(-1), 'mine', 'temp'].sort())
  assert.equal(String(await read(store, '/a')), 'two')
  await store.close()
})

test('a request gets what the store has taken as a stream, where it could not at once', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, levels: '1:2', now: () => 0 })
  await using gateway = Object.assign(new TestGateway({
    store,
    skills: { putter: store, tempWriter: store, absenceTeller: store },
    app: () => ({ headers: { 'content-length': '4', vary: 'accept' }, body: 'body' }),
  }), { async [Symbol.asyncDispose] () { await gateway.close() } })
  const one = await gateway.line()
  // Who asks now waits for the commit.
  const two = gateway.begin().outcome
  assert.equal(one, 'MISS 200 body')
  const { cacheStatus, body } = await two
  assert.deepEqual([cacheStatus, body, gateway.fetches], ['HIT', 'body', 1])
  assert.deepEqual(gateway.warnings, [])
})

test('a lookup of what is not there asks the thread pool for nothing', async () => {
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, levels: '1:2', now: () => 0 })
  await using gateway = Object.assign(new TestGateway({
    store,
    skills: { putter: store, tempWriter: store, absenceTeller: store },
    app: () => ({ headers: { 'content-length': '4' }, body: 'body' }),
  }), { async [Symbol.asyncDispose] () { await gateway.close() } })
  {
    using fs = mockFs({ open: () => {}, writev: () => {}, close: () => {} })
    assert.equal(await gateway.line(), 'MISS 200 body')
    assert.equal(fs.calls, 0)
  }
  assert.equal(await gateway.line(), 'HIT 200 body')
})

test('what takes a name while the application is asked is not lost', async () => {
  const foreign = async (dir: TempDir): Promise<void> => {
    await mkdir(entryDirectory(dir.path, [1, 2], NAME), { recursive: true })
    await writeFile(pathOf(dir, NAME), 'foreign')
  }
  const neighbour = async (dir: TempDir): Promise<void> => {
    const other = new DiskStore({ path: dir.path, levels: '1:2' })
    await write(other, '/a', 'theirs')
    await other.close()
  }
  for (const takeName of [foreign, neighbour]) {
    await using dir = await tempDir()
    const store = new DiskStore({ path: dir.path, levels: '1:2' })
    const key = keyOf('/a')
    assert.equal(store.isAbsent(key), true)
    await takeName(dir)
    const before = await readFile(pathOf(dir, NAME))
    assert.equal(store.put(key, valueOf(), [Buffer.from('new')], 3), 'later', takeName.name)
    assert.deepEqual(await readFile(pathOf(dir, NAME)), before, takeName.name)
    await store.close()
  }
  await using dir = await tempDir()
  const store = new DiskStore({ path: dir.path, levels: '1:2' })
  const key = keyOf('/a')
  assert.equal(store.isAbsent(key), true)
  assert.equal(store.put(key, valueOf(), [Buffer.from('new')], 3), true, 'nothing has taken it')
  assert.equal(String(await read(store, '/a')), 'new')
  await store.close()
})
