// A temporary file that fails ends the reply that needed it, and nothing else; no descriptor is left behind.
import fs from 'node:fs'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { fsError, mockFs, type MockedFs } from '../helpers/mock-fs.ts'
import { FakeApplication, small, turn } from '../helpers/reply-source.ts'
import { assertNoGrowth, resources } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually } from './kit.ts'

type Written = (error: Error | null, written?: number) => void

const BODY = randomBytes(5000)

/** What a reader gets before the stream fails, and the error. */
async function untilError ({ reply }: FakeApplication): Promise<[Buffer, unknown]> {
  const got: Buffer[] = []
  reply.on('data', (piece: Buffer) => got.push(piece))
  const error = await new Promise(resolve => reply.once('error', resolve))
  return [Buffer.concat(got), error]
}

function isTempFileError (error: unknown, code: string): void {
  assert.ok(error instanceof Error)
  assert.equal(Reflect.get(error, 'code'), 'FST_SCGI_TEMP_FILE')
  assert.ok(error.cause instanceof Error)
  assert.equal(Reflect.get(error.cause, 'code'), code)
  assert.ok(error.message.includes(code))
}

/** A file system that has room for so many bytes. */
function fullAfter (room: number): MockedFs {
  const { writev } = fs
  let left = room
  return mockFs({
    writev (fd: number, pieces: readonly Buffer[], position: number, done: Written) {
      if (left === 0) {
        process.nextTick(done, fsError('ENOSPC'))
        return
      }
      const bytes = Buffer.concat(pieces).subarray(0, left)
      left -= bytes.length
      writev(fd, [bytes], position, done)
    },
  })
}

test('disk full: what came before arrives, one error, and the application is let go', async () => {
  const before = resources()['fd unlinked file'] ?? 0
  for (const room of [0, 1, 100, 1234]) {
    using mocked = fullAfter(room)
    const settings = small(undefined)
    const application = new FakeApplication(settings)
    await application.send(BODY)
    await eventually(() => application.fileErrors.length === 1, 'the disk is full')
    assert.ok(mocked.calls > 0)
    assert.ok(application.given < BODY.length)
    isTempFileError(application.fileErrors[0], 'ENOSPC')
    // Another reply has its bytes in memory.
    const other = new FakeApplication(settings)
    other.feed(BODY.subarray(0, 100))
    other.feed(BODY.subarray(100, 200))
    const { given } = application
    application.reply.feed(BODY)
    const [got, error] = await untilError(application)
    assert.deepEqual(got, BODY.subarray(0, given))
    assert.equal(error, application.fileErrors[0])
    other.reply.finish()
    assert.deepEqual(await buffer(other.reply), BODY.subarray(0, 200))
    await eventually(() => settings.tempTotal.used === 0, 'the total is given back')
    assert.deepEqual([application.fileErrors.length, other.fileErrors.length, application.abandoned], [1, 0, false])
  }
  await eventually(() => (resources()['fd unlinked file'] ?? 0) === before, 'the files are closed')
})

test('a directory that cannot be written: the reply that needed it fails', async () => {
  await using dir = await tempDir()
  const path = dir.file('file')
  writeFileSync(path, '')
  for (const [place, code] of [
    [{ path, make: true, levels: [] }, 'ENOTDIR'],
    [{ path, make: true, levels: [1, 2] }, 'ENOTDIR'],
    [{ path: dir.file('a/b'), make: true, levels: [] }, 'ENOENT'],
  ] as const) {
    const application = new FakeApplication(small(undefined, { tempPath: place }))
    await application.send(BODY)
    const { given } = application
    const [got, error] = await untilError(application)
    isTempFileError(error, code)
    assert.deepEqual(got, BODY.subarray(0, given))
    const keepsUp = new FakeApplication(small(undefined, { tempPath: place }))
    const all = buffer(keepsUp.reply)
    await keepsUp.send(BODY)
    assert.deepEqual(await all, BODY)
  }
})

test('a write that fails when the reply is complete in memory does no harm', async () => {
  for (const failure of [null, new Error('broken')]) {
    const application = new FakeApplication(small(undefined))
    const { reply } = application
    let fail: (() => void) | undefined
    using mocked = mockFs({
      writev (_fd: number, _pieces: readonly Buffer[], _at: number, done: Written) {
        fail = () => done(fsError('ENOSPC'))
      },
    })
    while (!application.paused) application.feed(BODY.subarray(application.given, application.given + 100))
    await eventually(() => fail !== undefined, 'it is being written')
    if (failure === null) reply.finish()
    else reply.fail(failure)
    const read = untilError(application)
    const ended = once(reply, 'end')
    await turn()
    fail?.()
    if (failure === null) {
      await ended
    } else {
      const [got, error] = await read
      assert.deepEqual([got, error], [BODY.subarray(0, application.given), failure])
      await assert.rejects(ended)
    }
    assert.deepEqual([mocked.calls, application.fileErrors], [1, []])
  }
})

