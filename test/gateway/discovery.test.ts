// Servers that the DNS knows of, as requests meet them: a scripted DNS server, and dnsmasq.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { ServerGroup } from '../../lib/group/server-group.ts'
import { DNSMASQ, startDnsmasq } from '../helpers/dnsmasq.ts'
import { DnsServer } from '../helpers/dns-server.ts'
import { missingPackage } from '../helpers/packages.ts'
import { startPassing, trail, type PassingGateway } from '../helpers/passing.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import type { GroupEvents, UpstreamGroup } from '../../types/index.ts'

/** Two addresses with the same port. */
async function startTwo (): Promise<Recorder & { port: string, one: string, two: string }> {
  const recorder = await startRecorder({ listen: { host: '127.0.0.1' } })
  const [, port = ''] = recorder.address.split(':')
  await recorder.listen({ host: '127.0.0.2', port: Number(port) })
  return Object.assign(recorder, { port, one: `127.0.0.1:${port}`, two: `127.0.0.2:${port}` })
}

/** The next event of a group; fails after five seconds. */
function next<E extends keyof GroupEvents> (group: UpstreamGroup | undefined, event: E): Promise<GroupEvents[E]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no event ${event}`)), 5000)
    const listener = (message: GroupEvents[E]): void => {
      clearTimeout(timer)
      group?.off(event, listener)
      resolve(message)
    }
    group?.on(event, listener)
  })
}

function names (group: UpstreamGroup | undefined): string[] {
  return group?.servers.map(({ name }) => name) ?? []
}

function warnings (gateway: PassingGateway): string[] {
  return gateway.log.filter(({ level, upstream }) => level === 40 && upstream !== undefined).map(({ msg }) => msg)
}

test('the application starts while the name does not resolve: 502 and one warning until it does', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startTwo()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [{ address: `app.test:${recorder.port}`, resolve: true }], resolver: { servers: [dns.address] } },
  })
  const { response, error, scgi } = await gateway.send('GET', '/')
  assert.deepEqual([response.statusCode, error?.code, trail(scgi.attempts)], [502, 'FST_SCGI_NO_LIVE_UPSTREAMS', ['g 502']])
  const group = gateway.app.scgi.groups.get('g')
  const added = next(group, 'added')
  dns.set('A', 'app.test', ['127.0.0.1'])
  assert.equal((await added).server.name, recorder.one)
  assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
  assert.deepEqual(warnings(gateway), [
    `the name app.test:${recorder.port} of g does not resolve, its servers stay as they are: app.test: ENOTFOUND`,
    `the name app.test:${recorder.port} of g resolves again`,
  ])
})

test('servers come and go with the answers: those that stay keep their state, those that go finish what they have', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startTwo()
  const body = Buffer.alloc(300_000, 'abcdefg')
  let finish = (): void => {}
  recorder.answer = async x => {
    if (x.request.param('REQUEST_URI') !== '/long') return x.end('Content-Length: 2\r\n\r\nok')
    await x.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body.subarray(0, 100_000)]))
    await new Promise<void>(resolve => { finish = resolve })
    await x.end(body.subarray(100_000))
  }
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [{ address: `app.test:${recorder.port}`, resolve: true }], resolver: { servers: [dns.address] } },
  })
  const group = gateway.app.scgi.groups.get('g')
  const [first] = group?.servers ?? []
  const long = gateway.send('GET', '/long')
  await recorder.received(1)
  await gateway.send('GET', '/')
  const added = next(group, 'added')
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }, { data: '127.0.0.2', ttl: 1 }])
  await added
  assert.deepEqual(names(group), [recorder.one, recorder.two])
  assert.equal(group?.servers[0], first, 'the same server')
  assert.deepEqual([first?.served, first?.active], [1, 1])
  const removed = next(group, 'removed')
  dns.set('A', 'app.test', [{ data: '127.0.0.2', ttl: 1 }])
  assert.deepEqual([(await removed).server, first?.state], [first, 'removed'])
  assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, recorder.two)
  finish()
  const { response } = await long
  assert.ok(response.body.equals(body))
  assert.deepEqual([first?.served, first?.active], [2, 0])
})

test('a DNS server that fails takes no server out', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startTwo()
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [{ address: `app.test:${recorder.port}`, resolve: true }], resolver: { servers: [dns.address] } },
  })
  const group = gateway.app.scgi.groups.get('g')
  for (const answer of ['SERVFAIL', 'NXDOMAIN'] as const) {
    const failed = next(group, 'resolve')
    dns.set('A', 'app.test', answer)
    dns.set('AAAA', 'app.test', answer)
    assert.equal((await failed).state, 'failed')
    assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
    const recovered = next(group, 'resolve')
    dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
    dns.set('AAAA', 'app.test', [])
    assert.equal((await recovered).state, 'recovered')
  }
})

for (const failure of ['SERVFAIL', 'REFUSED', 'silence'] as const) {
  test(`the other family's ${failure} delays nothing and is no failure of the name`, async () => {
    await using dns = await DnsServer.start()
    await using recorder = await startTwo()
    dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
    dns.set('AAAA', 'app.test', failure)
    const begun = performance.now()
    await using gateway = await startPassing({
      upstreams: { name: 'g', servers: [{ address: `app.test:${recorder.port}`, resolve: true }], resolver: { servers: [dns.address] } },
    })
    const group = gateway.app.scgi.groups.get('g')
    assert.ok(performance.now() - begun < 3000)
    assert.deepEqual(names(group), [recorder.one])
    for (const host of ['127.0.0.2', '127.0.0.1', '127.0.0.2']) {
      const removed = next(group, 'removed')
      dns.set('A', 'app.test', [{ data: host, ttl: 1 }])
      await removed
      assert.deepEqual(names(group), [`${host}:${recorder.port}`])
    }
    assert.deepEqual(warnings(gateway), [])
  })
}

