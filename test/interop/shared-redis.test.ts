// Four processes and a real Redis: what one of them edits, learns or finds out holds in all, and nobody needs Redis to go on.
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { test } from 'node:test'
import { Redis } from 'iovalkey'
import { redisChannel } from '../../lib/channel/index.ts'
import { FORGET } from '../../lib/channel/redis-scripts.ts'
import { isRecord } from '../../lib/options/checks.ts'
import { endProcesses, forkChannelProcesses, type ChannelProcess } from '../helpers/channel-processes.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { tempDir } from '../helpers/temp.ts'

const membersOf = (presence: unknown): unknown[] => isRecord(presence) && Array.isArray(presence['members']) ? presence['members'] : []
const isConnected = (presence: unknown): boolean => isRecord(presence) && presence['connected'] === true
function all<Result> (processes: readonly ChannelProcess[], work: (each: ChannelProcess) => Promise<Result>): Promise<Result[]> {
  return Promise.all(processes.map(work))
}
function weights (value: unknown): number[] {
  return Array.isArray(value) ? value.map(each => isRecord(each) ? Number(each['weight']) : NaN) : []
}

test('four processes share a group over Redis', { skip: noRedis, timeout: 120_000 }, async context => {
  await using dir = await tempDir()
  let redis = await startRedis(dir.socket())
  await using server = await startRecorder()
  const other = '127.0.0.1:9'
  const group = {
    servers: [{ address: server.address, maxConns: 10, maxFails: 1 }, other], health: { type: 'connect', interval: '1s', jitter: 0, fails: 1 },
  }
  const processes = forkChannelProcesses(4, { REDIS: redis.url, GROUP: JSON.stringify(group) }, 'shared-worker.ts')
  const [one, two, three, four] = processes
  assert(one && two && three && four)
  let ended: number | undefined
  try {
    await all([one, two, three], each => each.call('open'))

    await context.test('1,000 sessions that one has learnt are known to the others, and to whoever comes late', async () => {
      const sessions = Array.from({ length: 1000 }, (_, n) => `session-${n}`)
      await one.call('learn', sessions, other)
      await all([two, three], each => each.until('known', [sessions, other], known => known === 1000))
      await four.call('open')
      assert.equal(await four.call('known', sessions, other), 1000)
    })

    await all(processes, each => each.until('presence', [], presence => membersOf(presence).length === 4))

    await context.test('an edit at one holds in all, and of two at the same time the same one everywhere', async () => {
      await one.call('edit', server.address, { weight: 7 })
      await all([two, three, four], each => each.heard(
        ({ told, changes }) => told === 'edited' && isRecord(changes) && changes['weight'] === 7))
      await Promise.all([one.call('edit', other, { weight: 3 }), two.call('edit', other, { weight: 4 })])
      // One that comes after both: when it has arrived they have, too.
      await three.until('servers', [], value => [3, 4].includes(weights(value)[1] ?? 0))
      await three.call('edit', server.address, { weight: 5 })
      await all(processes, each => each.until('servers', [], value => weights(value)[0] === 5))
      for (;;) {
        const [first, ...others] = await all(processes, each => each.call('servers'))
        if (others.every(each => isDeepStrictEqual(weights(each), weights(first)))) break
      }
    })

    await context.test('maxConns is shared out, a failure of one takes the server out for all', async () => {
      const sum = (limits: unknown[]): number => limits.reduce(
        (total: number, each) => total + Number(Array.isArray(each) ? each[0] : NaN), 0)
      await one.until('limits', [], limits => Array.isArray(limits) && limits[0] <= 3)
      for (;;) {
        const total = sum(await all(processes, each => each.call('limits')))
        assert.ok(total <= 10, `${total}`)
        if (total === 10) break
      }
      await two.call('edit', server.address, { failTimeout: '1m' })
      await all(processes, each => each.heard(({ told, changes }) => told === 'edited' && isRecord(changes) && changes['failTimeout'] === 60_000))
      await three.call('fail', server.address)
      await all(processes, each => each.heard(({ told, state }) => told === 'state' && state === 'failed'))
    })

    await context.test('one of them checks the servers; when it is killed another one does', async () => {
      await all(processes, each => each.heard(({ told, state, server }) => told === 'state' && server === other && state === 'unhealthy'))
      const leader = await Promise.any(processes.map(async each => {
        each.forget()
        await each.heard(({ told }) => told === 'check')
        return each
      }))
      const [first] = membersOf(await leader.call('presence'))
      assert.ok(String(first).includes(`-${leader.worker.process.pid}-`), `${String(first)} leads, and ${leader.worker.process.pid} checks`)
      const left = processes.filter(each => each !== leader)
      assert.ok(left.every(({ told }) => !told.some(each => each.told === 'check')))
      ended = leader.worker.process.pid
      leader.worker.process.kill('SIGKILL')
      await Promise.any(left.map(each => each.heard(({ told }) => told === 'check')))
      processes.splice(processes.indexOf(leader), 1)
      await all(left, each => each.until('presence', [], presence => membersOf(presence).length === 3))
    })

    await context.test('what the killed one has said of itself is removed', async () => {
      const client = new Redis(redis.url)
      try {
        const isLeft = ([field, event]: [string, string]): boolean => field.includes(`-${ended}-`) && !event.includes('"value":null')
        while (Object.entries(await client.hgetall('{fastify-scgi}:group')).some(isLeft)) await new Promise(resolve => setTimeout(resolve, 50))
        const kinds = Object.keys(await client.hgetall('{fastify-scgi}:group')).map(field => field.slice(2).split(' ')[0])
        // Of the living they are kept, and of the ended one their removal is for a while.
        assert.deepEqual(kinds.filter(kind => kind === 'member' || kind === 'held').sort(), [...Array<string>(4).fill('held'), ...Array<string>(4).fill('member')])
      } finally {
        client.disconnect()
      }
    })

    for (const how of ['frozen', 'killed'] as const) {
      await context.test(`Redis is ${how}: each goes on by itself, with one warning, and catches up`, async () => {
        for (const each of processes) each.forget()
        const { url } = redis
        if (how === 'frozen') process.kill(redis.pid, 'SIGSTOP')
        else {
          process.kill(redis.pid, 'SIGKILL')
          await redis.stop()
        }
        await all(processes, each => each.until('presence', [], presence => !isConnected(presence)))
        const [first, second] = processes
        assert(first && second)
        const weight = how === 'frozen' ? 11 : 12
        await first.call('edit', server.address, { weight })
        await second.call('edit', other, { weight })
        // An outage that is over before anybody has asked is told of by nobody.
        await all(processes, each => each.heard(({ told }) => told === 'warning'))
        if (how === 'frozen') process.kill(redis.pid, 'SIGCONT')
        else redis = await startRedis(url)
        await all(processes, each => each.until('servers', [], value => isDeepStrictEqual(weights(value), [weight, weight])))
        await all(processes, each => each.until('presence', [], presence => isConnected(presence) && membersOf(presence).length === 3))
        for (const each of processes) assert.deepEqual(each.told.filter(({ told }) => told === 'warning').length, 1)
      })
    }
  } finally {
    await endProcesses(processes)
    await redis.stop()
  }
})

