// When the disk cache asks the disk at once, and when it leaves it to the thread pool.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import { AtOnce } from '../../lib/files/at-once.ts'
import { cpuWait } from '../../lib/files/cpu-wait.ts'
import { DiskStore } from '../../lib/cache/stores/disk.ts'

test('a call that takes long, or fails after long, stops calls at once: longer each time, up to a second, until there was none for long', t => {
  let now = 5000
  t.mock.method(performance, 'now', () => now)
  const atOnce = new AtOnce(() => 0)
  const take = (time: number, error?: Error): string => {
    try {
      return atOnce.run(() => {
        now += time
        if (error !== undefined) throw error
        return 'given'
      })
    } catch (caught) {
      return String(caught)
    }
  }
  assert.equal(atOnce.allowed, true)
  assert.equal(take(10), 'given')
  assert.equal(atOnce.allowed, true)
  const failure = new Error('mine')
  // The pauses before each call, and how long it stops others.
  for (const [pause, rest] of [[0, 100], [0, 200], [9900, 400], [0, 800], [0, 1000], [0, 1000], [10_000, 100], [0, 200]] as const) {
    now += pause
    assert.equal(rest % 200 === 0 ? take(11, failure) : take(11), rest % 200 === 0 ? 'Error: mine' : 'given')
    assert.equal(atOnce.allowed, false)
    now += rest - 1
    assert.equal(atOnce.allowed, false, `${rest} ms`)
    now += 1
    assert.equal(atOnce.allowed, true, `${rest} ms`)
  }
})

test('a call that took long because it had no processor is not held against the disk', t => {
  let now = 5000
  let waited = 300
  t.mock.method(performance, 'now', () => now)
  const atOnce = new AtOnce(() => waited)
  // Pause before the call, how long it takes, how much of that it waits for a processor, and whether the disk may be asked after that.
  for (const [pause, took, wait, allowed] of [
    [0, 50, 45, true], [0, 50, 40, true], [1, 12, 12, true], [1, 50, 39, false], [1000, 11, 0, false], [1000, 60, 55, true],
  ] as const) {
    now += pause
    atOnce.run(() => {
      now += took
      waited += wait
    })
    assert.equal(atOnce.allowed, allowed, `${wait} of ${took} ms`)
  }
  // Waiting of long before the call does not count.
  waited += 500
  now += 1000
  atOnce.run(() => { now += 20 })
  assert.equal(atOnce.allowed, false)
})

test('where the system does not tell of the processor, each long call counts, and it is not asked again', t => {
  let now = 5000
  let asked = 0
  t.mock.method(performance, 'now', () => now)
  const atOnce = new AtOnce(() => {
    asked++
    return NaN
  })
  for (let n = 0; n < 5; n++) {
    now += 100
    atOnce.run(() => {})
  }
  assert.deepEqual([atOnce.allowed, asked], [true, 1])
  atOnce.run(() => { now += 11 })
  assert.equal(atOnce.allowed, false)
})

test('Linux tells how long a thread has waited for a processor', { skip: process.platform !== 'linux' }, () => {
  const before = cpuWait()
  const after = cpuWait()
  // A kernel without these figures has no such file.
  if (Number.isNaN(before)) assert.ok(Number.isNaN(after))
  else assert.ok(before >= 0 && after >= before)
})

test('both ways store and find the same, small and large', async t => {
  for (const slow of [false, true]) {
    const path = await mkdtemp(join(tmpdir(), 'at-once-'))
    // The first call seems to take long, or none does.
    let now = 0
    const clock = t.mock.method(performance, 'now', () => {
      if (slow) now += 11
      return now
    })
    const store = new DiskStore({ path, maxSize: 1e9 })
    try {
      for (const [name, length] of [['small', 10], ['large', 200_000], ['small', 11]] as const) {
        const key = { origin: 'zone', method: 'GET', path: name, headers: {} }
        const writer = store.createWriteStream(key, {
          statusCode: 200, statusMessage: 'OK', headers: {}, cachedAt: Date.now(), staleAt: Date.now() + 1e6, deleteAt: Date.now() + 1e7,
        })
        assert.ok(writer !== undefined)
        writer.end(Buffer.alloc(length, name))
        await finished(writer)
        const found = await store.get(key)
        assert.equal(found?.size, length)
        if (found?.body !== undefined && !Buffer.isBuffer(found.body) && typeof found.body === 'object' && 'destroy' in found.body) found.body.destroy()
      }
      const files = (await readdir(path, { recursive: true, withFileTypes: true })).filter(file => file.isFile())
      assert.equal(files.length, 2, 'no temporary file is left')
    } finally {
      clock.mock.restore()
      await store.close()
      await rm(path, { recursive: true })
    }
  }
})