test('answers with nothing but an alias take no server out, and the alias is followed', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startTwo()
  const alias = [{ kind: 'CNAME', data: 'other.test', ttl: 1 }] as const
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [{ address: `app.test:${recorder.port}`, resolve: true }], resolver: { servers: [dns.address] } },
  })
  const group = gateway.app.scgi.groups.get('g')
  const failed = next(group, 'resolve')
  for (const kind of ['A', 'AAAA', 'CNAME'] as const) dns.set(kind, 'app.test', [...alias])
  assert.equal((await failed).reason, 'app.test: ENOTFOUND')
  assert.deepEqual(names(group), [recorder.one])
  const added = next(group, 'added')
  dns.set('A', 'other.test', [{ data: '127.0.0.2', ttl: 1 }])
  assert.equal((await added).server.name, recorder.two)
})

test('SRV: ports, weights, and priorities as backup', async () => {
  await using dns = await DnsServer.start()
  await using a = await startRecorder()
  await using b = await startRecorder()
  await using c = await startRecorder()
  const record = (priority: number, weight: number, { address }: Recorder): string => `${priority} ${weight} ${address.split(':')[1]} app.test`
  dns.set('A', 'app.test', ['127.0.0.1'])
  dns.set('SRV', '_scgi._tcp.app.test', [record(10, 3, a), record(10, 0, b), record(20, 1, c)])
  dns.set('SRV', 'pool._x.app.test', [record(0, 5, c)])
  await using gateway = await startPassing([
    { prefix: '/a', upstreams: { name: 'g', servers: [{ address: 'app.test', resolve: true, service: 'scgi' }], resolver: { servers: [dns.address] } } },
    { prefix: '/b', upstreams: { name: 'h', servers: [{ address: 'app.test', resolve: true, service: 'pool._x', weight: 2 }], resolver: { servers: [dns.address] } } },
  ])
  const list = (name: string): unknown[] => gateway.servers(name).map(({ name, weight, backup }) => [name, weight, backup])
  assert.deepEqual(list('g'), [[a.address, 3, false], [b.address, 1, false], [c.address, 1, true]])
  assert.deepEqual(list('h'), [[c.address, 2, false]])
  for (let n = 0; n < 8; n++) await gateway.send('GET', '/a/')
  assert.deepEqual([a.requests.length, b.requests.length, c.requests.length], [6, 2, 0])
  const group = gateway.app.scgi.groups.get('g')
  group?.disable(a.address)
  group?.disable(b.address)
  assert.equal((await gateway.send('GET', '/a/')).scgi.upstreamAddr, c.address)
})

