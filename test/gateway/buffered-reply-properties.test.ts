// Whatever the order in which pieces come and are read: the same bytes, within the limits.
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { once } from 'node:events'
import { FakeApplication, small, turn } from '../helpers/reply-source.ts'
import type { ReplyBuffering } from '../../lib/reply/buffering-options.ts'

const BODY = randomBytes(40_000)

const step = fc.oneof(
  fc.record({ kind: fc.constant('feed' as const), size: fc.integer({ min: 1, max: 100 }), count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant('read' as const), size: fc.integer({ min: 1, max: 50 }), count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constantFrom('turns' as const, 'flow' as const), size: fc.constant(0), count: fc.integer({ min: 1, max: 12 }) }))

const sizes = fc.record({
  maxTempFileSize: fc.constantFrom(0, 80, 100, 333, 1000, 1e9),
  tempFileWriteSize: fc.constantFrom(30, 80, 200),
  busyBuffersSize: fc.constantFrom(50, 200),
  memory: fc.constantFrom(102, 150, 400),
  limit: fc.constantFrom(0, 300, Infinity),
})

function checkLimits ({ reply }: FakeApplication, { memory, busyBuffersSize, maxTempFileSize, tempTotal }: ReplyBuffering): void {
  assert.ok(reply.inMemory <= memory, `${reply.inMemory} in memory`)
  assert.ok(reply.readableLength <= busyBuffersSize, `${reply.readableLength} handed over`)
  assert.ok(reply.inFile <= maxTempFileSize && tempTotal.used <= Math.min(maxTempFileSize, tempTotal.limit), `${reply.inFile} of ${tempTotal.used} in the file`)
}

for (const failing of [false, true]) {
  test(`any interleaving of pieces and reads${failing ? ', broken off' : ''}`, async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), sizes, async (steps, { limit, ...some }) => {
      const settings = small(undefined, { ...some, tempTotal: { used: 0, limit } })
      const application = new FakeApplication(settings)
      const { reply } = application
      const got: Buffer[] = []
      const take = (piece: unknown): void => { if (Buffer.isBuffer(piece)) got.push(piece) }
      let fed = 0
      for (const { kind, size, count } of steps) {
        if (kind === 'flow') reply.on('data', take).resume()
        for (let n = 0; n < count; n++) {
          if (kind === 'feed' && !application.paused) application.feed(BODY.subarray(fed, fed += size))
          else if (kind === 'read') take(reply.read(Math.min(size, reply.readableLength)))
          else if (kind === 'flow' || kind === 'turns') await turn()
          checkLimits(application, settings)
        }
        // What is read as it flows must not be taken twice.
        if (kind === 'flow') reply.off('data', take).pause()
      }
      const errors: string[] = []
      let ended = false
      reply.on('error', ({ message }) => errors.push(message)).on('end', () => { ended = true })
      const closed = once(reply, 'close')
      closed.catch(() => {})
      if (failing) reply.fail(new Error('broken'))
      else reply.finish()
      if (!reply.destroyed) reply.on('data', take).resume()
      if (!failing) await closed
      else await assert.rejects(closed)
      assert.deepEqual([ended, errors], [!failing, failing ? ['broken'] : []])
      assert.equal(Buffer.concat(got).compare(BODY.subarray(0, fed)), 0)
      assert.deepEqual([application.abandoned, application.fileErrors], [false, []])
      assert.equal(settings.tempTotal.used, 0)
    }), { numRuns: 300 })
  })
}

test('an application that sends without end, and a client that reads now and then', async () => {
  const someReads = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 20, maxLength: 150 })
  await fc.assert(fc.asyncProperty(someReads, sizes, async (reads, { limit, ...some }) => {
    const settings = small(undefined, { ...some, tempTotal: { used: 0, limit } })
    const application = new FakeApplication(settings)
    const { reply } = application
    const sending = application.send(BODY.subarray(0, 6000), () => checkLimits(application, settings))
    const got: Buffer[] = []
    for (const size of reads) {
      for (let left = size; left > 0;) {
        const piece: unknown = reply.read(Math.min(left, reply.readableLength))
        if (!Buffer.isBuffer(piece)) break
        got.push(piece)
        left -= piece.length
      }
      await turn()
    }
    for await (const piece of reply) got.push(piece)
    await sending
    assert.equal(Buffer.concat(got).compare(BODY.subarray(0, 6000)), 0)
    assert.equal(settings.tempTotal.used, 0)
  }), { numRuns: 30 })
})
