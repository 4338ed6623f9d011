// A reply read ahead of its client: memory first, then a file, then the application waits.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { compileBuffering } from '../../lib/reply/buffering-options.ts'
import { FakeApplication, small, turn } from '../helpers/reply-source.ts'
import { resources } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually } from '../gateway/kit.ts'
import type { Readable } from 'node:stream'

const unlinked = (): number => resources()['fd unlinked file'] ?? 0

/** The pieces that a stream gives, each with its size alone. */
function sizes (stream: Readable): number[] {
  const list: number[] = []
  stream.on('data', (piece: Buffer) => list.push(piece.length))
  return list
}

test('a client that keeps up gets each piece as it is, at once, and nothing is held', async () => {
  const application = new FakeApplication(small('/nonexistent'))
  const { reply } = application
  const pieces: unknown[] = []
  reply.on('data', piece => pieces.push(piece))
  await turn()
  for (const size of [1, 50, 51, 100]) {
    const piece = randomBytes(size)
    application.feed(piece)
    assert.equal(pieces.pop(), piece)
    assert.deepEqual([reply.readableLength, reply.inMemory, reply.inFile, application.paused], [0, 0, 0, false])
  }
  reply.finish()
  await once(reply, 'end')
})

test('a single byte is offered at once to a reader that waits', async () => {
  const application = new FakeApplication(small(undefined))
  const { reply } = application
  for (let i = 0; i < 3; i++) {
    const readable = once(reply, 'readable')
    reply.read(0)
    application.feed(Buffer.from('x'))
    await readable
    assert.equal(String(reply.read()), 'x')
  }
  reply.destroy()
})

test('no more than busyBuffersSize is handed over, the rest stays in memory', async () => {
  const application = new FakeApplication(small(undefined))
  const { reply } = application
  application.feed(Buffer.alloc(30))
  application.feed(Buffer.alloc(100))
  assert.deepEqual([reply.readableLength, reply.inMemory, application.paused], [50, 80, false])
  application.feed(Buffer.alloc(100))
  application.feed(Buffer.alloc(100))
  assert.deepEqual([reply.readableLength, reply.inMemory, application.paused], [50, 280, false])
  reply.finish()
  assert.equal((await buffer(reply)).length, 330)
})

test('a file is begun where no further read has room, and the application goes on', async () => {
  await using dir = await tempDir()
  await eventually(() => unlinked() === 0, 'no file is open')
  const before = unlinked()
  const application = new FakeApplication(small(dir.path))
  const { reply } = application
  const body = randomBytes(100_000)
  let most = 0
  await application.send(body, () => { most = Math.max(most, reply.inMemory) })
  assert.equal(application.given, body.length)
  assert.ok(most > 300 && most <= 400, `${most} bytes in memory`)
  assert.ok(reply.inFile > 99_000)
  assert.deepEqual([reply.readableLength, unlinked() - before, readdirSync(dir.path)], [50, 1, []])
  assert.deepEqual(await buffer(reply), body)
  await eventually(() => unlinked() === before, 'the file is closed')
})

test('what ends with the piece that was one too many needs no file', async () => {
  const application = new FakeApplication(small('/nonexistent'))
  const body = randomBytes(360)
  for (let at = 0; at < 360;) application.feed(body.subarray(at, at += 90))
  assert.equal(application.paused, true)
  application.reply.finish()
  for (let i = 0; i < 5; i++) await turn()
  assert.deepEqual(await buffer(application.reply), body)
  assert.deepEqual(application.fileErrors, [])
})

test('a client that reads within the turn of the event loop needs no file', async () => {
  const application = new FakeApplication(small('/nonexistent'))
  const { reply } = application
  const body = randomBytes(360)
  for (let at = 0; at < 360;) application.feed(body.subarray(at, at += 90))
  assert.equal(application.paused, true)
  const read = buffer(reply)
  for (let i = 0; i < 5; i++) await turn()
  assert.deepEqual([application.paused, application.fileErrors], [false, []])
  reply.finish()
  assert.deepEqual(await read, body)
})

