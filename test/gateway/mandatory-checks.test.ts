// health: { mandatory, persistent, port }: servers that take no requests before they are checked, and checks that go to another port.
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { systemTimers } from '../../lib/runtime/timers.ts'
import { ServerGroup } from '../../lib/group/server-group.ts'
import { startPassing, turnsUntil, type PassingGateway } from '../helpers/passing.ts'
import { MemoryBus } from '../helpers/memory-channel.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { FakeTimers } from '../helpers/timers.ts'
import type { TestContext } from 'node:test'
import type { AddressAnswer, Questions } from '../../lib/group/resolve/resolver.ts'
import type { UpstreamGroup } from '../../types/index.ts'

/** The timers of all checks: none is made before a test lets time pass. */
function fakeTimers (t: TestContext): FakeTimers {
  const timers = new FakeTimers()
  t.mock.method(systemTimers, 'now', timers.now)
  t.mock.method(systemTimers, 'after', timers.after.bind(timers))
  return timers
}

function states (group: UpstreamGroup | undefined): string[] {
  return (group?.servers ?? []).map(({ state }) => state)
}

/** Lets this time pass, and waits until the states of the servers are these. */
async function comesTo (timers: FakeTimers, group: UpstreamGroup | undefined, expected: string[], step = 1): Promise<void> {
  timers.advance(step)
  await turnsUntil(() => states(group).join() === expected.join(), `${expected.join()}`, 10)
}

function logged ({ log }: PassingGateway): string[] {
  return log.filter(({ level, upstream }) => level >= 30 && upstream !== undefined).map(({ msg }) => msg)
}

function checksOf ({ requests }: Recorder): number {
  return requests.filter(request => request.param('REQUEST_URI') === '/health').length
}

const health = { type: 'scgi', path: '/health', interval: '10s', mandatory: true } as const

test('at the start: 502 until the first check has passed, whatever passes says, and the start does not wait for it', async t => {
  const timers = fakeTimers(t)
  await using one = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'start', servers: [one.address], health: { ...health, passes: 3 } } })
  const group = gateway.app.scgi.groups.get('start')
  assert.deepEqual(group?.servers.map(({ state, healthy }) => [state, healthy]), [['checking', false]])
  assert.equal(JSON.parse(JSON.stringify(group)).servers[0].state, 'checking')
  const { response, error } = await gateway.send('GET', '/')
  assert.deepEqual([response.statusCode, error?.code, one.accepted], [502, 'FST_SCGI_NO_LIVE_UPSTREAMS', 0])
  await comesTo(timers, group, ['up'])
  assert.deepEqual([checksOf(one), one.requests.length], [1, 1])
  assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
  assert.deepEqual(logged(gateway), [`upstream server ${one.address} passes its first health check and serves in start`])
})

test('a first check that fails: unhealthy until passes in a row', async t => {
  const timers = fakeTimers(t)
  await using one = await startRecorder({ answer: 'Status: 503\r\n\r\n' })
  await using two = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'fails', servers: [one.address, two.address], health: { ...health, interval: '1s', fails: 3, passes: 2 } },
  })
  const group = gateway.app.scgi.groups.get('fails')
  await comesTo(timers, group, ['unhealthy', 'up'], 500)
  for (let n = 0; n < 4; n++) assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, two.address)
  one.answer = '\r\nok'
  const before = checksOf(one)
  while (states(group)[0] === 'unhealthy') {
    const { length } = one.requests
    timers.advance(100)
    if (one.requests.length === length) await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(checksOf(one) - before >= 2)
  assert.equal(logged(gateway)[0], `upstream server ${one.address} fails its first health check in fails: status 503`)
})

