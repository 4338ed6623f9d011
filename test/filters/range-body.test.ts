// The payload of a plan, out of a Buffer, out of something that can be read anywhere, out of a stream that passes.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import fc from 'fast-check'
import { planRanges, type PartialPlan } from '../../lib/http/ranges.ts'
import { rangesOfBuffer, rangesOfSource, rangesOfStream, type RangeSource } from '../../lib/filters/range-body.ts'

function plan (range: string, size: number, sequential = false): PartialPlan {
  const result = planRanges({ method: 'GET', headers: { range } }, { status: 200, size, contentType: 'a/b', allowed: true, sequential })
  assert.ok(result.kind === 'single' || result.kind === 'multipart')
  return result
}

const ALPHABET = Buffer.from('abcdefghijklmnopqrstuvwxyz')

function bytes (size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, at) => at % 251))
}

/** What a client reads out of the payload, and what it should. */
function parts (body: Buffer, multipart: PartialPlan): string[] {
  const [, boundary = ''] = /boundary=(.*)/.exec(multipart.set['content-type'] ?? '') ?? []
  const pieces = body.toString('latin1').split(`\r\n--${boundary}`)
  assert.equal(pieces.shift(), '')
  assert.equal(pieces.pop(), '--\r\n')
  return pieces.map(piece => piece.slice(piece.indexOf('\r\n\r\n') + 4))
}

async function content (payload: Readable | Buffer): Promise<Buffer> {
  return Buffer.isBuffer(payload) ? payload : buffer(payload)
}

/** A body that tells what is done to it. */
class Source implements RangeSource {
  readonly opened: [number, number][] = []
  readonly streams: Readable[] = []
  closed = 0
  readonly #open: (start: number, end: number) => Readable | Buffer | Promise<Readable | Buffer>

  constructor (open: Source['open']) {
    this.#open = open
  }

  open (start: number, end: number): Readable | Buffer | Promise<Readable | Buffer> {
    this.opened.push([start, end])
    const opened = this.#open(start, end)
    if (opened instanceof Readable) this.streams.push(opened)
    return opened
  }

  close (): void {
    this.closed++
  }
}

function chunked (body: Buffer, chunk: number): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < body.length; at += chunk) chunks.push(body.subarray(at, at + chunk))
  return chunks
}

const stream = (body: Buffer, chunk = 7): Readable => Readable.from(chunked(body, chunk), { objectMode: false })

test('a Buffer: a single range is a view, several are one body of the announced length', () => {
  const one = plan('bytes=3-5', 26)
  const view = rangesOfBuffer(one, ALPHABET)
  assert.equal(view.toString(), 'def')
  assert.equal(view.buffer, ALPHABET.buffer)
  const several = plan('bytes=24-,0-1', 26)
  const body = rangesOfBuffer(several, ALPHABET)
  assert.equal(body.length, several.length)
  assert.deepEqual(parts(body, several), ['yz', 'ab'])
})

test('any slicing of a stream or a source is the slicing of the Buffer', async () => {
  const range = fc.tuple(fc.nat(300), fc.nat(100)).map(([start, length]) => `${start}-${start + length}`)
  const ranges = fc.array(range, { minLength: 1, maxLength: 5 })
  let sequentialOnes = 0
  const sizes = fc.integer({ min: 301, max: 500 })
  await fc.assert(fc.asyncProperty(ranges, sizes, fc.integer({ min: 1, max: 600 }), async (list, size, chunk) => {
    const body = bytes(size)
    const request = { method: 'GET', headers: { range: `bytes=${list}` } }
    const made = planRanges(request, { status: 200, size, allowed: true })
    if (made.kind !== 'single' && made.kind !== 'multipart') return
    const expected = rangesOfBuffer(made, body)
    assert.equal(expected.length, made.length)
    for (const open of [
      (start: number, end: number) => body.subarray(start, end),
      (start: number, end: number) => stream(body.subarray(start, end), chunk),
      async (start: number, end: number) => stream(body.subarray(start, end), chunk),
      async (start: number, end: number) => body.subarray(start, end),
      (start: number, end: number) => start % 2 === 0 ? body.subarray(start, end) : stream(body.subarray(start, end), chunk),
    ]) {
      const source = new Source(open)
      assert.deepEqual(await content(rangesOfSource(made, source)), expected)
      assert.deepEqual(source.opened, made.parts.map(({ start, end }) => [start, end]))
      await new Promise(setImmediate)
      assert.equal(source.closed, 1)
    }
    const ascending = planRanges(request, { status: 200, size, allowed: true, sequential: true })
    if (ascending.kind !== 'single' && ascending.kind !== 'multipart') return
    sequentialOnes++
    const passing = stream(body, chunk)
    assert.deepEqual(await content(rangesOfStream(ascending, passing)), rangesOfBuffer(ascending, body))
    await new Promise(setImmediate)
    assert.equal(passing.destroyed, true)
  }), { numRuns: 200 })
  assert.ok(sequentialOnes > 20, `${sequentialOnes} sequential ones`)
})

