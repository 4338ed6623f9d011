// How groups are configured: the balancing methods, and what servers and groups have beside.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Group } from '../../lib/balancer/group.ts'
import { readBalance } from '../../lib/group/balance-options.ts'
import { readGroup, readServer } from '../../lib/group/group-options.ts'
import { createUpstreams, ServerGroup } from '../../lib/group/server-group.ts'
import type { DispatchOptions } from '../../types/dispatcher.ts'
import type { Balance, BalanceContext, GroupOptions, UpstreamServer } from '../../types/upstream.ts'

const refused = (options: unknown, code: string, message: RegExp): void => {
  assert.throws(() => Reflect.apply(createUpstreams, undefined, [options]), { code: `FST_SCGI_OPT_${code}`, message }, JSON.stringify(options))
}

/** The servers of some requests, each of which is over before the next. */
function turns (balance: Balance<string>, requests: string[], weights = [1, 2, 1]): string {
  const { method } = readBalance('balance', balance)
  const peers = weights.map((weight, index) => ({ name: `127.0.0.1:910${index + 1}`, target: 0, weight }))
  const group = new Group<number>({ name: 'g', method: method(), peers })
  return requests.map(source => {
    const selection = group.begin({ source, clientAddress: source })
    const peer = selection.next()
    if (peer !== undefined) selection.release(peer, 'ok')
    return peer?.name.at(-1)
  }).join('')
}

test('each name is its method', () => {
  const keys = ['key0', 'key1', 'key2', 'key3', 'key7']
  assert.equal(turns('round_robin', Array(7).fill(''), [5, 1, 1]), '1121311')
  assert.equal(turns({ hash: key => key }, keys), '31223')
  assert.equal(turns({ hash: key => key, consistent: true }, ['key0', 'key1', 'key3', 'key9']), '1231')
  assert.equal(turns('ip_hash', ['10.0.0.7', '192.0.2.1', '2001:db8::1']), '231')
  assert.equal(turns({ select: ({ servers, request }) => servers[Number(request)] }, ['2', '0', '1']), '312')
  assert.equal(turns({ hash: () => undefined }, Array(7).fill('x'), [5, 1, 1]), '1121311')
  for (const balance of ['least_conn', 'bytraffic', 'bybusyness', { leastTime: 'header' }, { leastTime: 'lastByte', inflight: true }] as const) {
    assert.equal(turns(balance, Array(7).fill(''), [5, 1, 1]), '1121311')
  }
  for (const balance of ['random', { random: 'two' }, { random: 'two', leastTime: 'lastByte', inflight: true }] as const) assert.match(turns(balance, Array(50).fill('')), /^[123]{50}$/)
})

