// group.edit and group.setBalance: every option that may change, all or nothing, and in force at once.
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { ServerGroup } from '../../lib/group/server-group.ts'
import { createScgiServer } from '../../lib/server/index.ts'
import { startPassing, turnsUntil } from '../helpers/passing.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import type { ServerChanges, UpstreamGroup, UpstreamServer } from '../../types/index.ts'

const A = '127.0.0.1:1'
const B = '127.0.0.1:2'

function serverOf (group: UpstreamGroup, name: string): UpstreamServer {
  const server = group.servers.find(server => server.name === name)
  if (server === undefined) throw new Error(`no server ${name}`)
  return server
}

const EDITABLE = new Set([
  'weight', 'maxConns', 'maxFails', 'failTimeout', 'slowStart', 'retry', 'backup', 'lbset', 'spare', 'standby', 'route', 'redirect', 'keepalive', 'preconnect',
])

/** Everything that an edit may change. */
function settingsOf (server: UpstreamServer): Record<string, unknown> {
  const { down, drain } = server
  return { ...Object.fromEntries(Object.entries(server).filter(([name]) => EDITABLE.has(name))), down, drain }
}

test('each option that may change, and what it then is', () => {
  const cases: [keyof ServerChanges, ServerChanges, unknown][] = [
    ['weight', { weight: 5 }, 5],
    ['maxConns', { maxConns: 7 }, 7],
    ['maxFails', { maxFails: 0 }, 0],
    ['failTimeout', { failTimeout: '1m' }, 60_000],
    ['backup', { backup: true }, true],
    ['down', { down: true }, true],
    ['drain', { drain: true }, true],
    ['route', { route: 'r' }, 'r'],
    ['slowStart', { slowStart: '2s' }, 2000],
    ['lbset', { lbset: 3 }, 3],
    ['spare', { spare: true }, true],
    ['standby', { standby: true }, true],
    ['redirect', { redirect: 'q' }, 'q'],
    ['retry', { retry: 500 }, 500],
    ['keepalive', { keepalive: 4 }, 4],
    ['preconnect', { preconnect: 2 }, 2],
  ]
  for (const [option, changes, value] of cases) {
    const group = createUpstreams({ name: 'g', servers: [A, B] })
    const [server] = group.servers
    assert(server)
    const before = settingsOf(server)
    const events: object[] = []
    group.on('edited', event => events.push({ server: event.server.name, changes: event.changes }))
    assert.deepEqual(group.edit(A, changes), [server], option)
    assert.deepEqual(settingsOf(server), { ...before, [option]: value })
    // What is so already is no edit.
    group.edit(A, changes)
    assert.deepEqual(events, [{ server: A, changes: { [option]: value } }])
  }
})

test('what an edit takes away, and what it leaves', () => {
  const group = createUpstreams({ name: 'g', servers: [{ address: A, route: 'r', redirect: 'q', retry: '1s', weight: 3, maxFails: 2 }, B] })
  group.edit(A, { route: null, redirect: null, retry: null })
  const { route, redirect, retry, weight, maxFails } = serverOf(group, A)
  assert.deepEqual([route, redirect, retry, weight, maxFails], [undefined, undefined, undefined, 3, 2])
  assert.deepEqual(group.edit(A, {}), [serverOf(group, A)])
})

