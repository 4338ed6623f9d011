// A reply becomes a file: whole or not at all, below its root, with its rights and its time.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync,
  writeFileSync,
} from 'node:fs'
import { describe, test } from 'node:test'
import { compileStore, type MirrorFile, type StoreOptions } from '../../lib/mirror/store.ts'
import { Directory, openDirectory } from '../../lib/mirror/store-directory.ts'
import { eventually } from '../gateway/kit.ts'
import { assertNoGrowth } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'

const ROOT_USER = { skip: process.getuid?.() === 0 ? false : 'for root only' }

type Options = Omit<StoreOptions<undefined>, 'root'> & { tempPath?: string, lastModified?: string }

function begin (root: string, path: string, { tempPath, lastModified, ...options }: Options = {}): MirrorFile {
  const headers = lastModified === undefined ? {} : { 'last-modified': lastModified }
  const file = compileStore<undefined>({ root, ...options }, tempPath).begin(undefined, path, { statusCode: 200, headers })
  assert.ok(file !== undefined)
  return file
}

function write (file: MirrorFile, chunk: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => file.write(Buffer.from(chunk), error => error === undefined ? resolve() : reject(error)))
}

function commit (file: MirrorFile, length = -1): Promise<void> {
  return new Promise((resolve, reject) => file.commit(length, error => error === undefined ? resolve() : reject(error)))
}

async function store (root: string, path: string, content: Buffer | string, options?: Options): Promise<void> {
  const file = begin(root, path, options)
  await write(file, content)
  await commit(file)
}

/** Every file and directory below, sorted. */
const tree = (root: string): string[] => readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8)

describe('a complete reply', () => {
  test('is written piece by piece, and is there after the commit, not before', async () => {
    await using dir = await tempDir()
    const root = dir.file('root')
    const bytes = randomBytes(700_001)
    const file = begin(root, '/a/b/c.bin')
    const written: number[] = []
    // Without waiting, too: the order counts.
    for (let at = 0; at < 600_000; at += 50_000) file.write(bytes.subarray(at, at + 50_000), () => written.push(at))
    assert.equal(file.queued, 600_000)
    await write(file, bytes.subarray(600_000))
    assert.deepEqual(written, Array.from({ length: 12 }, (_, i) => i * 50_000))
    assert.deepEqual([file.length, file.queued], [700_001, 0])
    assert.equal(tree(root).length, 1)
    assert.match(tree(root)[0] ?? '', /^\.scgi-store-\d+-\d+-\d+-\d{10}$/)
    await commit(file, 700_001)
    assert.deepEqual(tree(root), ['a', 'a/b', 'a/b/c.bin'])
    assert.deepEqual(readFileSync(dir.file('root/a/b/c.bin')), bytes)
  })

  test('without a byte is an empty file; an older file is replaced, a link at its place too', async () => {
    await using dir = await tempDir()
    await commit(begin(dir.path, '/empty'), 0)
    assert.equal(statSync(dir.file('empty')).size, 0)
    await store(dir.path, '/empty', 'new')
    assert.equal(readFileSync(dir.file('empty'), 'utf8'), 'new')
    writeFileSync(dir.file('other'), 'other')
    symlinkSync('other', dir.file('link'))
    await store(dir.path, '/link', 'mine')
    assert.equal(readFileSync(dir.file('other'), 'utf8'), 'other')
    assert.equal(lstatSync(dir.file('link')).isSymbolicLink(), false)
    assert.equal(readFileSync(dir.file('link'), 'utf8'), 'mine')
  })

  test('rights of files and directories, whatever the umask', async () => {
    await using dir = await tempDir()
    const before = process.umask()
    const rights: Array<[Options['access'], string, string]> = [
      [undefined, '600', '700'], ['user:rw group:r all:r', '644', '755'], ['group:rw', '660', '770'], ['all:r', '604', '705'], ['user:r', '400', '700'],
      [0o640, '640', '750'], ['0664', '664', '775'], ['444', '444', '755'],
    ]
    try {
      for (const umask of [0o000, 0o027, 0o077]) {
        process.umask(umask)
        for (const [i, [access, file, directory]] of rights.entries()) {
          const name = `${umask}-${i}`
          await store(dir.file(`${name}/root`), '/a/b/f', 'x', access === undefined ? {} : { access })
          assert.equal(mode(dir.file(`${name}/root/a/b/f`)), file, String(access))
          for (const made of ['', '/root', '/root/a', '/root/a/b']) assert.equal(mode(dir.file(`${name}${made}`)), directory, `${access} ${made}`)
        }
      }
      // One that was there before is its owner's; the group of one above goes on.
      mkdirSync(dir.file('own'))
      chmodSync(dir.file('own'), 0o2700)
      await store(dir.file('own'), '/a/f', 'x', { access: 'all:r' })
      assert.deepEqual([mode(dir.file('own')), mode(dir.file('own/a'))], ['2700', '2705'])
    } finally {
      process.umask(before)
    }
  })

  test('the time of Last-Modified, where it is a date', async () => {
    await using dir = await tempDir()
    await store(dir.path, '/dated', 'x', { lastModified: 'Tue, 14 Nov 2023 22:13:20 GMT' })
    assert.equal(statSync(dir.file('dated')).mtimeMs, 1_700_000_000_000)
    await store(dir.path, '/undated', 'x', { lastModified: '5' })
    assert.ok(Math.abs(statSync(dir.file('undated')).mtimeMs - Date.now()) < 60_000)
  })

  test('names of bytes', async () => {
    await using dir = await tempDir()
    await store(dir.path, '/\xe9/\xff', 'bytes')
    assert.equal(readFileSync(Buffer.from(`${dir.path}/\xe9/\xff`, 'latin1'), 'utf8'), 'bytes')
    await store(dir.file('w\u00fcrzel'), Buffer.from('/\u20ac').toString('latin1'), 'euro')
    assert.equal(readFileSync(dir.file('w\u00fcrzel/\u20ac'), 'utf8'), 'euro')
  })

  test('of several to one path the last one that is complete is there, and never a mixture', async () => {
    await using dir = await tempDir()
    const contents = Array.from({ length: 8 }, (_, i) => Buffer.alloc(200_000, String(i)))
    const seen: Buffer[] = []
    for (let round = 0; round < 10; round++) {
      const files = contents.map(() => begin(dir.path, '/deep/er/f'))
      await Promise.all(contents.map((content, i) => write(files[i] ?? begin(dir.path, '/none'), content)))
      await Promise.all(files.map(async file => {
        await commit(file)
        seen.push(readFileSync(dir.file('deep/er/f')))
      }))
      await commit(await (async () => {
        const last = begin(dir.path, '/deep/er/f')
        await write(last, `last ${round}`)
        return last
      })())
      assert.equal(readFileSync(dir.file('deep/er/f'), 'utf8'), `last ${round}`)
    }
    for (const content of seen) assert.ok(contents.some(one => one.equals(content)))
    assert.deepEqual(tree(dir.path), ['deep', 'deep/er', 'deep/er/f'])
  })
})

