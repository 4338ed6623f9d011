// The journal of what a worker has in flight, and what may be repeated of it.
import assert from 'node:assert/strict'
import { existsSync, statSync, truncateSync, writeFileSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { JournalFile, JournalWriter } from '../../lib/run/takeover/journal.ts'
import { isRepeatable, mayBeWhole } from '../../lib/run/takeover/request-head.ts'
import { tempDir } from '../helpers/temp.ts'

const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n'

function never (error: unknown): void {
  throw error
}

test('each connection is there with what it has in flight last', () => {
  const file = new JournalFile()
  try {
    assert.equal(statSync(file.path).mode & 0o777, 0o600)
    const writer = new JournalWriter(file.path, never)
    file.unlink()
    assert.equal(existsSync(file.path), false)
    const first = writer.asked(1, Buffer.from(GET))
    const second = writer.asked(2 ** 40, Buffer.from('GET /b HTTP/1.1\r\n\r\n'))
    const third = writer.closes(3)
    writer.asked(4, Buffer.alloc(4096, 'a'))
    writer.asked(5, Buffer.alloc(4076, 'b'))
    writer.turn(second)
    writer.answered(first)
    assert.deepEqual(file.read(), new Map<number, unknown>([[2 ** 40, 'closes'], [3, 'closes'], [4, 'closes'], [5, { request: Buffer.alloc(4076, 'b') }]]))
    // The slot that was left last is used first.
    writer.forget(third)
    assert.equal(writer.asked(6, Buffer.from(GET)), third)
    assert.equal(writer.closes(7), first)
    assert.deepEqual(file.read().get(6), { request: Buffer.from(GET) })
    assert.deepEqual([...file.read().keys()].sort((a, b) => a - b), [4, 5, 6, 7, 2 ** 40])
  } finally {
    file.close()
  }
})

test('what was cut while it was written is not repeated', async () => {
  const file = new JournalFile()
  try {
    const writer = new JournalWriter(file.path, never)
    writer.asked(1, Buffer.from(GET))
    const { size } = statSync(file.path)
    truncateSync(file.path, size - 1)
    assert.deepEqual(file.read(), new Map([[1, 'closes']]))
    const bytes = readFileSync(file.path)
    writeFileSync(file.path, Buffer.concat([bytes, Buffer.from([1])]))
    assert.deepEqual(file.read(), new Map([[1, 'closes']]))
  } finally {
    file.close()
  }
  await using dir = await tempDir()
  assert.throws(() => new JournalWriter(dir.file('none'), never), /ENOENT/)
})

test('a failure is told once', () => {
  const file = new JournalFile()
  let failures = 0
  try {
    const writer = new JournalWriter(file.path, () => { failures++ })
    writer.fail(new Error('no space'))
    writer.asked(1, Buffer.from(GET))
    writer.fail(new Error('no space'))
    assert.equal(failures, 1)
    assert.equal(file.read().size, 0)
  } finally {
    file.close()
  }
})

for (const [bytes, may] of [
  [GET, true],
  [`\r\n${GET}`, false],
  ['HEAD / HTTP/1.0\r\n\r\n', true],
  ['OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', true],
  ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', false],
  ['GETS / HTTP/1.1\r\nHost: a\r\n\r\n', false],
  ['GET / HTTP/1.1\r\nHost: a\r\n', false],
  ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n', false],
  ['GET / HTTP/1.1\r\nHost: a\r\ncontent-length : 00\r\n\r\n', false],
  ['GET / HTTP/1.1\r\nHost: a\r\ntransfer-Encoding: chunked\r\n\r\n', false],
  ['GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n', false],
  ['GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n', false],
  [GET + GET, false],
  ['GET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.1\r\n\r\n', false],
  ['GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n', false],
  ['GET / HTTP/1.1\r\nCookie: \xff\r\n\r\n', true],
] as const) {
  test(`${JSON.stringify(bytes)} may ${may ? '' : 'not '}be repeated`, () => {
    const buffer = Buffer.from(bytes, 'latin1')
    assert.equal(mayBeWhole(buffer) && isRepeatable(buffer), may)
  })
}