test('a source opens a part when the one before has been read', async () => {
  const body = bytes(300_000)
  const source = new Source((start, end) => stream(body.subarray(start, end), 10_000))
  const payload = rangesOfSource(plan('bytes=0-99999,100000-199999,200000-299999', 300_000), source)
  assert.ok(payload instanceof Readable)
  payload.read(0)
  await once(payload, 'readable')
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(source.opened.length, 1)
  payload.resume()
  await once(payload, 'end')
  assert.equal(source.opened.length, 3)
})

test('a single range of a source is its own stream, closed when that is', async () => {
  const source = new Source((start, end) => stream(ALPHABET.subarray(start, end)))
  const payload = rangesOfSource(plan('bytes=2-4', 26), source)
  assert.equal(payload, source.streams[0])
  assert.equal(source.closed, 0)
  assert.equal((await content(payload)).toString(), 'cde')
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(source.closed, 1)
})

for (const range of ['bytes=0-9', 'bytes=0-9,12-13']) {
  test(`a source that fails to open fails the payload and is closed (${range})`, async () => {
    const failure = new Error('no such thing')
    for (const open of [() => { throw failure }, () => Promise.reject(failure)]) {
      const source = new Source(open)
      await assert.rejects(content(rangesOfSource(plan(range, 26), source)), failure)
      assert.equal(source.closed, 1)
    }
  })

  test(`a part that breaks off fails the payload (${range})`, async () => {
    const failure = new Error('the disk is gone')
    const source = new Source(() => new Readable({ read () { this.destroy(failure) } }))
    await assert.rejects(content(rangesOfSource(plan(range, 26), source)), failure)
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(source.closed, 1)
  })
}

test('a part that is too short fails the payload, one that is too long is cut', async () => {
  const several = plan('bytes=0-9,12-13', 26)
  for (const open of [
    () => stream(ALPHABET.subarray(0, 4)),
    () => ALPHABET.subarray(0, 4),
    () => { const closing = new PassThrough(); closing.write('abcd'); setImmediate(() => closing.destroy()); return closing },
    () => { const closed = new PassThrough(); closed.destroy(); return closed },
  ]) {
    const source = new Source(open)
    await assert.rejects(content(rangesOfSource(several, source)), { code: 'FST_SCGI_REPLY_TRUNCATED' })
    assert.equal(source.closed, 1)
    assert.equal(source.opened.length, 1)
  }
  for (const open of [() => stream(ALPHABET), () => ALPHABET]) {
    assert.deepEqual(parts(await content(rangesOfSource(several, new Source(open))), several), ['abcdefghij', 'ab'])
  }
})

test('destroying the payload destroys the part and closes the source, also one that is about to be opened', async () => {
  const endless = (): Readable => new Readable({ read () { this.push(Buffer.alloc(1000)) } })
  const source = new Source(endless)
  const payload = rangesOfSource(plan('bytes=0-999999,1000000-1999999', 2_000_000), source)
  assert.ok(payload instanceof Readable)
  payload.read(0)
  await once(payload, 'readable')
  payload.destroy()
  await once(payload, 'close')
  assert.equal(source.streams[0]?.destroyed, true)
  assert.equal(source.closed, 1)

  let give: ((body: Readable) => void) | undefined
  const late = new Source(() => new Promise<Readable>(resolve => { give = resolve }))
  const waiting = rangesOfSource(plan('bytes=0-9', 26), late)
  assert.ok(waiting instanceof Readable)
  waiting.read(0)
  waiting.destroy()
  await once(waiting, 'close')
  assert.equal(late.closed, 1)
  const opened = endless()
  give?.(opened)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(opened.destroyed, true)
})

