// Files without a name: where they are made, and what happens where that fails.
import fs from 'node:fs'
import assert from 'node:assert/strict'
import { closeSync, existsSync, fstatSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { levelDirectories, openTempFile, tempFileError, type TempPlace } from '../../lib/files/temp-file.ts'
import { fsError, mockFs } from '../helpers/mock-fs.ts'
import { resources } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually } from '../gateway/kit.ts'

function open (path: string | undefined, options: Partial<TempPlace> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    openTempFile({ path, make: false, levels: [], ...options }, (error, fd) => error === null ? resolve(fd) : reject(error))
  })
}

/** Runs `action` and gives the paths that were to be opened, in order. */
async function opened (action: () => Promise<unknown>): Promise<string[]> {
  const paths: string[] = []
  const { open: original } = fs
  using mocked = mockFs({
    open (path: string, ...rest: [never, never, never]) {
      paths.push(path)
      original(path, ...rest)
    },
  })
  await action()
  assert.equal(mocked.calls, paths.length)
  return paths
}

test('levels are taken from the end of the name', () => {
  assert.deepEqual(levelDirectories('0000000011', []), [])
  assert.deepEqual(levelDirectories('0000000011', [1, 2]), ['1', '01'])
  assert.deepEqual(levelDirectories('1234567890', [2]), ['90'])
  assert.deepEqual(levelDirectories('1234567890', [1, 2, 3]), ['0', '89', '567'])
  assert.deepEqual(levelDirectories('1234567890', [3, 3, 3]), ['890', '567', '234'])
})

test('a file is new, for us alone, and has no name', async () => {
  await using dir = await tempDir()
  const fd = await open(dir.path)
  const { mode, nlink } = fstatSync(fd)
  assert.deepEqual([mode & 0o777, nlink, readdirSync(dir.path)], [0o600, 0, []])
  closeSync(fd)
})

test('the name is a number of ten digits that goes up; directories are made with mode 0700', async () => {
  await using dir = await tempDir()
  const root = dir.file('made')
  const paths = await opened(async () => {
    for (let i = 0; i < 12; i++) closeSync(await open(root, { make: true, levels: [1, 2] }))
  })
  const names = [...new Set(paths)]
  assert.equal(names.length, 12)
  let last = -1
  for (const path of names) {
    const name = path.slice(-10)
    assert.match(name, /^\d{10}$/)
    assert.equal(path, join(root, name.slice(-1), name.slice(-3, -1), basename(path)))
    assert.match(basename(path), /^fastify-scgi-\d+-\d+-\d+-\d{10}$/)
    assert.ok(last === -1 || Number(name) === last + 1)
    last = Number(name)
    for (const directory of [root, join(root, name.slice(-1)), join(root, name.slice(-1), name.slice(-3, -1))]) {
      assert.equal(statSync(directory).mode & 0o777, 0o700)
    }
  }
})

test('only what is to be made is made', async () => {
  await using dir = await tempDir()
  await assert.rejects(open(dir.file('none')), { code: 'ENOENT' })
  await assert.rejects(open(dir.file('none'), { levels: [1] }), { code: 'ENOENT' })
  await assert.rejects(open(dir.file('none/below'), { make: true, levels: [1] }), { code: 'ENOENT' })
  assert.equal(existsSync(dir.file('none')), false)
})

test('what is in the way is told', async () => {
  await using dir = await tempDir()
  const path = dir.file('file')
  writeFileSync(path, '')
  for (const levels of [[], [1, 2]]) await assert.rejects(open(path, { make: true, levels }), { code: 'ENOTDIR' })
})

test('a name that is taken: another one, and not for ever', async () => {
  await using dir = await tempDir()
  const { open: original } = fs
  const names: string[] = []
  let taken = 3
  using mocked = mockFs({
    open (path: string, flags: string, mode: number, done: (error: Error | null, fd: number) => void) {
      names.push(path.slice(-10))
      if (taken-- > 0) process.nextTick(done, fsError('EEXIST'))
      else original(path, flags, mode, done)
    },
  })
  closeSync(await open(dir.path))
  assert.equal(new Set(names).size, 4)
  assert.ok(names.every(name => /^\d{10}$/.test(name)))
  taken = Infinity
  await assert.rejects(open(dir.path), { code: 'EEXIST' })
  assert.equal(mocked.calls, names.length)
})

test('a name that cannot be taken away: the file is closed', async () => {
  await using dir = await tempDir()
  using mocked = mockFs({ unlink: (_path: string, done: (error: Error) => void) => process.nextTick(done, fsError('EPERM')) })
  const before = resources()['fd file'] ?? 0
  await assert.rejects(open(dir.path), { code: 'EPERM' })
  assert.equal(mocked.calls, 1)
  await eventually(() => (resources()['fd file'] ?? 0) === before, 'it is closed')
})

test('our own directory comes back when a cleaner has taken it', async () => {
  let [path = ''] = await opened(async () => closeSync(await open(undefined)))
  for (let i = 0; i < 2; i++) {
    const directory = join(path, '..')
    assert.equal(statSync(directory).mode & 0o777, 0o700)
    fs.rmdirSync(directory)
    const paths = await opened(async () => closeSync(await open(undefined)))
    assert.equal(paths.length, 2)
    path = paths[1] ?? ''
    assert.notEqual(join(path, '..'), directory)
  }
})

test('the error names the code, the directory and the cause', () => {
  const cause = fsError('ENOSPC')
  const error = tempFileError(cause, { path: '/some/where', make: true, levels: [1] })
  assert.deepEqual([error.message, error.cause], ['Buffering in a temporary file failed: ENOSPC in /some/where', cause])
})