describe('what is never stored', () => {
  test('another length than announced', async () => {
    await using dir = await tempDir()
    for (const [content, length] of [['short', 6], ['long', 3], ['', 1]] as const) {
      const file = begin(dir.path, '/f')
      const results: Array<string | undefined> = []
      file.write(Buffer.from(content), error => results.push(error?.message))
      await assert.rejects(commit(file, length), { code: 'FST_SCGI_STORE', message: new RegExp(`'f': .*incomplete: ${content.length} of ${length} bytes`) })
      await eventually(() => results.length === 1 && tree(dir.path).length === 0, 'every write is answered and nothing is left')
    }
  })

  test('an aborted reply, at whatever moment', { timeout: 60_000 }, async () => {
    await using dir = await tempDir()
    await assertNoGrowth(async n => {
      const file = begin(dir.path, `/${n % 3}/f`)
      const chunk = Buffer.alloc(1000)
      let called = false
      if (n % 5 === 1) file.write(chunk, () => { called = true })
      if (n % 5 === 2) file.write(chunk, () => { file.abort() })
      if (n % 5 >= 3) await write(file, chunk)
      if (n % 5 === 4) {
        file.commit(1000, () => { called = true })
        for (let turn = n % 11; turn > 0; turn--) await new Promise(resolve => setImmediate(resolve))
        const stored = called
        file.abort()
        if (!stored) called = false
      } else if (n % 5 !== 2) {
        file.abort()
      }
      file.abort()
      file.write(chunk, () => { called = n % 5 !== 4 })
      file.commit(0, () => { called = n % 5 !== 4 })
      await new Promise(resolve => setImmediate(resolve))
      assert.equal(called && n % 5 !== 4, false)
    }, { tempDirs: [], rounds: 1000 })
    await eventually(() => !tree(dir.path).some(name => name.includes('.scgi-store-')), 'no temporary file is left')
    for (const name of tree(dir.path)) assert.ok(/^\d$/.test(name) || statSync(dir.file(name)).size === 1000, name)
  })
})

