// Bytes a second, to the client and from the application. Time passes when the test says so.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import fc from 'fast-check'
import { limitRate, UpstreamRate } from '../../lib/reply/rate.ts'
import { FakeTimers } from '../helpers/timers.ts'

const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** Bytes of a payload that have come to its reader. */
class Reader {
  bytes = 0
  ended = false
  readonly pieces: number[] = []

  constructor (payload: Readable) {
    payload.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      this.pieces.push(chunk.length)
    })
    payload.once('end', () => { this.ended = true })
  }
}

async function pass (timers: FakeTimers, milliseconds: number, step: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += step) {
    timers.advance(Math.min(step, milliseconds - passed))
    await settle()
  }
}

function limited (payload: Buffer | Readable, limit: { rate: number, after?: number, timers: FakeTimers }): Readable {
  const stream = limitRate(payload, limit)
  assert.ok(stream instanceof Readable)
  return stream
}

function source (payload: Buffer | 'stream', size: number, chunk: number): Buffer | Readable {
  if (payload !== 'stream') return payload
  let left = size
  return new Readable({
    read () {
      const length = Math.min(chunk, left)
      left -= length
      this.push(length === 0 ? null : Buffer.alloc(length))
    },
  })
}

test('ten seconds of a Buffer and of a stream: within 5 % of the figure at every second', async () => {
  for (const rate of [10, 1000, 12_345, 100_000, 5_000_000]) {
    for (const kind of [Buffer.alloc(rate * 20), 'stream'] as const) {
      const timers = new FakeTimers()
      const reader = new Reader(limited(source(kind, rate * 20, 16_384), { rate, timers }))
      await settle()
      for (let second = 1; second <= 10; second++) {
        await pass(timers, 1000, 100)
        const deviation = Math.abs(reader.bytes / (rate * second) - 1)
        // What goes in one piece counts most at the beginning: at 10 bytes a second it is a tenth of the first second's.
        assert.ok(deviation <= Math.max(0.05, 1 / (second * rate)) + 0.001, `${rate}: ${reader.bytes} bytes after ${second} s`)
      }
      assert.ok(Math.abs(reader.bytes / (rate * 10) - 1) <= 0.05)
    }
  }
})

test('smooth: pieces of a twentieth of a second, and late timers are made up for', async () => {
  const timers = new FakeTimers()
  const reader = new Reader(limited(Buffer.alloc(1_000_000), { rate: 10_000, timers }))
  await settle()
  assert.equal(reader.bytes, 500)
  await pass(timers, 1000, 10)
  assert.equal(Math.max(...reader.pieces), 500)
  assert.equal(reader.bytes, 500 + 10_000)
  // The event loop was busy for 300 ms.
  timers.time += 300
  await pass(timers, 700, 50)
  assert.equal(reader.bytes, 500 + 20_000)
})

test('a payload as long as ten seconds takes ten seconds, and its end comes with its last byte', async () => {
  const timers = new FakeTimers()
  const reader = new Reader(limited(Buffer.alloc(100_000), { rate: 10_000, timers }))
  await pass(timers, 9900, 50)
  assert.equal(reader.ended, false)
  await pass(timers, 100, 50)
  assert.deepEqual([reader.bytes, reader.ended, timers.pending], [100_000, true, 0])
})

test("never more than nginx's rate * (seconds + 1), whatever the chunks, the reader's pauses and the timers' lateness", async () => {
  const step = fc.record({ milliseconds: fc.nat(3000), late: fc.nat(500), takes: fc.boolean() })
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 100_000 }), fc.nat(20_000), fc.integer({ min: 1, max: 70_000 }), fc.boolean(),
    fc.array(step, { maxLength: 12 }),
    async (rate, after, chunk, whole, steps) => {
      const timers = new FakeTimers()
      const size = rate * 20 + after
      const payload = limited(source(whole ? Buffer.alloc(size) : 'stream', size, chunk), { rate, after, timers })
      const began = timers.time
      const reader = new Reader(payload)
      for (const { milliseconds, late, takes } of steps) {
        if (takes) payload.resume()
        else payload.pause()
        await settle()
        timers.time += late
        await pass(timers, milliseconds, 250)
        const allowed = rate * ((timers.time - began) / 1000 + 1)
        assert.ok(reader.bytes + payload.readableLength - after <= allowed, `${reader.bytes} of ${allowed} bytes`)
      }
      payload.destroy()
      assert.equal(timers.pending, 0)
    }), { numRuns: 100 })
})