test('maxTempFileSize 0: memory alone, then the application waits for the client', async () => {
  const application = new FakeApplication(small('/nonexistent', { maxTempFileSize: 0 }))
  const { reply } = application
  const body = randomBytes(5000)
  const sending = application.send(body)
  await eventually(() => application.paused, 'the application waits')
  for (let i = 0; i < 5; i++) await turn()
  assert.deepEqual([application.given, reply.readableLength, reply.inMemory, reply.inFile], [400, 50, 350, 0])
  assert.equal((reply.read(50) as unknown as Buffer).length, 50)
  assert.equal(application.paused, false)
  const [rest] = await Promise.all([buffer(reply), sending])
  assert.deepEqual(rest, body.subarray(50))
})

test('past maxTempFileSize the application waits until the client has taken some, and the file is used over again', async () => {
  const application = new FakeApplication(small(undefined, { maxTempFileSize: 1000 }))
  const { reply } = application
  const body = randomBytes(50_000)
  let most = 0
  const sending = application.send(body, () => { most = Math.max(most, reply.inFile) })
  await eventually(() => application.paused && reply.inFile === 1000, 'the file is full')
  for (let i = 0; i < 5; i++) await turn()
  const { given } = application
  assert.ok(given >= 1350 && given <= 1450, `${given} bytes were taken`)
  const pieces: Buffer[] = []
  reply.on('readable', () => {
    for (;;) {
      const piece: unknown = reply.read(Math.min(40, reply.readableLength || 1))
      if (!Buffer.isBuffer(piece)) break
      pieces.push(piece)
    }
  })
  await Promise.all([sending, once(reply, 'end')])
  assert.deepEqual(Buffer.concat(pieces), body)
  assert.ok(most <= 1000)
})

test('tempTotalSize is shared by the replies of a mount, and given back', async () => {
  const settings = small(undefined, { tempTotal: { used: 0, limit: 1000 } })
  const { tempTotal } = settings
  const first = new FakeApplication(settings)
  const second = new FakeApplication(settings)
  const body = randomBytes(10_000)
  const sendings = [first.send(body)]
  await eventually(() => first.paused && tempTotal.used === 1000, 'the first reply has all')
  sendings.push(second.send(body))
  await eventually(() => second.paused, 'the second waits')
  for (let i = 0; i < 5; i++) await turn()
  assert.deepEqual([second.reply.inFile, second.given], [0, 400])
  // The one without a file lives on memory and back-pressure.
  assert.deepEqual(await buffer(second.reply), body)
  assert.deepEqual(await buffer(first.reply), body)
  await Promise.all(sendings)
  assert.equal(tempTotal.used, 0)
})

test('from memory to the file, back to memory, and to the file again', async () => {
  await eventually(() => unlinked() === 0, 'no file is open')
  const before = unlinked()
  const application = new FakeApplication(small(undefined))
  const { reply } = application
  const body = randomBytes(12_000)
  const got: Buffer[] = []
  reply.on('data', (piece: Buffer) => got.push(piece))
  for (let at = 0; at < body.length; at += 3000) {
    reply.pause()
    for (let end = at + 2000; at < end;) {
      if (!application.paused) application.feed(body.subarray(at, at += 100))
      await turn()
    }
    assert.ok(reply.inFile > 0)
    assert.equal(unlinked() - before, 1)
    reply.resume()
    await eventually(() => reply.inFile + reply.inMemory + reply.readableLength === 0, 'all is read')
    for (const end = at + 1000; at < end;) {
      application.feed(body.subarray(at, at += 100))
      assert.equal(reply.inMemory + reply.inFile, 0)
    }
    at -= 3000
  }
  reply.finish()
  await once(reply, 'end')
  assert.deepEqual(Buffer.concat(got), body)
})

