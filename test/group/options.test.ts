// group.setOptions: every option of a group that may change, all or nothing, in force at once, and in all processes that share the group.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createUpstreams } from '../../lib/index.ts'
import { ServerGroup } from '../../lib/group/server-group.ts'
import { MemoryBus } from '../helpers/memory-channel.ts'
import { turnsUntil } from '../helpers/passing.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import type { GroupOptionsEvent, GroupOptions } from '../../types/index.ts'

const A = '127.0.0.1:1'
const B = '127.0.0.1:2'
const SECRET = 'a key of some length'

/** Each option: as it is configured, an edit of it, and what it then is. */
const CASES: [option: 'balance' | 'sticky' | 'queue' | 'tries' | 'failOnStatus' | 'forceRecovery' | 'health', configured: unknown, edit: unknown, after: unknown][] = [
  ['balance', undefined, 'least_conn', 'least_conn'],
  ['balance', { leastTime: 'header' }, { leastTime: 'lastByte' }, { leastTime: 'lastByte' }],
  ['balance', 'ip_hash', null, 'round_robin'],
  ['sticky', undefined, { apache: { cookie: 'sid' } }, { apache: { cookie: 'sid' } }],
  ['sticky', { apache: { cookie: 'sid' } }, null, undefined],
  ['sticky', { apache: { cookie: 'sid' } }, { apache: { cookie: 'other' } }, { apache: { cookie: 'other' } }],
  ['sticky', { apache: { cookie: 'sid', param: 'sid' } }, { apache: { param: null } }, { apache: { cookie: 'sid' } }],
  ['sticky', { apache: { cookie: 'sid' } }, { failover: false }, { apache: { cookie: 'sid' }, failover: false }],
  ['sticky', { cookie: { name: 'a', secret: SECRET } }, { cookie: { name: 'b' } }, { cookie: { name: 'b', secret: SECRET } }],
  ['sticky', { cookie: { name: 'a', secret: SECRET }, failover: false }, { apache: { param: 'p' } }, { apache: { param: 'p' }, failover: false }],
  ['queue', undefined, { size: 5, timeout: '2s' }, { size: 5, timeout: '2s' }],
  ['queue', { size: 5 }, { timeout: '9s' }, { size: 5, timeout: '9s' }],
  ['queue', { size: 5 }, null, undefined],
  ['tries', undefined, 2, 2],
  ['tries', 2, null, 0],
  ['failOnStatus', undefined, [500, 502], [500, 502]],
  ['failOnStatus', [500], null, undefined],
  ['forceRecovery', undefined, true, true],
  ['health', undefined, { interval: '10s' }, { interval: '10s' }],
  ['health', { type: 'scgi', path: '/health', expect: { status: 200 } },
    { method: 'HEAD', path: '/other', interval: '30s', passes: 2, fails: 3, expect: { status: '2xx' } },
    { type: 'scgi', method: 'HEAD', path: '/other', interval: '30s', passes: 2, fails: 3, expect: { status: '2xx' } }],
  ['health', [{ type: 'scgi', interval: '1m' }, { type: 'http' }], { type: 'scgi', fails: 2 }, [{ type: 'scgi', interval: '1m', fails: 2 }, { type: 'http' }]],
  ['health', { interval: '1m' }, null, undefined],
]

function optionsOf (option: string, configured: unknown): GroupOptions<never> {
  return { name: 'g', servers: [A, B], ...(configured === undefined ? undefined : { [option]: configured }) }
}

test('each option that may change, and what it then is, here and in the other processes', async () => {
  for (const [option, configured, edit, after] of CASES) {
    const bus = new MemoryBus()
    const [one, other] = ['one', 'other'].map(name => new ServerGroup({ ...optionsOf(option, configured), shared: bus.channel(name) }))
    assert(one && other)
    await Promise.all([one.open(), other.open()])
    const told: string[] = []
    one.on('options', ({ changed }: GroupOptionsEvent) => told.push(...changed))
    const before = { ...one.options }
    one.setOptions({ [option]: edit })
    const label = `${option} ${JSON.stringify(configured)} ${JSON.stringify(edit)}`
    assert.deepEqual(one.options, { ...before, [option]: after }, label)
    await turnsUntil(() => JSON.stringify(other.options) === JSON.stringify(one.options), label)
    assert.deepEqual(told, option === 'balance' ? [] : [option])
    // The next process that comes hears of it, too.
    const late = new ServerGroup({ ...optionsOf(option, configured), shared: bus.channel('late') })
    await late.open()
    assert.deepEqual(late.options, one.options, label)
    for (const group of [one, other, late]) group.stop()
  }
})