test('after a standstill of the reader a second is made up for, not all of it', async () => {
  const timers = new FakeTimers()
  const payload = limited(Buffer.alloc(1_000_000), { rate: 10_000, timers })
  const reader = new Reader(payload)
  await pass(timers, 1000, 50)
  payload.pause()
  await settle()
  const before = reader.bytes
  await pass(timers, 60_000, 1000)
  payload.resume()
  await pass(timers, 50, 50)
  const burst = reader.bytes - before
  assert.ok(burst > 9000 && burst <= 12_000, `${burst} bytes`)
})

test('`after` goes at full speed, then the time begins', async () => {
  for (const kind of [Buffer.alloc(200_000), 'stream'] as const) {
    const timers = new FakeTimers()
    const reader = new Reader(limited(source(kind, 200_000, 16_384), { rate: 10_000, after: 100_000, timers }))
    for (let i = 0; i < 50; i++) await settle()
    assert.equal(reader.bytes, 100_500)
    await pass(timers, 5000, 50)
    assert.ok(Math.abs(reader.bytes - 150_500) <= 500, `${reader.bytes} bytes`)
  }
})

test('nothing to limit: no rate, or a Buffer that goes at once', () => {
  const [body, stream] = [Buffer.alloc(100_000), new PassThrough()]
  assert.equal(limitRate(body, { rate: 0 }), body)
  assert.equal(limitRate(stream, { rate: 0 }), stream)
  assert.equal(limitRate(body, { rate: 1000, after: 100_000 }), body)
  assert.equal(limitRate(body, { rate: 2_000_000 }), body)
  assert.equal(limitRate(body, { rate: Number.MAX_SAFE_INTEGER }), body)
  assert.notEqual(limitRate(body, { rate: 1_999_000 }), body)
})

test('the bytes are those of the payload', async () => {
  const body = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251))
  const pieces = [body.subarray(0, 10), body.subarray(10, 99_000), body.subarray(99_000)]
  for (const payload of [body, Readable.from(pieces, { objectMode: false })]) {
    const timers = new FakeTimers()
    const stream = limited(payload, { rate: 10_000, timers })
    const read = buffer(stream)
    await pass(timers, 11_000, 500)
    assert.deepEqual(await read, body)
  }
})

test('the throttled payload is read as far as it is passed on', async () => {
  const timers = new FakeTimers()
  let made = 0
  const payload = new Readable({ highWaterMark: 1000, read () { made += 1000; this.push(Buffer.alloc(1000)) } })
  const reader = new Reader(limited(payload, { rate: 10_000, timers }))
  await settle()
  await pass(timers, 5000, 50)
  assert.equal(reader.bytes, 50_500)
  assert.ok(made <= reader.bytes + 4000, `${made} bytes`)
  payload.destroy()
})

test('destroying the stream destroys the payload and stops the timer', async () => {
  const timers = new FakeTimers()
  const payload = new Readable({ read () { this.push(Buffer.alloc(1000)) } })
  const stream = limited(payload, { rate: 1000, timers })
  const reader = new Reader(stream)
  await settle()
  assert.equal(timers.pending, 1)
  stream.destroy()
  await once(stream, 'close')
  assert.deepEqual([timers.pending, payload.destroyed], [0, true])
  const { bytes } = reader
  await pass(timers, 5000, 1000)
  assert.equal(reader.bytes, bytes)
})

