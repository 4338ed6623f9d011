// A group as it is configured: what it takes, what it refuses, what it opens.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpstreams, ServerGroup } from '../../lib/group/server-group.ts'
import type { GroupOptions, ServerStateEvent } from '../../types/index.ts'

test('the servers and what they begin with', () => {
  const group = createUpstreams(['127.0.0.1:1', { address: 'unix:/a', weight: 3, backup: true, down: true }])
  assert.deepEqual(group.servers.map(({ name, weight, backup, down, active, fails, failed }) => {
    return [name, weight, backup, down, active, fails, failed]
  }), [
    ['127.0.0.1:1', 1, false, false, 0, 0, false],
    ['unix:/a', 3, true, true, 0, 0, false],
  ])
})

test('its name is the one given, or made of its addresses', () => {
  assert.equal(createUpstreams({ name: 'shop', servers: ['127.0.0.1'] }).name, 'shop')
  assert.equal(createUpstreams(['127.0.0.1', '[::1]:1', 'unix:/a|scgi://b/c', 'app', { address: 'app:2' }]).name,
    '127.0.0.1:4000,[::1]:1,unix:/a,app:4000,app:2')
})

test('what it does not take is refused by name', () => {
  const wrong: [unknown, string, RegExp][] = [
    [[], 'INVALID', /'upstreams\.servers' is \[\], expected a list of at least one server/],
    [{ servers: 'a' }, 'INVALID', /upstreams\.servers/],
    [{}, 'INVALID', /upstreams\.servers/],
    [{ servers: ['a'], nam: 'b' }, 'UNKNOWN', /no option 'upstreams\.nam' \(is 'upstreams\.name' meant\?\)/],
    [{ servers: ['a'], name: '' }, 'INVALID', /upstreams\.name/],
    [{ servers: ['a'], name: 'a b' }, 'INVALID', /upstreams\.name/],
    [{ servers: ['a'], name: 'a,b' }, 'INVALID', /upstreams\.name/],
    [{ servers: ['a'], name: 7 }, 'INVALID', /upstreams\.name/],
    [[{ address: 'a', backup: true }], 'INVALID', /at least one server that is not a backup/],
    [['a', { address: 'b', wait: 1 }], 'UNKNOWN', /no option 'upstreams\[1\]\.wait': a server has address, weight/],
    [['a', 7], 'INVALID', /upstreams\[1\]/],
    [['a', {}], 'INVALID', /upstreams\[1\]\.address/],
    [['a', ['b']], 'INVALID', /upstreams\[1\]/],
    [[{ address: 'a', weight: 0 }], 'INVALID', /upstreams\[0\]\.weight' is 0, expected an integer of 1 or more/],
    [[{ address: 'a', weight: 1.5 }], 'INVALID', /weight/],
    [[{ address: 'a', weight: '2' }], 'INVALID', /weight/],
    [[{ address: 'a', maxConns: -1 }], 'INVALID', /maxConns/],
    [[{ address: 'a', maxFails: NaN }], 'INVALID', /maxFails/],
    [[{ address: 'a', failTimeout: '10 seconds' }], 'INVALID', /upstreams\[0\]\.failTimeout/],
    [[{ address: 'a', keepalive: true }], 'INVALID', /keepalive/],
    [[{ address: 'a', preconnect: -1 }], 'INVALID', /preconnect/],
    [[{ address: 'a', down: 1 }], 'INVALID', /down/],
    [[{ address: 'a', backup: 'yes' }], 'INVALID', /backup/],
    [['ftp://a'], 'UNSUPPORTED', /upstreams\[0\]/],
  ]
  for (const [options, code, message] of wrong) {
    assert.throws(() => Reflect.apply(createUpstreams, undefined, [options]), { code: `FST_SCGI_OPT_${code}`, message }, JSON.stringify(options))
  }
})

test('a name is looked up once, each of its addresses is a server with the options of the line', async () => {
  const asked: string[] = []
  const group = new ServerGroup({ servers: [{ address: 'app:9', weight: 2, maxFails: 5 }, '127.0.0.1:1'] })
  assert.deepEqual(group.servers, [])
  assert.equal(group.balancer, undefined)
  const lookup = async (name: string): Promise<{ address: string, family: number }[]> => {
    asked.push(name)
    return [{ address: '10.0.0.1', family: 4 }, { address: '10.0.0.2', family: 4 }]
  }
  const [one, two] = await Promise.all([group.open(lookup), group.open(lookup)])
  assert.equal(one, two)
  assert.equal(group.balancer, one)
  assert.deepEqual(asked, ['app'])
  assert.deepEqual(one.servers.map(({ name, weight, maxFails }) => [name, weight, maxFails]), [['10.0.0.1:9', 2, 5], ['10.0.0.2:9', 2, 5], ['127.0.0.1:1', 1, 1]])
  assert.equal(one.single, false)
})

test('a name with one address is a single server', async () => {
  const group = new ServerGroup({ servers: ['app'] })
  assert.equal((await group.open(async () => [{ address: '10.0.0.1', family: 4 }])).single, true)
})

test('a lookup that failed is tried again at the next open', async () => {
  const group = new ServerGroup({ servers: ['app'] })
  await assert.rejects(group.open(async () => { throw new Error('no DNS') }), { code: 'FST_SCGI_RESOLVE' })
  assert.equal((await group.open(async () => [{ address: '10.0.0.1', family: 4 }])).servers.length, 1)
})

test('single: each address for itself, a backup too', () => {
  const options: GroupOptions = { servers: ['127.0.0.1:1', { address: 'unix:/a', backup: true, maxConns: 2 }, { address: '127.0.0.1:3', down: true }] }
  const group = new ServerGroup(options)
  const singles = ['127.0.0.1:1', 'unix:/a', '127.0.0.1:3'].map(address => group.single(address))
  for (const single of singles) assert.equal(single?.balancer?.single, true)
  assert.deepEqual(singles.map(single => single?.servers[0]?.down), [false, false, true])
  assert.equal(group.single('127.0.0.1:2'), undefined)
})

test('state: each listener is told of what becomes of a server, until it stops', async t => {
  let time = performance.now()
  t.mock.method(performance, 'now', () => time)
  const group = new ServerGroup({ name: 'g', servers: [{ address: '127.0.0.1:1', failTimeout: 0 }, '127.0.0.1:2'] })
  const told: string[] = []
  const listener = (event: ServerStateEvent): void => {
    assert.equal(event.group, group)
    told.push(`${event.server.name} ${event.previous} ${event.state}`)
  }
  group.on('state', listener)
  const balancer = await group.open()
  const attempt = async (outcome: 'ok' | 'failed'): Promise<void> => {
    const selection = balancer.begin()
    const peer = selection.next()
    if (peer !== undefined) selection.release(peer, peer.name.endsWith(':1') ? outcome : 'ok')
    time += 1
  }
  await attempt('failed')
  for (let i = 0; i < 4; i++) await attempt('ok')
  assert.deepEqual(told, ['127.0.0.1:1 up failed', '127.0.0.1:1 failed up'])
  group.off('state', listener)
  for (let i = 0; i < 3; i++) await attempt('failed')
  assert.equal(told.length, 2)
})

test('later changes to the given list change nothing', () => {
  const servers = ['127.0.0.1:1']
  const group = new ServerGroup({ servers })
  servers.push('127.0.0.1:2')
  assert.deepEqual([group.servers.length, group.lists('127.0.0.1:2')], [1, false])
})