test('wrong edits: an error as at register, and nothing is changed', () => {
  const group = createUpstreams({ name: 'g', servers: [A, { address: B, backup: true }, 'http://127.0.0.1:3'], balance: 'least_conn' })
  const hashed = createUpstreams({ name: 'h', servers: [A, B], balance: { hash: () => 'key' } })
  const before = [...group.servers, ...hashed.servers].map(settingsOf)
  const cases: [UpstreamGroup, string, unknown, string, RegExp][] = [
    [group, A, { weight: 0 }, 'FST_SCGI_OPT_INVALID', /'server\.weight' is 0/],
    [group, A, { weight: null }, 'FST_SCGI_OPT_INVALID', /'server\.weight' is null/],
    [group, A, { weight: 2, maxConns: -1 }, 'FST_SCGI_OPT_INVALID', /'server\.maxConns'/],
    [group, A, { drain: true, maxFails: 1.5 }, 'FST_SCGI_OPT_INVALID', /'server\.maxFails'/],
    [group, A, { failTimeout: '5' }, 'FST_SCGI_OPT_INVALID', /'server\.failTimeout'/],
    [group, A, { down: 'yes' }, 'FST_SCGI_OPT_INVALID', /'server\.down'/],
    [group, A, { route: 'a b' }, 'FST_SCGI_OPT_INVALID', /'server\.route'/],
    [group, A, { redirect: 7 }, 'FST_SCGI_OPT_INVALID', /'server\.redirect'/],
    [group, A, { slowStart: -1 }, 'FST_SCGI_OPT_INVALID', /'server\.slowStart'/],
    [group, A, { lbset: '1' }, 'FST_SCGI_OPT_INVALID', /'server\.lbset'/],
    [group, A, { retry: NaN }, 'FST_SCGI_OPT_INVALID', /'server\.retry'/],
    [group, A, { keepalive: -1 }, 'FST_SCGI_OPT_INVALID', /'server\.keepalive'/],
    [group, A, { spare: true, standby: true }, 'FST_SCGI_OPT_UNSUPPORTED', /'server\.standby'/],
    [group, A, { weight: 9, wait: 1 }, 'FST_SCGI_OPT_UNKNOWN', /'server\.wait'/],
    [group, A, { weight: 9, address: B }, 'FST_SCGI_OPT_UNSUPPORTED', /'server\.address'.*remove the server/],
    [group, A, { resolve: true }, 'FST_SCGI_OPT_UNSUPPORTED', /'server\.resolve'/],
    [group, A, { service: 'http' }, 'FST_SCGI_OPT_UNSUPPORTED', /'server\.service'/],
    [group, A, { tls: {} }, 'FST_SCGI_OPT_UNSUPPORTED', /'server\.tls'/],
    [group, A, 'weight=3', 'FST_SCGI_OPT_INVALID', /'changes'/],
    [group, A, null, 'FST_SCGI_OPT_INVALID', /'changes'/],
    [group, '127.0.0.1:3', { weight: 2, preconnect: 1 }, 'FST_SCGI_OPT_UNSUPPORTED', /'server\.preconnect'/],
    [group, '127.0.0.1:9', { weight: 2 }, 'FST_SCGI_SERVER_UNKNOWN', /no server/],
    [hashed, A, { weight: 2, slowStart: 1 }, 'FST_SCGI_OPT_UNSUPPORTED', /'server\.slowStart'.*'hash'/],
  ]
  for (const [of, server, changes, code, message] of cases) {
    assert.throws(() => { Reflect.apply(of.edit, of, [server, changes]) }, { code, message }, JSON.stringify(changes))
  }
  assert.deepEqual([...group.servers, ...hashed.servers].map(settingsOf), before)
})

test('one server at least is no backup, and no spare', () => {
  for (const option of ['backup', 'spare'] as const) {
    const group = createUpstreams({ name: 'g', servers: [A, B] })
    group.edit(A, { [option]: true })
    assert.throws(() => group.edit(B, { [option]: true, weight: 2 }), { code: 'FST_SCGI_OPT_INVALID', message: new RegExp(`'server\\.${option}' is true`) })
    assert.deepEqual([serverOf(group, B)[option], serverOf(group, B).weight], [false, 1])
    group.edit(A, { [option]: false })
    group.edit(B, { [option]: true })
    assert.equal(serverOf(group, B)[option], true)
  }
})

test('servers of one address: an edit of all, of one, and then of all again', async () => {
  const group = createUpstreams({ name: 'g', servers: [{ address: 'localhost:9', weight: 2 }, B] })
  const before = group.servers.length
  group.edit('localhost:9', { maxConns: 5 })
  await using gateway = await startPassing({ upstreams: group })
  const local = gateway.servers('g').filter(({ name }) => name !== B)
  assert.ok(local.length > 0 && before < gateway.servers('g').length)
  // The edit came before its name was known.
  assert.deepEqual(local.map(({ maxConns, weight }) => [maxConns, weight]), local.map(() => [5, 2]))
  const [first] = local
  assert(first)
  assert.deepEqual(group.edit(first.name, { weight: 8, maxConns: 1 }), [first])
  assert.deepEqual(local.map(({ weight, maxConns }) => [weight, maxConns]), local.map(server => server === first ? [8, 1] : [2, 5]))
  assert.deepEqual(group.edit('localhost:9', { weight: 3 }), local)
  assert.deepEqual(local.map(({ weight, maxConns }) => [weight, maxConns]), local.map(server => server === first ? [3, 1] : [3, 5]))
})

test('maxConns: one that is raised lets those go that wait', async () => {
  let finish: (() => void) | undefined
  await using one = await startRecorder({
    async answer (x) {
      if (finish === undefined) await new Promise<void>(resolve => { finish = resolve })
      await x.end('Status: 200\r\n\r\n')
    },
  })
  const group = new ServerGroup({ name: 'g', servers: [{ address: one.address, maxConns: 1 }], queue: { size: 5 } })
  await using gateway = await startPassing({ upstreams: group })
  const long = gateway.send('GET', '/long')
  await one.received(1)
  const waiting = gateway.send('GET', '/waits')
  await turnsUntil(() => group.balancer?.queue?.length === 1, 'a request waits', 10)
  group.edit(one.address, { maxConns: 2 })
  assert.equal((await waiting).response.statusCode, 200)
  finish?.()
  assert.equal((await long).response.statusCode, 200)
})

