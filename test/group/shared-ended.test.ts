// Processes that share a group and end: what they have said of themselves is removed, and what was theirs is the others'.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ServerGroup } from '../../lib/group/server-group.ts'
import { systemTimers } from '../../lib/runtime/timers.ts'
import { FakeTimers } from '../helpers/timers.ts'
import { MemoryBus } from '../helpers/memory-channel.ts'
import type { ChannelEvent } from '../../types/channel.ts'

const A = '127.0.0.1:1'
const B = '127.0.0.1:2'
const LIMIT = 7

class Workers implements AsyncDisposable {
  readonly bus = new MemoryBus()
  readonly timers = new FakeTimers()
  readonly living = new Map<string, ServerGroup>()
  readonly ended: ServerGroup[] = []
  #last = 0

  constructor (t: TestContext) {
    t.mock.method(performance, 'now', this.timers.now)
    t.mock.method(systemTimers, 'after', this.timers.after.bind(this.timers))
    t.mock.method(Date, 'now', this.timers.now)
  }

  get names (): string[] {
    return [...this.living.keys()]
  }

  async start (count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const process = `process-${++this.#last}`
      const group = new ServerGroup({
        name: 'g', servers: [{ address: A, maxConns: LIMIT }, { address: B, maxConns: LIMIT }], shared: this.bus.channel(process),
      })
      this.living.set(process, group)
      await group.open()
      group.hold()
    }
  }

  end (name: string, how: 'stop' | 'kill'): void {
    const group = this.living.get(name)
    assert(group)
    this.living.delete(name)
    if (how === 'kill') this.bus.cut(name)
    this.ended.push(group)
    if (how === 'stop') group.stop()
  }

  /** Long enough for all that is to be forgotten. */
  async pass (): Promise<void> {
    for (let minute = 0; minute < 3; minute++) {
      this.timers.advance(60_000)
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** What each process may use of a limit. */
  shares (): (number | undefined)[] {
    return [...this.living.values()].map(group => group.balancer?.servers[0]?.limit)
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    for (const group of [...this.living.values(), ...this.ended]) group.stop()
  }
}

const fair = (count: number): number[] =>
  Array.from({ length: count }, (_, index) => Math.floor(LIMIT / count) + (index < LIMIT % count ? 1 : 0))
/** The processes of which something is said. */
const named = (events: readonly ChannelEvent[]): string[] =>
  [...new Set(events.flatMap(({ key, value }) => JSON.stringify([key, value]).match(/process-\d+/g) ?? []))].sort()

const WAYS: Record<string, (workers: Workers, old: readonly string[]) => Promise<void>> = {
  'a reload: the new ones come, then the old ones leave': async (workers, old) => {
    await workers.start(old.length)
    for (const name of old) workers.end(name, 'stop')
  },
  'the old ones are killed when the new ones are there': async (workers, old) => {
    await workers.start(old.length)
    for (const name of old) workers.end(name, 'kill')
  },
  'each is killed and replaced, the one that leads first': async (workers, old) => {
    for (const name of old) {
      workers.end(name, 'kill')
      await workers.start(1)
    }
  },
  'all are killed, and nobody is left to know of it': async (workers, old) => {
    for (const name of old) workers.end(name, 'kill')
    await workers.start(old.length)
  },
}

for (const [way, replace] of Object.entries(WAYS)) {
  test(`what is known does not grow: ${way}`, async t => {
    await using workers = new Workers(t)
    await workers.start(3)
    const sizes: number[] = []
    for (let reload = 0; reload < 4; reload++) {
      await replace(workers, workers.names)
      await workers.pass()
      // Nobody has to end for it: the limit is that of the living in full.
      assert.deepEqual(workers.shares(), fair(3))
      assert.deepEqual(named(workers.bus.log.events()), workers.names.sort())
      sizes.push(workers.bus.log.events().length)
    }
    assert.deepEqual(sizes, Array(4).fill(sizes[0]))
    // Nor does any of them keep it for itself.
    for (const name of workers.names) assert.deepEqual(named(await workers.bus.ask(name)), workers.names.sort(), name)
  })
}

test('one that is told of an end after all is forgotten tells nobody anew of who has ended', async t => {
  await using workers = new Workers(t)
  await workers.start(4)
  const [first = '', second = '', third = '', fourth = ''] = workers.names
  workers.bus.cut(third)
  workers.end(first, 'kill')
  workers.end(second, 'stop')
  await workers.pass()
  assert.deepEqual(workers.shares()[1], LIMIT)
  workers.bus.join(third)
  await workers.pass()
  assert.deepEqual(workers.shares().sort(), fair(2).sort())
  for (const name of [third, fourth]) assert.deepEqual(named(await workers.bus.ask(name)), [third, fourth].sort(), name)
})

for (const how of ['cut', 'freeze'] as const) {
  test(`one that was taken for ended, and comes back, has its part again (${how})`, async t => {
    await using workers = new Workers(t)
    await workers.start(3)
    for (const name of workers.names) {
      workers.bus[how](name)
      await workers.pass()
      assert.deepEqual(named(workers.bus.log.events()), workers.names.filter(each => each !== name))
      workers.bus[how === 'cut' ? 'join' : 'thaw'](name)
      await workers.pass()
      assert.deepEqual(named(workers.bus.log.events()), workers.names)
      assert.deepEqual(workers.shares().sort(), fair(3).sort())
    }
  })
}

test('exchanges of one that comes back count, also where it was taken for ended', async t => {
  await using workers = new Workers(t)
  await workers.start(2)
  const [first = '', second = ''] = workers.names
  const running = Array.from({ length: 8 }, () => {
    const selection = workers.living.get(second)?.balancer?.begin()
    const peer = selection?.next()
    return peer === undefined ? undefined : () => selection?.release(peer, 'ok')
  })
  assert.equal(running.filter(each => each !== undefined).length, 6)
  workers.bus.freeze(second)
  await workers.pass()
  assert.deepEqual(workers.living.get(first)?.balancer?.servers.map(({ limit }) => limit), [LIMIT, LIMIT])
  workers.bus.thaw(second)
  await workers.pass()
  // Three of each are running.
  assert.deepEqual(workers.living.get(first)?.balancer?.servers.map(({ limit }) => limit), [4, 4])
  for (const end of running) end?.()
  assert.deepEqual(workers.shares(), fair(2))
})
