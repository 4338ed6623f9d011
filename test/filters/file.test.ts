// Which files are opened below a root, and which are not.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import { Root } from '../../lib/files/root.ts'
import { locateByPath, openFile, openUrlPath, OpenFile, type FileCallback, type FileError } from '../../lib/filters/file.ts'
import { assertNoGrowth } from '../helpers/resources.ts'
import { tempDir, type TempDir } from '../helpers/temp.ts'

function result (start: (done: FileCallback) => void): Promise<OpenFile | FileError> {
  return new Promise(resolve => start((error, file) => resolve(error === undefined ? file : error)))
}

const sendfile = (roots: readonly Root[], value: string) => result(done => openFile(roots, value, done))
const internal = (root: Root, path: string) => result(done => openUrlPath(root, path, done))

/** The content, or status and code. */
async function outcome (opened: Promise<OpenFile | FileError>): Promise<string> {
  const file = await opened
  if (!(file instanceof OpenFile)) return `${file.statusCode} ${file.code}`
  try {
    return await text(file.open())
  } finally {
    file.close()
  }
}

const NOT_FOUND = '404 FST_SCGI_FILE_NOT_FOUND'
const FORBIDDEN = '403 FST_SCGI_FILE_FORBIDDEN'

/** `files/` is the root, `files-secret/` its neighbour. */
async function tree (): Promise<TempDir> {
  const dir = await tempDir()
  mkdirSync(dir.file('files/sub'), { recursive: true })
  mkdirSync(dir.file('files-secret'))
  writeFileSync(dir.file('files/a.txt'), 'a')
  writeFileSync(dir.file('files/sub/b.txt'), 'b')
  writeFileSync(dir.file('files/100%25.txt'), 'percent')
  writeFileSync(dir.file('files/..name'), 'dots')
  writeFileSync(dir.file('files-secret/s.txt'), 'secret')
  symlinkSync('sub/b.txt', dir.file('files/inside'))
  symlinkSync('../files-secret/s.txt', dir.file('files/outside'))
  symlinkSync('../files-secret', dir.file('files/outside-dir'))
  symlinkSync(dir.file('files'), dir.file('alias'))
  symlinkSync('loop', dir.file('files/loop'))
  return dir
}