test('maxFails and retry: what has failed before counts by the new limits', async () => {
  const refused = await refusedAddress()
  await using good = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [{ address: refused, maxFails: 2 }, good.address] } })
  const group = gateway.app.scgi.groups.get('g')
  assert(group)
  const told: string[] = []
  group.on('state', ({ previous, state }) => told.push(`${previous} ${state}`))
  await gateway.send('GET', '/')
  const bad = serverOf(group, refused)
  assert.deepEqual([bad.fails, bad.state], [1, 'up'])
  group.edit(refused, { maxFails: 1 })
  assert.equal(bad.state, 'failed')
  group.edit(refused, { maxFails: 3 })
  assert.equal(bad.state, 'up')
  group.edit(refused, { maxFails: 1 })
  group.edit(refused, { retry: 0 })
  assert.equal(bad.state, 'up')
  assert.deepEqual(told, ['up failed', 'failed up', 'up failed', 'failed up'])
})

test('keepalive: connections are kept from now on, and none any more', async () => {
  let opened = 0
  const server = createScgiServer((_request, response) => { response.end('x') })
  server.on('connection', () => { opened += 1 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const address = `127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [address] } })
  const group = gateway.app.scgi.groups.get('g')
  assert(group)
  const connectionsOf = async (requests: number): Promise<number> => {
    const before = opened
    for (let n = 0; n < requests; n++) assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
    return opened - before
  }
  assert.equal(await connectionsOf(3), 3)
  group.edit(address, { keepalive: 2 })
  assert.equal(await connectionsOf(4), 1)
  group.edit(address, { keepalive: 0 })
  assert.equal(await connectionsOf(2), 2)
  server.close().closeAllConnections()
})

test('setBalance: the next request goes by the new method', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, two.address] } })
  const group = gateway.app.scgi.groups.get('g')
  assert(group)
  assert.equal(group.balance, 'round_robin')
  const events: unknown[] = []
  const published: unknown[] = []
  const listen = (message: unknown): void => { published.push(message) }
  subscribe('fastify-scgi:group:balance', listen)
  group.on('balance', event => events.push(event))
  group.setBalance({ select: ({ servers }) => servers.find(({ name }) => name === two.address) })
  assert.equal(group.balance, 'select')
  for (let n = 0; n < 4; n++) await gateway.send('GET', '/')
  assert.deepEqual([one.requests.length, two.requests.length], [0, 4])
  group.setBalance({ hash: request => request.url, consistent: true })
  for (let n = 0; n < 4; n++) await gateway.send('GET', '/same')
  assert.ok([0, 4].includes(one.requests.length))
  group.setBalance('round_robin')
  const before = one.requests.length
  for (let n = 0; n < 4; n++) await gateway.send('GET', '/same')
  assert.equal(one.requests.length - before, 2)
  unsubscribe('fastify-scgi:group:balance', listen)
  assert.deepEqual(published, events)
  assert.deepEqual(events.length, 3)
  assert.deepEqual(JSON.parse(JSON.stringify(group)).balance, 'round_robin')
})

test('setBalance: errors as at register, and nothing is changed', () => {
  const group = createUpstreams({ name: 'g', servers: [{ address: A, slowStart: '1s' }, B] })
  for (const [balance, code, message] of [
    ['fastest', 'FST_SCGI_OPT_INVALID', /'balance' is "fastest"/],
    [{ leastTime: 'head' }, 'FST_SCGI_OPT_INVALID', /'balance\.leastTime'/],
    [{ hash: async () => '' }, 'FST_SCGI_OPT_INVALID', /'balance\.hash'/],
    ['ip_hash', 'FST_SCGI_OPT_UNSUPPORTED', /127\.0\.0\.1:1 has a slowStart/],
  ] as const) {
    assert.throws(() => { Reflect.apply(group.setBalance, group, [balance]) }, { code, message })
  }
  assert.equal(group.balance, 'round_robin')
  group.edit(A, { slowStart: 0 })
  group.setBalance('ip_hash')
  assert.throws(() => group.edit(A, { slowStart: 1 }), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
  assert.deepEqual([group.balance, serverOf(group, A).slowStart], ['ip_hash', 0])
})

test('the log says what was edited', async () => {
  await using one = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [{ address: one.address, route: 'r' }, B] } })
  const group = gateway.app.scgi.groups.get('g')
  assert(group)
  group.edit(one.address, { maxConns: 5, failTimeout: '3s', route: null, weight: 2 })
  group.setBalance('least_conn')
  assert.deepEqual(gateway.log.map(({ msg }) => msg.replaceAll(one.address, 'one')).filter(msg => msg.includes(' g')), [
    'upstream server one has weight 2 in g',
    'upstream server one has maxConns 5, failTimeout 3000, no route in g',
    'the servers of g take turns by least_conn, no longer by round_robin',
  ])
})