test('a reader that leaves at the last byte of a part has no other part opened', async () => {
  const source = new Source((start, end) => stream(ALPHABET.subarray(start, end), 10))
  const payload = rangesOfSource(plan('bytes=0-9,12-13', 26), source)
  assert.ok(payload instanceof Readable)
  payload.on('data', (chunk: Buffer) => { if (chunk.toString() === 'abcdefghij') payload.destroy() })
  await once(payload, 'close')
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([source.opened.length, source.closed], [1, 1])
})

test('back-pressure: a reader that takes nothing holds stream and source', async () => {
  let made = 0
  const endless = (): Readable => new Readable({ highWaterMark: 1000, read () { made += 1000; this.push(Buffer.alloc(1000)) } })
  for (const payload of [
    rangesOfSource(plan('bytes=0-9999999,10000000-19999999', 20_000_000), new Source(endless)),
    rangesOfStream(plan('bytes=500-9999999', 20_000_000, true), endless()),
  ]) {
    made = 0
    assert.ok(payload instanceof Readable)
    payload.read(0)
    for (let i = 0; i < 200; i++) await new Promise(resolve => setImmediate(resolve))
    assert.ok(made > 60_000 && made < 80_000, `${made} bytes`)
    const slow = new Writable({ highWaterMark: 1000, write (chunk, _encoding, done) { setImmediate(done) } })
    await pipeline(payload, slow)
  }
})

test('a stream is destroyed with the last byte that is wanted', async () => {
  const source = new PassThrough()
  const payload = rangesOfStream(plan('bytes=3-5', 26, true), source)
  const read = content(payload)
  source.write(ALPHABET.subarray(0, 10))
  assert.equal((await read).toString(), 'def')
  assert.equal(source.destroyed, true)
})

test('a stream whose last byte is wanted may end by itself', async () => {
  let destroyed = false
  let ended = false
  const source = new Readable({ read () {}, autoDestroy: false, destroy (_error, done) { destroyed = true; done(null) } })
  source.once('end', () => { ended = true; assert.equal(destroyed, false) })
  const payload = rangesOfStream(plan('bytes=-3', 26, true), source)
  const read = content(payload)
  source.push(ALPHABET)
  source.push(null)
  assert.equal((await read).toString(), 'xyz')
  assert.equal(ended, true)
})

test('a stream that ends, closes or fails too early fails the payload', async () => {
  const failure = new Error('reset')
  for (const [end, expected] of [
    [(source: PassThrough) => { source.end() }, { code: 'FST_SCGI_REPLY_TRUNCATED', message: /after 10 of 26 bytes/ }],
    [(source: PassThrough) => { source.destroy() }, { code: 'FST_SCGI_REPLY_TRUNCATED' }],
    [(source: PassThrough) => { source.destroy(failure) }, failure],
  ] as const) {
    const source = new PassThrough()
    const payload = rangesOfStream(plan('bytes=3-15', 26, true), source)
    const received: Buffer[] = []
    payload.on('data', chunk => {
      received.push(chunk)
      end(source)
    })
    source.write(ALPHABET.subarray(0, 10))
    const [error] = await once(payload, 'error')
    assert.throws(() => { throw error }, expected)
    assert.equal(Buffer.concat(received).toString(), 'defghij')
    assert.equal(source.destroyed, true)
  }
})

test('destroying the payload destroys the stream, and its late error is nobody\'s', async () => {
  const source = new Readable({ read () {}, destroy (_error, done) { done(new Error('late')) } })
  const payload = rangesOfStream(plan('bytes=3-5', 26, true), source)
  payload.resume()
  payload.destroy()
  await once(payload, 'close')
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(source.destroyed, true)
})

test('a stream that had failed before anybody listened', async () => {
  const failure = new Error('before')
  const source = new PassThrough()
  source.on('error', () => {})
  source.destroy(failure)
  await new Promise(resolve => setImmediate(resolve))
  await assert.rejects(content(rangesOfStream(plan('bytes=3-5', 26, true), source)), failure)
})