test('writes that are short are completed', async () => {
  const { writev } = fs
  using mocked = mockFs({
    writev (fd: number, pieces: readonly Buffer[], position: number, done: Written) {
      writev(fd, [Buffer.concat(pieces).subarray(0, 7)], position, done)
    },
  })
  const application = new FakeApplication(small(undefined))
  await application.send(BODY)
  assert.ok(application.reply.inFile > 4000)
  assert.ok(mocked.calls > 4000 / 7)
  assert.deepEqual(await buffer(application.reply), BODY)
})

test('writes are of at most tempFileWriteSize', async () => {
  const { writev } = fs
  const sizes: number[] = []
  using mocked = mockFs({
    writev (fd: number, pieces: readonly Buffer[], position: number, done: Written) {
      sizes.push(pieces.reduce((sum, { length }) => sum + length, 0))
      writev(fd, pieces, position, done)
    },
  })
  const application = new FakeApplication(small(undefined))
  await application.send(BODY)
  assert.deepEqual([...new Set(sizes)], [80])
  assert.equal(sizes.length, mocked.calls)
  application.reply.destroy()
})

test('a file that cannot be read, or is too short: the reply is cut there', async () => {
  const { read } = fs
  for (const [at, code] of [[0, 'EIO'], [2, 'EIO'], [0, ''], [2, '']] as const) {
    for (const complete of [true, false]) {
      const application = new FakeApplication(small(undefined))
      if (complete) await application.send(BODY)
      while (application.reply.inFile < 1000) {
        if (!application.paused) application.feed(BODY.subarray(application.given, application.given + 100))
        await turn()
      }
      let reads = 0
      using mocked = mockFs({
        read (fd: number, bytes: Buffer, offset: number, length: number, position: number, done: (error: Error | null, n: number) => void) {
          if (reads++ !== at) read(fd, bytes, offset, length, position, done)
          else if (code === '') process.nextTick(done, null, 0)
          else process.nextTick(done, fsError(code), 0)
        },
      })
      const [got, error] = await untilError(application)
      assert.equal(mocked.calls, at + 1)
      // 50 bytes were handed over before.
      assert.deepEqual(got, BODY.subarray(0, 50 + at * 50))
      assert.deepEqual(application.fileErrors, [error])
      if (code !== '') isTempFileError(error, code)
      assert.deepEqual([application.abandoned, application.reply.inFile, application.reply.inMemory], [false, 0, 0])
    }
  }
})

for (const name of ['open', 'writev', 'read'] as const) {
  test(`destroyed during ${name}: the descriptor is closed when that is over, and not before`, async () => {
    const original: (...args: never[]) => void = fs[name]
    const settings = small(undefined)
    const application = new FakeApplication(settings)
    const { reply } = application
    let go: (() => void) | undefined
    let fd: unknown
    using mocked = mockFs({
      [name] (...args: [unknown, ...never[]]) {
        if (name !== 'open') fd = args[0]
        go = () => Reflect.apply(original, fs, args)
      },
    })
    const closed: unknown[] = []
    const { close } = fs
    using closing = mockFs({
      close (...args: [number, never]) {
        closed.push(args[0])
        close(...args)
      },
    })
    while (mocked.calls === 0) {
      if (!application.paused) application.feed(BODY.subarray(0, 100))
      if (name === 'read' && reply.inFile > 200) reply.resume()
      await turn()
    }
    reply.destroy()
    for (let i = 0; i < 20; i++) await turn()
    assert.deepEqual([mocked.calls, closing.calls], [1, 0])
    go?.()
    await eventually(() => closing.calls === 1, 'it is closed')
    assert.equal(typeof closed[0], 'number')
    if (fd !== undefined) assert.equal(closed[0], fd)
    await turn()
    assert.deepEqual([closing.calls, settings.tempTotal.used], [1, 0])
  })
}

test('a thousand replies destroyed at any moment leave no descriptor, and the total is given back', async () => {
  const settings = small(undefined, { maxTempFileSize: 1000 })
  const others: Promise<unknown>[] = []
  await assertNoGrowth(async n => {
    const application = new FakeApplication(settings)
    const { reply } = application
    others.push(application.send(BODY))
    for (let turns = n % 29; turns > 0; turns--) await turn()
    if (n % 3 > 0) reply.resume()
    if (n % 3 === 2) for (let turns = n % 7; turns > 0; turns--) await turn()
    const closed = once(reply, 'close')
    reply.destroy()
    await closed
  })
  await Promise.all(others)
  await eventually(() => settings.tempTotal.used === 0, 'the total is given back')
})

test('a thousand replies that were read to their end leave no descriptor', async () => {
  const settings = small(undefined)
  await assertNoGrowth(async () => {
    const application = new FakeApplication(settings)
    for (let i = 0; i < 6; i++) {
      while (application.paused) await turn()
      application.feed(BODY.subarray(0, 100))
    }
    application.reply.finish()
    assert.equal((await buffer(application.reply)).length, 600)
  })
  assert.equal(settings.tempTotal.used, 0)
})