test('true is what was configured', () => {
  const group = createUpstreams({ name: 'g', servers: [A, B], sticky: { apache: { cookie: 'sid' } }, queue: { size: 3 } })
  const { sticky, queue } = group.options
  group.setOptions({ sticky: null, queue: { size: 4 } })
  group.setOptions({ sticky: true, queue: true })
  assert.deepEqual([group.options.sticky, group.options.queue], [sticky, queue])
  assert.throws(() => group.setOptions({ health: true }), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
})

test('wrong changes: an error as at register, and nothing is changed', async () => {
  const bus = new MemoryBus()
  const shared = new ServerGroup({ name: 's', servers: [A, B], shared: bus.channel('one') })
  await shared.open()
  const group = createUpstreams({ name: 'g', servers: [A, { address: B, slowStart: '5s' }], sticky: { apache: { cookie: 'sid' } } })
  const cases: [unknown, string, RegExp][] = [
    [{ queue: { size: 0 } }, 'INVALID', /'queue\.size'/],
    [{ queue: { timeout: '5s' } }, 'INVALID', /'queue\.size'/],
    [{ tries: 3, queue: 5 }, 'INVALID', /'queue'/],
    [{ tries: -1 }, 'INVALID', /'tries'/],
    [{ failOnStatus: [99] }, 'INVALID', /'failOnStatus'/],
    [{ forceRecovery: 'on' }, 'INVALID', /'forceRecovery'/],
    [{ sticky: { failover: 1 } }, 'INVALID', /'sticky\.failover'/],
    [{ sticky: { cookie: { name: 'a' } } }, 'INVALID', /'sticky\.cookie\.secret'/],
    [{ sticky: { nonsense: {} } }, 'UNKNOWN', /'sticky\.nonsense'/],
    [{ health: { interval: 1 } }, 'INVALID', /'health\.interval'/],
    [{ health: { type: 'http' } }, 'UNSUPPORTED', /'health'/],
    [{ balance: 'ip_hash' }, 'UNSUPPORTED', /slowStart/],
    [{ servers: [] }, 'UNSUPPORTED', /'group\.servers'/],
    [{ name: 'x' }, 'UNSUPPORTED', /'group\.name'/],
    [{ shared: undefined }, 'UNSUPPORTED', /'group\.shared'/],
    [{ resolver: {} }, 'UNSUPPORTED', /'group\.resolver'/],
    [{ outlier: {} }, 'UNSUPPORTED', /'group\.outlier'/],
    [{ quue: {} }, 'UNKNOWN', /queue/],
    [null, 'INVALID', /'changes'/],
  ]
  for (const [changes, code, message] of cases) {
    const before = JSON.stringify(group.options)
    assert.throws(() => Reflect.apply(group.setOptions, group, [changes]), { code: `FST_SCGI_OPT_${code}`, message }, JSON.stringify(changes))
    assert.equal(JSON.stringify(group.options), before)
  }
  assert.throws(() => shared.setOptions({ health: { type: 'scgi', expect: { body: /ok/ } } }), { code: 'FST_SCGI_OPT_UNSUPPORTED', message: /JSON/ })
  assert.equal(shared.options.health, undefined)
  shared.stop()
})

test('two processes that edit at once end with the same', async () => {
  const bus = new MemoryBus()
  const groups = ['one', 'two'].map(name => new ServerGroup({ name: 'g', servers: [A, B], queue: { size: 5 }, shared: bus.channel(name) }))
  await Promise.all(groups.map(group => group.open()))
  const [one, two] = groups
  one?.setOptions({ queue: { size: 6 }, tries: 3 })
  two?.setOptions({ queue: { timeout: '7s' }, forceRecovery: true })
  one?.setOptions({ sticky: { apache: { cookie: 'sid' } } })
  await turnsUntil(() => JSON.stringify(one?.options) === JSON.stringify(two?.options) && one?.options.tries === 3 && one.options.forceRecovery === true, 'the same')
  for (const group of groups) group.stop()
})

test('in force with the next request: attempts, statuses that count, sessions, checks', async () => {
  await using answering = await startRecorder({ answer: 'Status: 500 no\r\nContent-Length: 0\r\n\r\n' })
  await using checked = await startRecorder({ answer: 'Status: 204 well\r\nContent-Length: 0\r\n\r\n' })
  const refused = [await refusedAddress(), await refusedAddress()]
  const group = createUpstreams({ name: 'g', servers: [...refused.map(address => ({ address, maxFails: 0, route: 'r' })), { address: answering.address, route: 'a', maxFails: 1, failTimeout: '1h' }] })
  await using app = Fastify()
  app.register(scgi, { upstreams: group })
  await app.ready()
  const ask = async (cookie?: string): Promise<number> =>
    (await app.inject({ url: '/', ...(cookie === undefined ? undefined : { headers: { cookie } }) })).statusCode
  assert.equal(await ask(), 500)
  group.setOptions({ tries: 1 })
  // One that has failed has fewer turns, not none.
  const statuses = new Set<number>()
  for (let turn = 0; turn < 30; turn++) statuses.add(await ask())
  assert.deepEqual(statuses, new Set([500, 502]))
  group.setOptions({ tries: 0, sticky: { apache: { cookie: 'sid' }, failover: false } })
  assert.deepEqual([await ask('sid=1.a'), await ask('sid=1.r')], [500, 502])
  group.setOptions({ failOnStatus: [500] })
  assert.equal(await ask('sid=1.a'), 500)
  assert.equal(group.servers[2]?.failed, true)
  group.setOptions({ forceRecovery: true, failOnStatus: null })
  group.setOptions({ sticky: { failover: true } })
  group.setOptions({ health: { type: 'scgi', path: '/health', interval: 100, mandatory: true, expect: { status: 204 } } })
  await turnsUntil(() => group.servers.every(({ state }) => state === 'unhealthy'), 'unhealthy', 10)
  await group.add(checked.address)
  await turnsUntil(() => group.servers[3]?.healthy === true, 'healthy', 10)
  // Nothing would bring them back that were out by their checks.
  group.setOptions({ health: null })
  assert.deepEqual(group.servers.map(({ healthy }) => healthy), [true, true, true, true])
})