test('the file of a long reply gives its room back when it has been read', async () => {
  const settings = small(undefined, { bufferSize: 65536, memory: 131072, busyBuffersSize: 65536, tempFileWriteSize: 65536 })
  const application = new FakeApplication(settings)
  const { reply } = application
  const body = Buffer.alloc(65536)
  while (reply.inFile < 2 ** 21) {
    if (!application.paused) application.feed(body)
    await turn()
  }
  reply.resume()
  await eventually(() => reply.inFile + reply.inMemory === 0, 'all is read')
  assert.equal(settings.tempTotal.used, 0)
  reply.destroy()
})

test('20 MB with the default sizes: a client that has read a tenth, and nothing is left to take from the application', async () => {
  const application = new FakeApplication(compileBuffering())
  const { reply } = application
  const body = randomBytes(20_000_000)
  const client = new PassThrough({ highWaterMark: 16_384 })
  const piped = pipeline(reply, client)
  const got: Buffer[] = []
  let length = 0
  client.on('data', (piece: Buffer) => {
    got.push(piece)
    length += piece.length
    if (length >= 2_000_000 && length - piece.length < 2_000_000) client.pause()
  })
  await application.send(body)
  assert.deepEqual([application.given, reply.readableEnded], [20_000_000, false])
  assert.ok(length < 2_100_000, `${length} bytes were read`)
  assert.ok(reply.inMemory <= 131_072 && reply.inFile > 17_000_000)
  client.resume()
  await piped
  assert.ok(Buffer.concat(got).equals(body))
})

test('a reader that asks for more at once than busyBuffersSize gets it, out of the file too', async () => {
  const application = new FakeApplication(small(undefined))
  const { reply } = application
  const body = randomBytes(2000)
  await application.send(body)
  assert.ok(reply.inFile > 0)
  let piece: unknown = reply.read(1200)
  while (piece === null) {
    await turn()
    piece = reply.read(1200)
  }
  assert.deepEqual(piece, body.subarray(0, 1200))
  assert.deepEqual(await buffer(reply), body.subarray(1200))
})

test('small pieces that are held are put together', async () => {
  const application = new FakeApplication(small(undefined, { bufferSize: 1000, memory: 20_000 }))
  const { reply } = application
  const body = randomBytes(15_000)
  for (let at = 0; at < body.length;) application.feed(body.subarray(at, at += 1 + at % 7))
  assert.deepEqual([reply.inMemory + reply.readableLength], [15_000])
  reply.finish()
  const list = sizes(reply)
  assert.deepEqual(await buffer(reply), body)
  // What was handed over before is in pieces as they came.
  assert.ok(list.filter(size => size < 40).length < 20, String(list))
})

test('a failure comes after what had come before it, from memory and from the file', async () => {
  for (const length of [0, 30, 300, 5000]) {
    const application = new FakeApplication(small(undefined))
    const { reply } = application
    const body = randomBytes(length)
    for (let at = 0; at < length;) {
      if (!application.paused) application.feed(body.subarray(at, at += 100))
      await turn()
    }
    const got: Buffer[] = []
    const failed = once(reply, 'error')
    reply.fail(new Error('broken'))
    reply.on('data', (piece: Buffer) => got.push(piece))
    const [error] = await failed
    assert.equal(error.message, 'broken')
    assert.deepEqual(Buffer.concat(got), body)
    assert.equal(application.abandoned, false)
  }
})

test('a failure while the client stands still waits for it', async () => {
  const application = new FakeApplication(small(undefined))
  const { reply } = application
  const body = randomBytes(3000)
  for (let at = 0; at < body.length;) {
    if (!application.paused) application.feed(body.subarray(at, at += 100))
    await turn()
  }
  reply.fail(new Error('broken'))
  for (let i = 0; i < 5; i++) await turn()
  assert.equal(reply.destroyed, false)
  await assert.rejects(buffer(reply), /broken/)
})

test('destroyed before its end: the source is told, once, and what comes after it is ignored', async () => {
  const application = new FakeApplication(small(undefined))
  const { reply } = application
  application.feed(Buffer.alloc(100))
  reply.destroy()
  await once(reply, 'close')
  assert.equal(application.abandoned, true)
  reply.feed(Buffer.alloc(100))
  reply.finish()
  reply.fail(new Error('late'))
  assert.equal(reply.inMemory, 0)
})