describe('sendfile', () => {
  test('relative and absolute values', async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('files')), new Root(dir.file('none'))]
    const long = 'x'.repeat(65_536)
    const expected: Array<[string, string]> = [
      ['a.txt', 'a'],
      ['./a.txt', 'a'],
      ['sub/b.txt', 'b'],
      ['sub//b.txt', 'b'],
      ['sub/../a.txt', 'a'],
      ['../files/a.txt', 'a'],
      ['..name', 'dots'],
      ['inside', 'b'],
      ['100%25.txt', 'percent'],
      ['%61.txt', NOT_FOUND],
      [dir.file('files/a.txt'), 'a'],
      [dir.file('files/sub/../a.txt'), 'a'],
      [dir.file('files-secret/../files/a.txt'), 'a'],
      [dir.file('alias/a.txt'), 'a'],
      ['', NOT_FOUND],
      ['.', NOT_FOUND],
      ['sub', NOT_FOUND],
      ['sub/', NOT_FOUND],
      ['a.txt/', NOT_FOUND],
      ['a.txt/x', NOT_FOUND],
      ['none', NOT_FOUND],
      ['sub/../none', NOT_FOUND],
      ['a.txt\0', NOT_FOUND],
      ['\0', NOT_FOUND],
      [long, NOT_FOUND],
      [`/${long}`, FORBIDDEN],
      [dir.file('files'), NOT_FOUND],
      [dir.file('files/'), NOT_FOUND],
      ['..', FORBIDDEN],
      ['../files-secret/s.txt', FORBIDDEN],
      ['../files-secret/none', FORBIDDEN],
      ['sub/../../files-secret/s.txt', FORBIDDEN],
      ['outside', FORBIDDEN],
      ['outside-dir/s.txt', FORBIDDEN],
      ['outside-dir/../files/none', NOT_FOUND],
      ['loop', FORBIDDEN],
      [dir.file('files-secret/s.txt'), FORBIDDEN],
      [dir.file('files/../files-secret/s.txt'), FORBIDDEN],
      [dir.file('files-secret/none'), FORBIDDEN],
      ['/etc/passwd', FORBIDDEN],
      ['/', FORBIDDEN],
    ]
    for (const [value, outcomeOf] of expected) assert.equal(await outcome(sendfile(roots, value)), outcomeOf, value.slice(0, 100))
  })

  test('an absolute value may lie below any root, a relative one is taken from the first', async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('files')), new Root(dir.file('files-secret'))]
    assert.equal(await outcome(sendfile(roots, dir.file('files-secret/s.txt'))), 'secret')
    assert.equal(await outcome(sendfile(roots, 's.txt')), NOT_FOUND)
    assert.equal(await outcome(sendfile(roots, 'outside')), FORBIDDEN)
    assert.equal(await outcome(sendfile([], 'a.txt')), FORBIDDEN)
    assert.equal(await outcome(sendfile([], dir.file('files/a.txt'))), FORBIDDEN)
  })

  test('the file system as root', async () => {
    await using dir = await tree()
    assert.equal(await outcome(sendfile([new Root('/')], dir.file('files/a.txt'))), 'a')
    assert.equal(await outcome(sendfile([new Root('/')], dir.file('files/a.txt').slice(1))), 'a')
  })

  test('a root that is a link, comes late, leads elsewhere later', async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('current'))]
    assert.equal(await outcome(sendfile(roots, 'a.txt')), NOT_FOUND)
    symlinkSync('files', dir.file('current'))
    assert.equal(await outcome(sendfile(roots, 'a.txt')), 'a')
    assert.equal(await outcome(sendfile(roots, dir.file('files/a.txt'))), 'a')
    rmSync(dir.file('current'))
    symlinkSync('files-secret', dir.file('current'))
    assert.equal(await outcome(sendfile(roots, 's.txt')), 'secret')
    assert.equal(await outcome(sendfile(roots, dir.file('files/a.txt'))), FORBIDDEN)
    rmSync(dir.file('current'))
    mkdirSync(dir.file('current'))
    writeFileSync(dir.file('current/c.txt'), 'c')
    assert.equal(await outcome(sendfile(roots, 'c.txt')), 'c')
    renameSync(dir.file('current'), dir.file('gone'))
    assert.equal(await outcome(sendfile(roots, 'c.txt')), NOT_FOUND)
  })

  test('a name in UTF-8, as a header brings it and as a string; a name that is no UTF-8', async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('files'))]
    writeFileSync(dir.file('files/\u00e9\u20ac.txt'), 'wide')
    assert.equal(await outcome(sendfile(roots, Buffer.from('\u00e9\u20ac.txt').toString('latin1'))), 'wide')
    assert.equal(await outcome(sendfile(roots, '\u00e9\u20ac.txt')), 'wide')
    writeFileSync(Buffer.from(`${dir.file('files')}/\xe9`, 'latin1'), 'latin')
    assert.equal(await outcome(sendfile(roots, '\xe9')), 'latin')
    mkdirSync(dir.file('w\u00fcrzel'))
    writeFileSync(dir.file('w\u00fcrzel/a'), 'umlaut')
    assert.equal(await outcome(sendfile([new Root(dir.file('w\u00fcrzel'))], 'a')), 'umlaut')
    assert.equal(await outcome(sendfile([new Root(dir.file('w\u00fcrzel'))], Buffer.from(dir.file('w\u00fcrzel/a')).toString('latin1'))), 'umlaut')
  })

  test('no regular file: FIFO, socket, device', async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('files'))]
    execFileSync('mkfifo', [dir.file('files/fifo')])
    assert.equal(await outcome(sendfile(roots, 'fifo')), NOT_FOUND)
    const server = createServer().listen(dir.file('files/socket'))
    await once(server, 'listening')
    assert.equal(await outcome(sendfile(roots, 'socket')), NOT_FOUND)
    server.close()
    assert.equal(await outcome(sendfile([new Root('/dev')], 'null')), NOT_FOUND)
    symlinkSync('/dev/zero', dir.file('files/zero'))
    assert.match(await outcome(sendfile(roots, 'zero')), /^40[34] /)
  })

  test('no permission is 403', { skip: process.getuid?.() === 0 ? false : 'for root only: it becomes another user' }, async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('files'))]
    chmodSync(dir.file('files/a.txt'), 0o600)
    mkdirSync(dir.file('files/closed'), { mode: 0o700 })
    writeFileSync(dir.file('files/closed/c.txt'), 'c')
    process.seteuid?.(65534)
    try {
      assert.equal(await outcome(sendfile(roots, 'a.txt')), FORBIDDEN)
      assert.equal(await outcome(sendfile(roots, 'closed/c.txt')), FORBIDDEN)
      assert.equal(await outcome(sendfile(roots, 'sub/b.txt')), 'b')
    } finally {
      process.seteuid?.(0)
    }
  })

  test('the message of an error is for the client, its cause for the operator', async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('files'))]
    for (const value of ['none', '../files-secret/s.txt', 'outside', 'sub', dir.file('files-secret/s.txt'), 'a\0b']) {
      const error = await sendfile(roots, value)
      assert.ok(error instanceof Error)
      assert.doesNotMatch(error.message, /files|none|sub|\//)
      assert.ok(error.cause instanceof Error)
      assert.match(error.cause.message, /^".*": \S/)
    }
    const error = await sendfile(roots, 'outside')
    assert.ok(error instanceof Error && error.cause instanceof Error)
    assert.equal(error.cause.message, `${JSON.stringify(dir.file('files/outside'))}: outside the root`)
  })

  test('out of the root leads no value', async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('files'))]
    const part = fc.constantFrom('..', '.', '', 'sub', 'a.txt', 'files', 'files-secret', 's.txt', 'outside-dir', 'outside', 'alias', dir.path)
    await fc.assert(fc.asyncProperty(fc.array(part, { maxLength: 8 }), async parts => {
      assert.notEqual(await outcome(sendfile(roots, parts.join('/'))), 'secret')
      assert.notEqual(await outcome(internal(roots[0] ?? new Root('/none'), parts.join('/'))), 'secret')
    }), { numRuns: 300 })
  })

  test('a link that is turned to and fro while files are opened', async () => {
    await using dir = await tree()
    const roots = [new Root(dir.file('files'))]
    const seen = new Set<string>()
    const turning = { on: true }
    const turn = (async () => {
      for (let n = 0; turning.on; n++) {
        symlinkSync(n % 2 === 0 ? 'a.txt' : '../files-secret/s.txt', dir.file('files/new'))
        renameSync(dir.file('files/new'), dir.file('files/turning'))
        await new Promise(resolve => setImmediate(resolve))
      }
    })()
    for (let n = 0; n < 500; n++) seen.add(await outcome(sendfile(roots, n % 3 === 0 ? 'sub/../turning' : 'turning')))
    turning.on = false
    await turn
    assert.deepEqual([...seen].filter(one => one !== 'a' && one !== FORBIDDEN && one !== NOT_FOUND), [])
    assert.ok(seen.has('a') && seen.has(FORBIDDEN))
  })
})

