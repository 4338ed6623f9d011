// Names that a function of upstreams gives: asked by the resolver beside it, again in the background, and forgotten when idle.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnyServers } from '../../lib/group/any-servers.ts'
import { DnsServer } from '../helpers/dns-server.ts'
import { startPassing } from '../helpers/passing.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { FakeTimers } from '../helpers/timers.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

test('a name is asked by the resolver, for as long as its answer says, and no request waits for it once it is known', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startRecorder({ listen: { host: '127.0.0.1' } })
  const port = Number(recorder.address.split(':')[1])
  await recorder.listen({ host: '127.0.0.2', port })
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
  await using gateway = await startPassing({
    upstreams: () => `app.test:${port}`, allowAnyUpstream: true, resolver: { servers: [dns.address], family: 4 },
  })
  assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, `127.0.0.1:${port}`)
  await gateway.send('GET', '/')
  assert.deepEqual(dns.asked, ['A app.test'])
  dns.set('A', 'app.test', [{ data: '127.0.0.2', ttl: 1 }])
  await dns.askedFor('A app.test', 3)
  assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, `127.0.0.2:${port}`)
  // A name that is known stays so while the DNS says nothing.
  dns.set('A', 'app.test', 'silence')
  await dns.askedFor('A app.test', 4)
  assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, `127.0.0.2:${port}`)
})

test('a name without an answer is an error of its request, and asked for again with the next', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startRecorder()
  const port = Number(recorder.address.split(':')[1])
  await using gateway = await startPassing({
    upstreams: () => `app.test:${port}`, allowAnyUpstream: true, resolver: { servers: [dns.address] },
  })
  const { response, error } = await gateway.send('GET', '/')
  assert.deepEqual([response.statusCode, error?.code], [502, 'FST_SCGI_RESOLVE'])
  dns.set('A', 'app.test', ['127.0.0.1'])
  assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
})

test('a resolver beside anything but a function is refused', async () => {
  const wrong: [FastifyScgiOptions, string][] = [
    [{ upstreams: '127.0.0.1:4000', resolver: {} }, 'UNSUPPORTED'], [{ upstreams: ['127.0.0.1:4000'], resolver: {} }, 'UNSUPPORTED'],
    [{ upstreams: () => 'a', resolver: { servers: ['dns.example'] } }, 'INVALID'],
  ]
  for (const [options, code] of wrong) await assert.rejects(startPassing(options), { code: `FST_SCGI_OPT_${code}` })
})

test('what nobody names is forgotten, and there are never more than 1000', async () => {
  const timers = new FakeTimers()
  const any = new AnyServers(() => {}, timers)
  for (let n = 0; n < 1500; n++) await any.find(`127.0.0.1:${n + 1}`, undefined)
  assert.equal(any.size, 1000)
  timers.advance(60_000)
  await any.find('127.0.0.1:1500', undefined)
  timers.advance(60_000)
  assert.equal(any.size, 1)
  timers.advance(120_000)
  assert.deepEqual([any.size, timers.pending], [0, 0])
})

test('without a resolver the system is asked', async () => {
  const any = new AnyServers(() => {})
  const group = await any.find('localhost:9', undefined)
  assert.ok(group.servers.some(({ name }) => name === '127.0.0.1:9' || name === '[::1]:9'))
  await assert.rejects(async () => await any.find('nobody.invalid:9', undefined), { code: 'FST_SCGI_RESOLVE' })
  assert.equal(any.size, 1)
  any.close()
})
