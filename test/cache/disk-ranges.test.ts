// Ranges of a large entry on disk: whatever becomes of the entry, the store or the disk meanwhile, a reply that has begun is right to its end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs, { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { CachedEntry } from '../../lib/cache/entry.ts'
import { StoreKey } from '../../lib/cache/key.ts'
import { StoreGuard } from '../../lib/cache/store-guard.ts'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { rangesOfBuffer, rangesOfSource, type RangeSource } from '../../lib/filters/range-body.ts'
import { planRanges, type PartialPlan } from '../../lib/http/ranges.ts'
import { EntryBody } from '../../lib/reply/entry-body.ts'
import { eventually } from '../gateway/kit.ts'
import { tempDir, type TempDir } from '../helpers/temp.ts'
import { FakeTimers } from '../helpers/timers.ts'
import { keyOf, pattern, write } from './store-kit.ts'

const SIZE = 400_000
const BYTES = pattern(SIZE, 1)
const SHORT = '150000-150099'
const LONG = '100000-299999'
const NO_PROC = { skip: !existsSync('/proc/self/fd') ? 'no /proc/self/fd' : false }

function planOf (range: string): PartialPlan {
  const plan = planRanges({ method: 'GET', headers: { range: `bytes=${range}` } }, { status: 200, size: SIZE, allowed: true })
  assert.ok(plan.kind === 'single' || plan.kind === 'multipart')
  return plan
}

interface Reading {
  readonly store: DiskStore
  readonly guard: StoreGuard
  readonly clock: FakeTimers
  readonly source: RangeSource
}

async function reading (dir: TempDir): Promise<Reading> {
  const store = new DiskStore({ path: dir.path })
  const clock = new FakeTimers()
  const guard = new StoreGuard(store, 250, clock, () => {})
  await write(store, '/large', BYTES)
  const found = await store.get(keyOf('/large'))
  assert.ok(found?.body instanceof Readable)
  const key = new StoreKey(keyOf('/large').origin, '/large', () => ({}))
  return { store, guard, clock, source: new EntryBody(new CachedEntry(found, key, guard)) }
}

/** Descriptors that are open in a directory, also of files that are removed. */
function openIn (path: string): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path)
    } catch {
      return false // the descriptor of the listing itself
    }
  }).length
}

async function content (payload: Readable | Buffer): Promise<Buffer> {
  return Buffer.isBuffer(payload) ? payload : buffer(payload)
}

for (const [what, happen] of [
  ['nothing', async () => {}],
  ['a purge', async ({ store }) => { assert.equal(await store.purge(keyOf('/large').origin, { key: '/large' }, false), 1) }],
  ['another entry', ({ store }) => write(store, '/large', pattern(SIZE, 2))],
  ['a store that is closed', ({ store }) => store.close()],
  ['a cache that is closed', async ({ guard }) => { guard.closed = true }],
] as [string, (reading: Reading) => Promise<void>][]) {
  test(`all ranges of a reply are from one open file, which is closed then: ${what}`, NO_PROC, async () => {
    for (const range of [SHORT, LONG, `10-99,${LONG},${SHORT}`, `${LONG},${SHORT},0-5`, `${SHORT},0-0`]) {
      // Before the first part, before the second.
      for (const at of [0, 1]) {
        await using dir = await tempDir()
        const made = await reading(dir)
        let opened = 0
        const source: RangeSource = {
          open: async (start, end) => {
            if (opened++ === at) await happen(made)
            return made.source.open(start, end)
          },
          close: () => made.source.close(),
        }
        const plan = planOf(range)
        const got = await content(rangesOfSource(plan, source))
        assert.ok(got.equals(rangesOfBuffer(plan, BYTES)), `${range}, before part ${at}`)
        assert.equal(opened, plan.parts.length)
        await eventually(() => openIn(dir.path) === 0, `${range}: the file is closed`)
        await made.store.close()
      }
    }
  })
}

test('a disk that is slower than storeTimeout makes a range slow, and not wrong', async t => {
  for (const range of [SHORT, `${SHORT},0-9`, `${LONG},0-9`]) {
    await using dir = await tempDir()
    const { store, clock, source, guard } = await reading(dir)
    const { read } = fs
    const mock = t.mock.method(fs, 'read', (...args: Parameters<typeof read>) => {
      setImmediate(() => {
        clock.advance(10_000)
        read(...args)
      })
    })
    const plan = planOf(range)
    const got = await content(rangesOfSource(plan, source))
    mock.mock.restore()
    assert.ok(got.equals(rangesOfBuffer(plan, BYTES)), range)
    assert.ok(mock.mock.callCount() > 0)
    assert.equal(guard.failures, 0)
    await store.close()
  }
})

test('a client that leaves during any of the ranges leaves nothing open', NO_PROC, async () => {
  for (const leaveAt of [0, 1, 2]) {
    for (const range of [`${SHORT},${LONG},0-5`, `${LONG},${SHORT},0-5`]) {
      await using dir = await tempDir()
      const { store, source } = await reading(dir)
      let opened = 0
      const payload = rangesOfSource(planOf(range), {
        open: (start, end) => {
          const part = source.open(start, end)
          // While the part is being opened, and read.
          if (opened++ === leaveAt) setImmediate(() => { if (payload instanceof Readable) payload.destroy() })
          return part
        },
        close: () => source.close(),
      })
      assert.ok(payload instanceof Readable)
      const closed = once(payload, 'close')
      payload.resume()
      await closed
      await eventually(() => openIn(dir.path) === 0, `${range}: the file is closed`)
      await store.close()
    }
  }
})

test('a file that has become shorter fails the range', async () => {
  for (const range of [SHORT, LONG, `0-9,${SHORT}`]) {
    await using dir = await tempDir()
    const { store, source } = await reading(dir)
    const [file] = readdirSync(dir.path, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
    assert.ok(file !== undefined)
    fs.truncateSync(`${dir.path}/${file.name}`, 100_000)
    await assert.rejects(content(rangesOfSource(planOf(range), source)), { code: 'FST_SCGI_CACHE_STORE', message: /become shorter/ })
    await store.close()
  }
})