test('what a process says last, in the turn in which it leaves, is heard by the others', { skip: noRedis, timeout: 60_000 }, async () => {
  await using dir = await tempDir()
  const redis = await startRedis(dir.socket())
  const clients = [new Redis(redis.url), new Redis(redis.url)]
  const [one, two] = clients.map(client => redisChannel({ client }))
  assert(one && two)
  try {
    const heard: string[] = []
    let leave = (): void => {}
    const both = new Promise<void>(resolve => {
      leave = one.subscribe(() => {}, ({ connected, members }) => { if (connected && members.length === 2) resolve() })
    })
    let left = (): void => {}
    const gone = new Promise<void>(resolve => { left = resolve })
    const end = two.subscribe(({ key }) => heard.push(key), ({ members }) => {
      heard.push(String(members.length))
      if (heard.includes('2') && members.length === 1) left()
    })
    await both
    const { process } = one.presence()
    one.publish({ group: 'g', key: 'x', value: 1, clock: 1, process })
    leave()
    await gone
    assert.deepEqual(heard.slice(-2), ['x', '1'])
    assert.deepEqual((await two.snapshot()).map(({ key }) => key), ['x'])
    end()
  } finally {
    for (const client of clients) client.disconnect()
    await redis.stop()
  }
})

test('redisChannel: options', () => {
  const client = new Redis({ lazyConnect: true })
  for (const [options, code, message] of [
    [undefined, 'FST_SCGI_OPT_INVALID', /'redisChannel'/],
    [{}, 'FST_SCGI_OPT_INVALID', /'redisChannel\.client'/],
    [{ client: 'redis://' }, 'FST_SCGI_OPT_INVALID', /'redisChannel\.client'/],
    [{ client, prefix: 'a{b}' }, 'FST_SCGI_OPT_INVALID', /'redisChannel\.prefix'/],
    [{ client, timeout: '5' }, 'FST_SCGI_OPT_INVALID', /'redisChannel\.timeout'/],
    [{ client, url: 'x' }, 'FST_SCGI_OPT_UNKNOWN', /'redisChannel\.url'/],
  ] as const) {
    assert.throws(() => Reflect.apply(redisChannel, undefined, [options]), { code, message })
  }
  client.disconnect()
})

test('an event that is over is forgotten, unless a later one has taken its place meanwhile', { skip: noRedis, timeout: 60_000 }, async () => {
  await using dir = await tempDir()
  const redis = await startRedis(dir.socket())
  const client = new Redis(redis.url)
  try {
    await client.hset('K', 'over', 'as read', 'said anew', 'later')
    await client.eval(FORGET.text, 1, 'K', 'over', 'as read', 'said anew', 'as read', 'gone', 'as read')
    assert.deepEqual(await client.hgetall('K'), { 'said anew': 'later' })
  } finally {
    client.disconnect()
    await redis.stop()
  }
})