test('an object with select() keeps its own state', () => {
  class Alternate {
    #next = 0
    select ({ servers }: BalanceContext<string>): UpstreamServer | undefined {
      return servers[this.#next++ % servers.length]
    }
  }
  assert.equal(turns(new Alternate(), ['', '', '', '']), '1231')
})

test('what a balance does not take is refused by name', () => {
  const wrong: [unknown, string, RegExp][] = [
    ['roundrobin', 'INVALID', /'upstreams\.balance' is "roundrobin", expected 'round_robin', 'least_conn'/],
    ['toString', 'INVALID', /upstreams\.balance/],
    [7, 'INVALID', /upstreams\.balance/],
    [null, 'INVALID', /upstreams\.balance/],
    [{}, 'INVALID', /upstreams\.balance/],
    [{ hash: () => 'x', random: 'two' }, 'INVALID', /upstreams\.balance/],
    [{ hash: 'uri' }, 'INVALID', /'upstreams\.balance\.hash'/],
    [{ hash: () => 'x', consistent: 1 }, 'INVALID', /'upstreams\.balance\.consistent'/],
    [{ hash: () => 'x', inflight: true }, 'UNKNOWN', /'upstreams\.balance\.inflight'/],
    [{ leastTime: 'first_byte' }, 'INVALID', /'upstreams\.balance\.leastTime'.*'header' or 'lastByte'/],
    [{ leastTime: 'header', inflight: 'yes' }, 'INVALID', /'upstreams\.balance\.inflight'/],
    [{ random: 'three' }, 'INVALID', /'upstreams\.balance\.random'/],
    [{ random: 'two', leastTime: 'first' }, 'INVALID', /'upstreams\.balance\.leastTime'/],
    [{ random: 'two', inflight: true }, 'UNSUPPORTED', /'upstreams\.balance\.inflight'/],
    [{ random: 'two', select: () => undefined }, 'INVALID', /'upstreams\.balance'/],
    [{ select: 'first' }, 'INVALID', /'upstreams\.balance\.select'/],
  ]
  for (const [balance, code, message] of wrong) refused({ servers: ['a'], balance }, code, message)
})

test('what a server or a group does not take is refused by name', () => {
  const servers: [object, string, RegExp][] = [
    [{ drain: 1 }, 'INVALID', /'upstreams\[0\]\.drain'/],
    [{ slowStart: 'slow' }, 'INVALID', /'upstreams\[0\]\.slowStart'/],
    [{ lbset: -1 }, 'INVALID', /'upstreams\[0\]\.lbset'/],
    [{ lbset: 1.5 }, 'INVALID', /'upstreams\[0\]\.lbset'/],
    [{ spare: 'yes' }, 'INVALID', /'upstreams\[0\]\.spare'/],
    [{ standby: 0 }, 'INVALID', /'upstreams\[0\]\.standby'/],
    [{ spare: true, standby: true }, 'UNSUPPORTED', /'upstreams\[0\]\.standby'/],
    [{ retry: -1 }, 'INVALID', /'upstreams\[0\]\.retry'/],
    [{ route: '' }, 'INVALID', /'upstreams\[0\]\.route'/],
    [{ route: 'a;b' }, 'INVALID', /'upstreams\[0\]\.route'/],
    [{ redirect: 'x'.repeat(97) }, 'INVALID', /'upstreams\[0\]\.redirect'/],
  ]
  for (const [options, code, message] of servers) refused([{ address: 'a', ...options }, 'b'], code, message)
  const groups: [object, string, RegExp][] = [
    [{ queue: 5 }, 'INVALID', /'upstreams\.queue'/],
    [{ queue: {} }, 'INVALID', /'upstreams\.queue\.size'/],
    [{ queue: { size: 0 } }, 'INVALID', /'upstreams\.queue\.size'/],
    [{ queue: { size: 5, timeout: 'x' } }, 'INVALID', /'upstreams\.queue\.timeout'/],
    [{ queue: { size: 5, length: 1 } }, 'UNKNOWN', /'upstreams\.queue\.length'/],
    [{ failOnStatus: 500 }, 'INVALID', /'upstreams\.failOnStatus'/],
    [{ failOnStatus: [500, 99] }, 'INVALID', /'upstreams\.failOnStatus' is 99/],
    [{ failOnStatus: ['500'] }, 'INVALID', /'upstreams\.failOnStatus'/],
    [{ forceRecovery: 'on' }, 'INVALID', /'upstreams\.forceRecovery'/],
  ]
  for (const [options, code, message] of groups) refused({ servers: ['a'], ...options }, code, message)
  refused([{ address: 'a', spare: true }], 'INVALID', /not a spare/)
  for (const balance of ['ip_hash', 'random', { random: 'two' }, { hash: () => '' }]) {
    refused({ servers: [{ address: 'a', slowStart: '10s' }], balance }, 'UNSUPPORTED', /'upstreams\[0\]\.slowStart'/)
  }
})

test('what is given reaches the servers and the group', () => {
  const group = new ServerGroup({
    name: 'g',
    servers: [
      { address: '127.0.0.1:1', drain: true, slowStart: '5s', lbset: 2, spare: true, retry: '1m', route: 'one', redirect: 'two' },
      { address: '127.0.0.1:2', standby: true, route: 'two' },
    ],
    queue: { size: 7 },
    failOnStatus: [500, 502],
    forceRecovery: true,
  })
  const { balancer } = group
  assert(balancer)
  const [one, two] = balancer.servers
  assert.deepEqual([one?.drain, one?.slowStart, one?.lbset, one?.spare, one?.retry], [true, 5000, 2, true, 60_000])
  assert.deepEqual([one?.route, one?.redirect], ['one', 'two'])
  assert.deepEqual([two?.standby, two?.retry, two?.route, two?.drain], [true, undefined, 'two', false])
  assert.deepEqual([balancer.queue?.size, balancer.queue?.timeout], [7, 60_000])
  assert.deepEqual([[...balancer.failOnStatus ?? []], balancer.forceRecovery], [[500, 502], true])
  const plain = new ServerGroup({ servers: ['127.0.0.1:1'], failOnStatus: [] }).balancer
  assert.deepEqual([plain?.queue, plain?.failOnStatus, plain?.forceRecovery], [undefined, undefined, false])
})

test('the points of a server are those of its address as nginx would be given it', () => {
  const texts = ['app:9', 'scgi://app:9/path', 'app', '[::1]:9', 'unix:/run/app', 'unix:/run/app|scgi://x/y', 'SCGI://app:9']
  assert.deepEqual(texts.map(text => readServer(text, 'x').text), ['app:9', 'app:9', 'app', '[::1]:9', 'unix:/run/app', 'unix:/run/app', 'app:9'])
})

test('types: functions get the request of the plugin, or what they are said to get', () => {
  const own: GroupOptions = { servers: ['127.0.0.1'], balance: { hash: request => request.ip } }
  const undici: GroupOptions<DispatchOptions> = { servers: ['127.0.0.1'], balance: { hash: ({ path }) => path, consistent: true } }
  for (const group of [createUpstreams(own), createUpstreams<DispatchOptions>(undici)]) assert.equal(group.servers.length, 1)
  assert.equal(readGroup(undici, 'upstreams').balance.name, 'hash')
})