describe('what stands in the way', () => {
  const failures: Array<[what: string, code: string, prepare: (root: string) => void, path: string]> = [
    ['a directory at the place of the file', 'EISDIR', root => mkdirSync(`${root}/d`), '/d'],
    ['a directory with something in it', 'EISDIR', root => mkdirSync(`${root}/d/e`, { recursive: true }), '/d'],
    ['a file where a directory is needed', 'ENOTDIR', root => writeFileSync(`${root}/f`, ''), '/f/a'],
    ['a file where a directory is needed, further down', 'ENOTDIR', root => writeFileSync(`${root}/f`, ''), '/f/a/b'],
    ['a symbolic link out of the root', 'ENOTDIR|ELOOP', root => symlinkSync('..', `${root}/l`), '/l/a'],
    ['a symbolic link within the root', 'ENOTDIR|ELOOP', root => {
      mkdirSync(`${root}/d`)
      symlinkSync('d', `${root}/l`)
    }, '/l/b/a'],
    ['a link to nowhere', 'ENOTDIR|ELOOP', root => symlinkSync('none', `${root}/l`), '/l/a'],
    ['a name that is too long', 'ENAMETOOLONG', () => {}, `/${'x'.repeat(256)}`],
    ['a directory with too long a name', 'ENAMETOOLONG', () => {}, `/${'x'.repeat(65_536)}/a`],
  ]
  for (const [what, code, prepare, path] of failures) {
    test(what, async () => {
      await using dir = await tempDir()
      const root = dir.file('root')
      mkdirSync(root)
      prepare(root)
      const before = tree(dir.path)
      const file = begin(root, path)
      await write(file, 'x')
      await assert.rejects(commit(file, 1), { code: 'FST_SCGI_STORE', message: new RegExp(`${path.slice(1, 20)}.*: (?:${code})$`) })
      await assert.rejects(write(file, 'x'), { code: 'FST_SCGI_STORE' })
      await assert.rejects(commit(file), { code: 'FST_SCGI_STORE' })
      await eventually(() => tree(dir.path).join() === before.join(), 'nothing is left')
    })
  }

  test('no permission', ROOT_USER, async () => {
    await using dir = await tempDir()
    mkdirSync(dir.file('closed'), { mode: 0o755 })
    chmodSync(dir.path, 0o755)
    process.seteuid?.(65534)
    try {
      const file = begin(dir.file('closed'), '/f')
      await assert.rejects(write(file, 'x'), { code: 'FST_SCGI_STORE', message: /'f': EACCES$/ })
      await assert.rejects(commit(begin(dir.file('missing'), '/f')), { code: 'FST_SCGI_STORE', message: /EACCES$/ })
    } finally {
      process.seteuid?.(0)
    }
    assert.deepEqual(tree(dir.path), ['closed'])
  })

  test('the root is a file; a root that is a link is followed', async () => {
    await using dir = await tempDir()
    writeFileSync(dir.file('file'), '')
    await assert.rejects(store(dir.file('file'), '/a', 'x'), { code: 'FST_SCGI_STORE', message: /ENOTDIR$/ })
    mkdirSync(dir.file('real'))
    symlinkSync('real', dir.file('link'))
    await store(dir.file('link'), '/a/b', 'x')
    assert.equal(readFileSync(dir.file('real/a/b'), 'utf8'), 'x')
  })

  test('a directory that is exchanged for a link on the way leads nobody out', async () => {
    await using dir = await tempDir()
    mkdirSync(dir.file('root/a'), { recursive: true })
    mkdirSync(dir.file('out'))
    const seen: string[] = []
    for (let round = 0; round < 100; round++) {
      const file = begin(dir.file('root'), '/a/f')
      await write(file, 'x')
      const done = commit(file).catch((error: Error) => { seen.push(error.message) })
      for (let turn = round % 10; turn > 0; turn--) await new Promise(resolve => setImmediate(resolve))
      renameSync(dir.file('root/a'), dir.file('root/moved'))
      symlinkSync('../out', dir.file('root/a'))
      await done
      unlinkSync(dir.file('root/a'))
      renameSync(dir.file('root/moved'), dir.file('root/a'))
      assert.deepEqual(tree(dir.file('out')), [])
      rmSync(dir.file('root/a/f'), { force: true })
    }
    for (const message of seen) assert.match(message, /(?:ENOTDIR|ELOOP)$/)
  })
})