test('an error of the payload comes after what came before it', async () => {
  const failure = new Error('reset')
  for (const [error, expected] of [[failure, failure], [undefined, { code: 'FST_SCGI_REPLY_TRUNCATED', message: /after 1000 bytes/ }]] as const) {
    const timers = new FakeTimers()
    const payload = new PassThrough()
    const stream = limited(payload, { rate: 1000, timers })
    const reader = new Reader(stream)
    const failed = once(stream, 'error')
    payload.write(Buffer.alloc(1000))
    await settle()
    payload.destroy(error)
    await pass(timers, 900, 50)
    assert.deepEqual([reader.bytes < 1000, stream.destroyed], [true, false])
    await pass(timers, 200, 50)
    const [actual] = await failed
    assert.throws(() => { throw actual }, expected)
    assert.deepEqual([reader.bytes, reader.ended, timers.pending], [1000, false, 0])
  }
})

test("the system's timers: they end with the payload", async () => {
  const stream = limitRate(Buffer.alloc(3000), { rate: 100_000 })
  assert.ok(Buffer.isBuffer(stream))
  const slow = limitRate(Buffer.alloc(11_000), { rate: 100_000 })
  assert.ok(slow instanceof Readable)
  assert.equal((await buffer(slow)).length, 11_000)
})

test('from the application: ten seconds within 5 % whatever the size of the reads, and never far ahead', () => {
  const reads = fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 1, maxLength: 20 })
  fc.assert(fc.property(fc.integer({ min: 1000, max: 10_000_000 }), reads, (rate, sizes) => {
    let now = 5000
    let read = 0
    const began = now
    const limiter = new UpstreamRate(rate, () => now)
    // A read takes no time: all of it is in the pauses. Small reads at a high rate would be many.
    for (let i = 0; now - began < 10_000 && i < 20_000; i++) {
      const size = sizes[i % sizes.length] ?? 1
      read += size
      const pause = limiter.read(size)
      assert.ok(Number.isInteger(pause) && pause >= 0)
      now += pause
      const seconds = (now - began) / 1000
      assert.ok(read <= rate * seconds + size + rate / 1000, `${read} bytes in ${seconds} s`)
    }
    const seconds = (now - began) / 1000
    if (seconds >= 10) assert.ok(read >= rate * seconds * 0.95 - 65_536)
  }), { numRuns: 50 })
})

test('from the application: the pause of nginx, n * 1000 / rate', () => {
  let now = 0
  const limiter = new UpstreamRate(10_000, () => now)
  assert.equal(limiter.read(5000), 500)
  now += 500
  assert.equal(limiter.read(10_000), 1000)
  // The pause was 200 ms too long: the next is shorter.
  now += 1200
  assert.equal(limiter.read(10_000), 800)
  // A minute without a byte: a second of it is made up for.
  now += 60_000
  assert.equal(limiter.read(10_000), 0)
  assert.equal(limiter.read(1), 0)
  assert.equal(limiter.read(5000), 500)
  // Less than a millisecond is kept.
  now += 500
  let pauses = 0
  for (let i = 0; i < 100; i++) pauses += limiter.read(5)
  assert.ok(pauses > 0)
  assert.equal(new UpstreamRate(1, () => 0).read(Number.MAX_SAFE_INTEGER), 2 ** 31 - 1)
})

test('what has gone before the payload counts, after the bytes that are free, and is asked once', async () => {
  for (const kind of [Buffer.alloc(3000), 'stream'] as const) {
    for (const [after, spent] of [[0, 500], [200, 500], [600, 500], [0, 0]] as const) {
      const timers = new FakeTimers()
      const begun = timers.now()
      let asked = 0
      const limit = { rate: 1000, after, timers, spent: () => { asked++; return spent } }
      const reader = new Reader(limited(source(kind, 3000, 1000), limit))
      for (let turn = 0; turn < 5; turn++) await settle()
      for (let step = 0; step < 150; step++) {
        const paid = after + timers.now() - begun
        assert.equal(reader.bytes > 0, paid >= spent, `${after} ${spent}: ${reader.bytes} bytes after ${paid - after} ms`)
        assert.ok(reader.bytes === 0 || Math.abs(reader.bytes + spent - paid) <= 60, `${after} ${spent}: ${reader.bytes} bytes after ${paid - after} ms`)
        await pass(timers, 10, 10)
        await settle()
      }
      assert.equal(asked, 1)
    }
  }
})
