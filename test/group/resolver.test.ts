// Questions to DNS servers: a scripted one, and dnsmasq.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NameResolver } from '../../lib/group/resolve/resolver.ts'
import { DNSMASQ, startDnsmasq } from '../helpers/dnsmasq.ts'
import { DnsServer } from '../helpers/dns-server.ts'
import { missingPackage } from '../helpers/packages.ts'
import { FakeTimers } from '../helpers/timers.ts'

const dnsmasq = { skip: missingPackage('dnsmasq-base', DNSMASQ) }

function resolverFor (dns: { address: string }, timeout = 2000): NameResolver {
  return new NameResolver({ servers: [dns.address], timeout })
}

test('addresses of a family, and the time of the one that holds shortest', async () => {
  await using dns = await DnsServer.start()
  dns.set('A', 'app.test', [{ data: '10.0.0.1', ttl: 30 }, { data: '10.0.0.2', ttl: 7 }, { data: '10.0.0.1', ttl: 9 }])
  dns.set('AAAA', 'app.test', [{ data: 'fd00::1', ttl: 0 }])
  const resolver = resolverFor(dns)
  assert.deepEqual(await resolver.addresses(4, 'app.test'), { hosts: ['10.0.0.1', '10.0.0.2'], ttl: 7000 })
  assert.deepEqual(await resolver.addresses(6, 'app.test'), { hosts: ['fd00::1'], ttl: 0 })
})

test('SRV records', async () => {
  await using dns = await DnsServer.start()
  dns.set('SRV', '_scgi._tcp.app.test', ['10 5 4001 one.app.test', '20 0 4002 two.app.test'])
  assert.deepEqual(await resolverFor(dns).services('_scgi._tcp.app.test'), [
    { target: 'one.app.test', port: 4001, priority: 10, weight: 5 },
    { target: 'two.app.test', port: 4002, priority: 20, weight: 0 },
  ])
})

test('an alias without an address is followed, for addresses and for services', async () => {
  await using dns = await DnsServer.start()
  const alias = (data: string): [{ kind: 'CNAME', data: string }] => [{ kind: 'CNAME', data }]
  for (const [from, to] of [['app.test', 'one.test'], ['one.test', 'two.test'], ['round.test', 'round.test'], ['lost.test', 'nobody.test']] as const) {
    for (const kind of ['A', 'AAAA', 'SRV', 'CNAME'] as const) dns.set(kind, from, alias(to))
  }
  dns.set('A', 'two.test', [{ data: '10.0.0.1', ttl: 7 }])
  dns.set('SRV', 'two.test', ['10 5 4001 host.test'])
  const resolver = resolverFor(dns)
  assert.deepEqual(await resolver.addresses(4, 'app.test'), { hosts: ['10.0.0.1'], ttl: 7000 })
  assert.deepEqual(await resolver.services('app.test'), [{ target: 'host.test', port: 4001, priority: 10, weight: 5 }])
  await assert.rejects(resolver.addresses(6, 'app.test'), { code: 'ENODATA' })
  await assert.rejects(resolver.addresses(4, 'round.test'), { code: 'ENODATA' })
  await assert.rejects(resolver.services('lost.test'), { code: 'ENOTFOUND' })
})

test('answers are not kept: each question goes out', async () => {
  await using dns = await DnsServer.start()
  const resolver = resolverFor(dns)
  for (const host of ['10.0.0.1', '10.0.0.2']) {
    dns.set('A', 'app.test', [{ data: host, ttl: 3600 }])
    assert.deepEqual((await resolver.addresses(4, 'app.test')).hosts, [host])
  }
  assert.equal(dns.asked.length, 2)
})

test('the same question is on its way once', async () => {
  await using dns = await DnsServer.start()
  dns.set('A', 'app.test', ['10.0.0.1'])
  const resolver = resolverFor(dns)
  await Promise.all([resolver.addresses(4, 'app.test'), resolver.addresses(4, 'app.test'), resolver.addresses(6, 'app.test').catch(() => {})])
  assert.deepEqual(dns.asked.toSorted(), ['A app.test', 'AAAA app.test'])
})

test('what goes wrong has the code of Node.js', async () => {
  await using dns = await DnsServer.start()
  dns.set('A', 'none.test', [])
  dns.set('A', 'broken.test', 'SERVFAIL')
  dns.set('A', 'refused.test', 'REFUSED')
  const resolver = resolverFor(dns)
  for (const [name, code] of [['nobody.test', 'ENOTFOUND'], ['none.test', 'ENODATA'], ['broken.test', 'ESERVFAIL'], ['refused.test', 'EREFUSED']] as const) {
    await assert.rejects(resolver.addresses(4, name), { code }, name)
  }
})

test('silence ends after the timeout, and of two servers the second is asked meanwhile', async () => {
  await using silent = await DnsServer.start()
  await using dns = await DnsServer.start()
  silent.set('A', 'app.test', 'silence')
  dns.set('A', 'app.test', ['10.0.0.1'])
  const begun = performance.now()
  await assert.rejects(resolverFor(silent, 300).addresses(4, 'app.test'), { code: 'ETIMEOUT' })
  const took = performance.now() - begun
  assert.ok(took > 90 && took < 8000, `${took}`)
  assert.deepEqual((await new NameResolver({ servers: [silent.address, dns.address], timeout: 1500 }).addresses(4, 'app.test')).hosts, ['10.0.0.1'])
})

test('the timeout holds whatever the number of servers', async () => {
  await using silent = await DnsServer.start()
  silent.set('A', 'app.test', 'silence')
  const timers = new FakeTimers()
  const resolver = new NameResolver({ servers: [silent.address, silent.address], timeout: 60_000, timers })
  const answer = assert.rejects(resolver.addresses(4, 'app.test'), { code: 'ETIMEOUT', message: 'no answer within 60000 ms' })
  await silent.askedFor('A app.test', 1)
  timers.advance(60_000)
  await answer
  assert.equal(timers.pending, 0)
})

test('cancel', async () => {
  await using silent = await DnsServer.start()
  silent.set('A', 'app.test', 'silence')
  const resolver = resolverFor(silent, 60_000)
  const answer = assert.rejects(resolver.addresses(4, 'app.test'), { code: 'ECANCELLED' })
  await silent.askedFor('A app.test', 1)
  resolver.cancel()
  await answer
})

test('dnsmasq: addresses of both families, SRV, names that do not exist', dnsmasq, async () => {
  await using dns = await startDnsmasq(
    ['host-record=app.test,127.0.0.1,::1,17', 'srv-host=_scgi._tcp.app.test,app.test,4001,1,2', 'address=/empty.test/'],
    ['10.0.0.1 many.test', '10.0.0.2 many.test'])
  const resolver = resolverFor(dns)
  assert.deepEqual(await resolver.addresses(4, 'app.test'), { hosts: ['127.0.0.1'], ttl: 17_000 })
  assert.deepEqual(await resolver.addresses(6, 'app.test'), { hosts: ['::1'], ttl: 17_000 })
  assert.deepEqual((await resolver.addresses(4, 'many.test')).hosts.toSorted(), ['10.0.0.1', '10.0.0.2'])
  assert.deepEqual(await resolver.services('_scgi._tcp.app.test'), [{ target: 'app.test', port: 4001, priority: 1, weight: 2 }])
  await assert.rejects(resolver.addresses(6, 'many.test'), { code: 'ENODATA' })
  await assert.rejects(resolver.addresses(4, 'nobody.test'), { code: 'ENOTFOUND' })
})