test('a server that is added waits for its check, those that are there serve; with nextUpstream.wait requests do', async t => {
  const timers = fakeTimers(t)
  await using one = await startRecorder()
  await using two = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'added', servers: [one.address], health }, nextUpstream: { wait: '20s', interval: '10ms' },
  })
  const group = gateway.app.scgi.groups.get('added')
  const sent = gateway.send('GET', '/')
  await comesTo(timers, group, ['up'])
  assert.equal((await sent).response.statusCode, 200)
  await group?.add(two.address)
  assert.deepEqual(states(group), ['up', 'checking'])
  for (let n = 0; n < 4; n++) assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, one.address)
  assert.equal(two.accepted, 0)
  // By an edit it is no earlier in.
  group?.setWeight(two.address, 3)
  group?.drain(two.address)
  group?.enable(two.address)
  assert.deepEqual(states(group), ['up', 'checking'])
  // The checks of two servers are a sixth of the interval apart at least.
  await comesTo(timers, group, ['up', 'up'], 10_000 / 3)
  for (let n = 0; n < 4; n++) await gateway.send('GET', '/')
  assert.ok(two.requests.length > checksOf(two))
})

test('a server that is down is checked when it is enabled, and serves then', async t => {
  const timers = fakeTimers(t)
  await using one = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'down', servers: [{ address: one.address, down: true }], health } })
  const group = gateway.app.scgi.groups.get('down')
  timers.advance(30_000)
  assert.deepEqual([states(group), one.accepted], [['down'], 0])
  group?.enable(one.address)
  assert.deepEqual(states(group), ['checking'])
  await comesTo(timers, group, ['up'], 10_000 / 3)
})

for (const mandatory of [true, false]) {
  test(`checks that begin again leave in those that were checked, at first with mandatory: ${mandatory}`, async t => {
    const timers = fakeTimers(t)
    await using one = await startRecorder()
    await using two = await startRecorder()
    let checked = 0
    const count = (): void => { checked += 1 }
    subscribe('fastify-scgi:health:check', count)
    const bus = new MemoryBus()
    const make = (process: string): ServerGroup => new ServerGroup({
      name: 'again', servers: [one.address], health: { ...health, mandatory, fails: 3 }, shared: bus.channel(process),
    })
    const [first, second] = [make('p1'), make('p2')]
    try {
      await first.open()
      await second.open()
      timers.advance(10_000)
      await turnsUntil(() => checked > 0, 'checked', 10)
      await turnsUntil(() => states(first).join() === 'up', 'up', 10)
      first.setOptions({ health: { mandatory: true, interval: '20s' } })
      assert.deepEqual([states(first), states(second)], [['up'], ['up']])
      // One failed check is not three.
      one.answer = 'Status: 503\r\n\r\n'
      const before = checked
      timers.advance(20_000)
      await turnsUntil(() => checked > before, 'checked', 10)
      assert.deepEqual(states(first), ['up'])
      // The other one leads, and then the first one again.
      bus.cut('p1')
      bus.join('p1')
      await new Promise(resolve => setImmediate(resolve))
      assert.deepEqual([states(first), states(second)], [['up'], ['up']])
      second.stop()
      assert.deepEqual(states(first), ['up'])
      await first.add(two.address)
      assert.deepEqual(states(first), ['up', 'checking'])
    } finally {
      unsubscribe('fastify-scgi:health:check', count)
      first.stop()
      second.stop()
    }
  })
}