describe('a URL path below an internal location', () => {
  test('safe and unsafe paths', async () => {
    await using dir = await tree()
    const root = new Root(dir.file('files'))
    const expected: Array<[string, string]> = [
      ['a.txt', 'a'],
      ['/a.txt', 'a'],
      ['//sub//b.txt', 'b'],
      ['sub/./b.txt', 'b'],
      ['..name', 'dots'],
      ['inside', 'b'],
      ['100%25.txt', 'percent'],
      ['sub/../a.txt', NOT_FOUND],
      ['..', NOT_FOUND],
      ['../files-secret/s.txt', NOT_FOUND],
      ['sub/..', NOT_FOUND],
      ['sub%2fb.txt', NOT_FOUND],
      ['sub%2Fb.txt', NOT_FOUND],
      ['sub%5Cb.txt', NOT_FOUND],
      ['a.txt\0', NOT_FOUND],
      ['', NOT_FOUND],
      ['sub/', NOT_FOUND],
      ['a.txt/', NOT_FOUND],
      ['none', NOT_FOUND],
      ['x'.repeat(65_536), NOT_FOUND],
      ['outside', FORBIDDEN],
      [dir.file('files-secret/s.txt'), NOT_FOUND],
    ]
    for (const [path, outcomeOf] of expected) assert.equal(await outcome(internal(root, path)), outcomeOf, path.slice(0, 100))
  })
})

test('what a reply says of a file', async () => {
  await using dir = await tempDir()
  const root = new Root(dir.path)
  const types = {
    'a.html': 'text/html',
    'B.PNG': 'image/png',
    'a.tar.gz': 'application/gzip',
    none: 'application/octet-stream',
    'a.what?': 'application/octet-stream',
  }
  for (const [name, type] of Object.entries(types)) {
    writeFileSync(dir.file(name), 'x'.repeat(300))
    utimesSync(dir.file(name), 1_700_000_000.9, 1_700_000_000.9)
    const file = await internal(root, name)
    assert.ok(file instanceof OpenFile)
    assert.deepEqual([file.size, file.etag, file.lastModified, file.type], [300, '"6553f100-12c"', 'Tue, 14 Nov 2023 22:13:20 GMT', type], name)
    file.close()
  }
})

test('where there is no /proc: the path leads to the very file that is open', async () => {
  await using dir = await tree()
  const located = (fd: number, path: string): Promise<string | undefined> => new Promise(resolve => {
    locateByPath(fd, path, (_error, real) => resolve(real))
  })
  const fd = openSync(dir.file('files/a.txt'), 'r')
  assert.equal(await located(fd, dir.file('alias/a.txt')), dir.file('files/a.txt'))
  assert.equal(await located(fd, dir.file('files/sub/b.txt')), undefined)
  assert.equal(await located(fd, dir.file('files/none')), undefined)
  writeFileSync(dir.file('files/new'), 'another')
  renameSync(dir.file('files/new'), dir.file('files/a.txt'))
  assert.equal(await located(fd, dir.file('files/a.txt')), undefined)
  closeSync(fd)
})

test('no descriptor is left, whatever was asked for', { skip: existsSync('/proc/self/fd') ? false : 'counts in /proc' }, async () => {
  await using dir = await tree()
  const roots = [new Root(dir.file('files'))]
  const values = ['a.txt', 'none', 'outside', 'sub', '../files-secret/s.txt', 'sub/../a.txt', '/etc/passwd', 'loop']
  await assertNoGrowth(async n => { await outcome(sendfile(roots, values[n % values.length] ?? '')) })
})
