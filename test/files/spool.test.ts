// Bytes in memory and in a file without a name.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs, { closeSync, openSync, readdirSync, writeSync } from 'node:fs'
import { test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { Spool } from '../../lib/files/spool.ts'
import { fsError, mockFs } from '../helpers/mock-fs.ts'
import { resources } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually } from '../gateway/kit.ts'

const unlinked = (): number => resources()['fd unlinked file'] ?? 0

function write (spool: Spool, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => spool.write(chunk, error => error === undefined ? resolve() : reject(error)))
}

function end (spool: Spool): Promise<void> {
  return new Promise((resolve, reject) => spool.end(error => error === undefined ? resolve() : reject(error)))
}

async function content (spool: Spool): Promise<Buffer> {
  const read = spool.read()
  return Buffer.isBuffer(read) ? read : buffer(read)
}

test('up to the limit in memory, then all of it in one unlinked file', async () => {
  await using dir = await tempDir()
  await eventually(() => unlinked() === 0, 'no file is open')
  const before = unlinked()
  const spool = new Spool({ memory: 1000, tempPath: dir.path })
  const bytes = randomBytes(5003)
  await write(spool, bytes.subarray(0, 600))
  await write(spool, bytes.subarray(600, 1000))
  assert.deepEqual([spool.length, unlinked() - before], [1000, 0])
  assert.deepEqual(spool.read(), bytes.subarray(0, 1000))
  await write(spool, bytes.subarray(1000, 1001))
  assert.deepEqual([spool.length, unlinked() - before], [1001, 1])
  assert.deepEqual(readdirSync(dir.path), [])
  await write(spool, bytes.subarray(1001, 2001))
  await write(spool, bytes.subarray(2001, 5000))
  await write(spool, bytes.subarray(5000))
  await end(spool)
  for (let i = 0; i < 3; i++) assert.deepEqual(await content(spool), bytes)
  spool.close()
  spool.close()
  await eventually(() => unlinked() === before, 'the file is closed')
})

test('memory 0: the first byte is in the file', async () => {
  await eventually(() => unlinked() === 0, 'no file is open')
  const spool = new Spool({ memory: 0, tempPath: undefined })
  await write(spool, Buffer.from('a'))
  assert.equal(unlinked(), 1)
  await end(spool)
  assert.equal((await content(spool)).toString(), 'a')
  spool.close()
})

test('another reading ends the one before, and no reading closes the descriptor', async () => {
  // The loader of the tests has such files too, for moments.
  await eventually(() => unlinked() === 0, 'nothing is open')
  const spool = new Spool({ memory: 0, tempPath: undefined })
  const bytes = randomBytes(1_000_000)
  await write(spool, bytes)
  await end(spool)
  const first = spool.read()
  assert.ok(!Buffer.isBuffer(first))
  await new Promise(resolve => first.once('data', resolve))
  assert.deepEqual(await content(spool), bytes)
  assert.equal(first.destroyed, true)
  assert.deepEqual(await content(spool), bytes)
  await eventually(() => unlinked() === 1, 'one file is open')
  spool.close()
  await eventually(() => unlinked() === 0, 'the file is closed')
})

test('close() with a reader at work closes one descriptor, and never that of somebody else', async () => {
  await using dir = await tempDir()
  for (let i = 0; i < 30; i++) {
    const spool = new Spool({ memory: 0, tempPath: dir.path })
    await write(spool, randomBytes(200_000))
    await end(spool)
    const reader = spool.read()
    assert.ok(!Buffer.isBuffer(reader))
    await new Promise(resolve => reader.once('data', resolve))
    reader.pause()
    spool.close()
    // Descriptors are numbers, given out again at once: these would be closed by a second close().
    const others: number[] = []
    for (let turn = 0; turn < 10; turn++) {
      await new Promise(resolve => setImmediate(resolve))
      others.push(openSync(dir.file('other'), 'w'))
    }
    for (const fd of others) {
      writeSync(fd, 'mine')
      closeSync(fd)
    }
  }
})

test('close() while the file is being opened or written leaves nothing', async () => {
  await using dir = await tempDir()
  await eventually(() => unlinked() === 0, 'no file is open')
  const before = unlinked()
  for (let i = 0; i < 20; i++) {
    const spool = new Spool({ memory: 0, tempPath: dir.path })
    spool.write(randomBytes(100_000), () => {})
    for (let turn = 0; turn < i % 4; turn++) await new Promise(resolve => setImmediate(resolve))
    spool.close()
  }
  await eventually(() => unlinked() === before && readdirSync(dir.path).length === 0, 'nothing is left')
})

test('a directory that is not there, or none, is told with its name', async () => {
  await using dir = await tempDir()
  for (const tempPath of [dir.file('none'), '/proc/self/cmdline']) {
    const spool = new Spool({ memory: 0, tempPath })
    await assert.rejects(write(spool, Buffer.from('a')), (error: Error & { code: string }) => {
      assert.equal(error.code, 'FST_SCGI_TEMP_FILE')
      assert.match(error.message, /ENOENT|ENOTDIR/)
      assert.ok(error.message.includes(tempPath))
      assert.ok(error.cause instanceof Error)
      return true
    })
    spool.close()
  }
})

test('an end during a write waits for it', async () => {
  await using dir = await tempDir()
  const bytes = randomBytes(20_000)
  for (const pieces of [[20_000], [500, 19_500]]) {
    const spool = new Spool({ memory: 1000, tempPath: dir.path })
    const events: string[] = []
    let at = 0
    for (const size of pieces) {
      spool.write(bytes.subarray(at, at += size), error => events.push(`written ${error ?? ''}`))
    }
    await end(spool)
    assert.equal(events.length, pieces.length)
    assert.deepEqual(await content(spool), bytes)
    spool.close()
  }
})

test('a disk that is slow is left to the thread pool, and what cannot be written at once is told by it: the bytes are the same', async t => {
  const realWrite = fs.write
  const realRead = fs.read
  for (const way of ['at once', 'slow', 'half', 'refused'] as const) {
    await using dir = await tempDir()
    // In the second of the ways each call seems to take long.
    let now = performance.now() + 1e6
    const clock = t.mock.method(performance, 'now', () => {
      if (way === 'slow') now += 11
      return now
    })
    const { writeSync: realWriteSync } = fs
    let writes = 0
    let reads = 0
    using mocked = mockFs({
      write (...args: Parameters<typeof realWrite>) {
        writes++
        return realWrite(...args)
      },
      read (...args: Parameters<typeof realRead>) {
        reads++
        return realRead(...args)
      },
      writeSync (fd: number, bytes: Buffer, offset: number, length: number, position: number) {
        if (way === 'refused') throw fsError('ENOSPC')
        return realWriteSync(fd, bytes, offset, way === 'half' ? length >> 1 : length, position)
      },
    })
    const spool = new Spool({ memory: 1000, tempPath: dir.path })
    const bytes = randomBytes(200_003)
    for (let at = 0; at < bytes.length; at += 30_000) await write(spool, bytes.subarray(at, at + 30_000))
    await end(spool)
    for (let i = 0; i < 2; i++) assert.deepEqual(await content(spool), bytes, way)
    assert.ok(mocked.calls > 0)
    assert.deepEqual([writes > 0, reads > 0], [way !== 'at once', way === 'slow'], way)
    assert.deepEqual(readdirSync(dir.path), [])
    spool.close()
    clock.mock.restore()
    // The slow one is forgotten.
    if (way === 'slow') t.mock.method(performance, 'now', () => now + 1e6)
  }
})