test('a directory that is held open stays the one that it was', { skip: existsSync('/proc/self/fd') ? false : 'by its path elsewhere' }, async () => {
  await using dir = await tempDir()
  mkdirSync(dir.file('out'))
  const directory = await openDirectory(dir.path, ['a', 'b'], 0o700)
  assert.ok(directory instanceof Directory)
  renameSync(dir.file('a/b'), dir.file('a/c'))
  symlinkSync('../out', dir.file('a/b'))
  writeFileSync(directory.entry('f'), '')
  await directory.close()
  assert.deepEqual([tree(dir.file('out')), tree(dir.file('a/c'))], [[], ['f']])
})

test('a temporary directory of its own, on the same file system', async () => {
  await using dir = await tempDir()
  mkdirSync(dir.file('temp'))
  const file = begin(dir.file('root'), '/f', { tempPath: dir.file('temp') })
  await write(file, 'x')
  assert.deepEqual([tree(dir.file('temp')).length, existsSync(dir.file('root'))], [1, false])
  await commit(file)
  assert.deepEqual([tree(dir.file('temp')), tree(dir.file('root'))], [[], ['f']])
  await store(dir.file('root'), '/g', 'x', { tempPath: dir.file('made') })
  assert.deepEqual([tree(dir.file('made')), tree(dir.file('root'))], [[], ['f', 'g']])
  await assert.rejects(store(dir.file('root'), '/f', 'x', { tempPath: dir.file('none/none') }), { code: 'FST_SCGI_STORE', message: /ENOENT$/ })
})

/** A file system of so many kilobytes on `path`; undefined where this user may mount nothing. */
function mountTmpfs (path: string, kilobytes: number): Disposable | undefined {
  mkdirSync(path, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=777`, 'none', path], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  return { [Symbol.dispose]: () => { execFileSync('umount', ['-l', path]) } }
}

test('a temporary directory on another file system', async t => {
  await using dir = await tempDir()
  using mounted = mountTmpfs(dir.file('temp'), 16_384)
  if (mounted === undefined) {
    t.skip('may not mount')
    return
  }
  const options = { tempPath: dir.file('temp'), access: 'group:r', lastModified: 'Tue, 14 Nov 2023 22:13:20 GMT' }
  const root = dir.file('root')
  const bytes = randomBytes(900_001)
  await store(root, '/a/f', bytes, options)
  assert.deepEqual(readFileSync(dir.file('root/a/f')), bytes)
  assert.deepEqual([mode(dir.file('root/a/f')), statSync(dir.file('root/a/f')).mtimeMs], ['640', 1_700_000_000_000])
  await Promise.all(Array.from({ length: 5 }, () => store(root, '/a/f', bytes, options)))
  mkdirSync(dir.file('root/a/d'))
  await assert.rejects(store(root, '/a/d', 'x', options), { code: 'FST_SCGI_STORE', message: /EISDIR$/ })
  // With the ten digits the name is too long, and that is said, not worked around.
  await assert.rejects(store(root, `/${'x'.repeat(250)}`, 'x', options), { code: 'FST_SCGI_STORE', message: /ENAMETOOLONG$/ })
  await eventually(() => tree(dir.file('temp')).length === 0, 'nothing is left')
  assert.deepEqual(tree(root), ['a', 'a/d', 'a/f'])
})

test('a disk that is full', async t => {
  await using dir = await tempDir()
  using mounted = mountTmpfs(dir.file('full'), 64)
  if (mounted === undefined) {
    t.skip('may not mount')
    return
  }
  const expected = { code: 'FST_SCGI_STORE', message: /'f': ENOSPC$/ }
  await assert.rejects(store(dir.file('full'), '/f', Buffer.alloc(100_000)), expected)
  await eventually(() => tree(dir.file('full')).length === 0, 'nothing is left')
  // Full when it is copied to its place.
  await assert.rejects(store(dir.file('full'), '/f', Buffer.alloc(100_000), { tempPath: dir.path }), expected)
  await eventually(() => tree(dir.path).join() === 'full', 'nothing is left')
  await store(dir.file('full'), '/f', 'x')
})

test('1,000 stored, failed and replaced: no descriptor and no file is left', async () => {
  await using dir = await tempDir()
  writeFileSync(dir.file('file'), '')
  await assertNoGrowth(async n => {
    const attempt = store(dir.path, n % 2 === 0 ? `/d/${n % 7}` : '/file/x', 'x')
    await (n % 2 === 0 ? attempt : assert.rejects(attempt))
  }, { tempDirs: [] })
  await eventually(() => !tree(dir.path).some(name => name.startsWith('.scgi')), 'no temporary file is left')
})