for (const persistent of [false, true]) {
  test(`persistent: ${persistent}: a group of the same name, the same server added again, checks that begin again`, async t => {
    const timers = fakeTimers(t)
    await using one = await startRecorder()
    await using two = await startRecorder()
    const name = `persistent-${persistent}`
    const upstreams = { name, servers: [one.address, two.address], health: { ...health, persistent } }
    const again = persistent ? 'up' : 'checking'
    const first = createUpstreams(upstreams)
    await using gateway = await startPassing({ upstreams: first })
    two.answer = 'Status: 500\r\n\r\n'
    await comesTo(timers, first, ['up', 'unhealthy'], 10_000 / 3)

    // A reload: the new one begins before the old one ends.
    await using reloaded = await startPassing({ upstreams })
    const second = reloaded.app.scgi.groups.get(name)
    assert.deepEqual(states(second), [again, 'checking'], 'only who was healthy keeps it')
    assert.deepEqual(states(createUpstreams({ ...upstreams, name: `${name}-other` })), ['checking', 'checking'], 'another group')
    await comesTo(timers, second, ['up', 'unhealthy'], 10_000 / 3)

    second?.remove(one.address)
    await second?.add(one.address)
    assert.deepEqual(states(second), ['unhealthy', again])
    await comesTo(timers, second, ['unhealthy', 'up'], 10_000 / 3)

    // The last application leaves, and another one comes.
    await gateway.close()
    assert.deepEqual(states(first), ['up', 'unhealthy'])
    await using third = await startPassing({ upstreams: first })
    assert.deepEqual(states(first), [again, 'unhealthy'])
    await comesTo(timers, first, ['up', 'unhealthy'], 10_000 / 3)
    assert.equal((await third.send('GET', '/')).scgi.upstreamAddr, one.address)
  })

  test(`persistent: ${persistent}: an address that the DNS gives again`, async t => {
    const timers = fakeTimers(t)
    await using one = await startRecorder({ listen: { host: '127.0.0.1' } })
    const [, port = ''] = one.address.split(':')
    await one.listen({ host: '127.0.0.2', port: Number(port) })
    const dns = new Hosts(['127.0.0.1'])
    const group = new ServerGroup({
      name: `dns-${persistent}`, servers: [{ address: `app.test:${port}`, resolve: true }], health: { ...health, persistent },
    }, 'upstreams', () => dns)
    const opened = await group.open()
    await comesTo(timers, group, ['up'])
    /** Asks for the name again, and waits for what the states are then. */
    const resolved = async (hosts: string[], expected: string[]): Promise<void> => {
      dns.hosts = hosts
      const { asked } = dns
      await turnsUntil(() => {
        if (dns.asked === asked) timers.advance(1000)
        return states(group).join() === expected.join() && opened.servers.every(({ name }, index) => name === `${hosts[index]}:${port}`)
      }, `${expected.join()}`, 10)
    }
    await resolved(['127.0.0.2'], ['checking'])
    await comesTo(timers, group, ['up'], 10_000)
    await resolved(['127.0.0.1', '127.0.0.2'], [persistent ? 'up' : 'checking', 'up'])
    group.stop()
    assert.equal(timers.pending, 0)
  })
}

test('port: checks go there, requests to the server; of SCGI, of HTTP and of connections', async t => {
  const timers = fakeTimers(t)
  await using server = await startRecorder()
  await using checked = await startRecorder({ answer: 'Status: 503\r\n\r\n' })
  const port = Number(checked.address.split(':')[1])
  await using gateway = await startPassing({ upstreams: { name: 'port', servers: [server.address], health: { ...health, interval: '1s', port } } })
  const group = gateway.app.scgi.groups.get('port')
  await comesTo(timers, group, ['unhealthy'])
  checked.answer = '\r\nok'
  await comesTo(timers, group, ['up'], 1000)
  assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
  assert.deepEqual([server.requests.length, checksOf(server)], [1, 0])
  assert.deepEqual([...new Set(checked.requests.map(request => `${request.param('REQUEST_URI')} ${request.param('SERVER_PORT')}`))], [`/health ${port}`])

  const seen: string[] = []
  const http = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.host}`)
    response.end()
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => http.once('listening', resolve))
  const bound = http.address()
  const httpPort = typeof bound === 'object' ? bound?.port ?? 0 : 0
  await using other = await startPassing({
    upstreams: { name: 'http-port', servers: ['http://127.0.0.1:1/base'], health: { type: 'http', port: httpPort, path: '/health', mandatory: true } },
  })
  await comesTo(timers, other.app.scgi.groups.get('http-port'), ['up'])
  assert.deepEqual(seen, [`/base/health 127.0.0.1:${httpPort}`])
  http.closeAllConnections()
  await new Promise(resolve => http.close(resolve))

  await using third = await startPassing({ upstreams: { name: 'connect-port', servers: ['127.0.0.1:1'], health: { port, mandatory: true } } })
  await comesTo(timers, third.app.scgi.groups.get('connect-port'), ['up'])
})

/** A DNS that knows of one name. */
class Hosts implements Questions {
  asked = 0
  hosts: string[]

  constructor (hosts: string[]) {
    this.hosts = hosts
  }

  async addresses (family: 4 | 6): Promise<AddressAnswer> {
    this.asked += 1
    if (family === 6) throw Object.assign(new Error('ENODATA'), { code: 'ENODATA' })
    return { hosts: this.hosts, ttl: 30_000 }
  }

  async services (): Promise<never> {
    throw new Error('nobody asks')
  }
}