test('edits of an address hold for the servers that it will have; one of them cannot be removed alone', async () => {
  await using dns = await DnsServer.start()
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
  const group = createUpstreams({ servers: [{ address: 'app.test:9', resolve: true }], resolver: { servers: [dns.address] } })
  await using gateway = await startPassing({ upstreams: group })
  assert.equal(gateway.app.scgi.groups.get('APP.test:9'), group)
  group.disable('app.test:9')
  group.setWeight('app.test:9', 7)
  const added = next(group, 'added')
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }, { data: '127.0.0.2', ttl: 1 }])
  await added
  group.enable('127.0.0.1:9')
  assert.deepEqual(group.servers.map(({ state, weight }) => [state, weight]), [['up', 7], ['down', 7]])
  assert.throws(() => group.remove('127.0.0.2:9'), { code: 'FST_SCGI_SERVER_DISCOVERED', statusCode: 409 })
  assert.deepEqual(group.remove('app.test:9').length, 2)
  assert.deepEqual(names(group), [])
})

test('a group that is in no use any more asks no more; opened again it does', async () => {
  await using dns = await DnsServer.start()
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
  const group = new ServerGroup({ servers: [{ address: 'app.test:9', resolve: true }], resolver: { servers: [dns.address], timeout: 500 } })
  const one = await startPassing({ upstreams: group })
  const other = await startPassing({ upstreams: group })
  await one.close()
  assert.notEqual(group.balancer, undefined)
  await other.close()
  assert.equal(group.balancer, undefined)
  const { length } = dns.asked
  dns.set('A', 'app.test', ['127.0.0.2'])
  const balancer = await group.open()
  assert.deepEqual(balancer.servers.map(({ name }) => name), ['127.0.0.2:9'])
  assert.ok(dns.asked.length > length)
  group.stop()
})

test('a function may name an address with resolve', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startTwo()
  dns.set('A', 'app.test', ['127.0.0.2'])
  const address = `app.test:${recorder.port}`
  await using gateway = await startPassing([
    { prefix: '/g', upstreams: { name: 'g', servers: [{ address, resolve: true }, recorder.one], resolver: { servers: [dns.address] } } },
    { prefix: '/by', upstreams: () => address },
  ])
  for (let n = 0; n < 2; n++) assert.equal((await gateway.send('GET', '/by/')).scgi.upstreamAddr, recorder.two)
})

test('dnsmasq: an address is replaced while requests go on', { skip: missingPackage('dnsmasq-base', DNSMASQ) }, async () => {
  await using recorder = await startTwo()
  await using dns = await startDnsmasq(['local-ttl=1'], ['127.0.0.1 app.test'])
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [{ address: `app.test:${recorder.port}`, resolve: true }], resolver: { servers: [dns.address] } },
  })
  const group = gateway.app.scgi.groups.get('g')
  assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, recorder.one)
  const removed = next(group, 'removed')
  dns.setHosts(['127.0.0.2 app.test'])
  const sent = []
  const over = removed.then(() => true)
  do sent.push(await gateway.send('GET', '/'))
  while (!await Promise.race([over, Promise.resolve(false)]))
  await removed
  assert.ok(sent.every(({ response }) => response.statusCode === 200))
  assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, recorder.two)
  assert.deepEqual(names(group), [recorder.two])
})
