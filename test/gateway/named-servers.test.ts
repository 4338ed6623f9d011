// Names that a function of upstreams gives: asked by the resolver beside it, again in the background, and forgotten when idle.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { AnyServers } from '../../lib/group/any-servers.ts'
import { eventually, get } from './kit.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { DnsServer } from '../helpers/dns-server.ts'
import { startPassing } from '../helpers/passing.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { FakeTimers } from '../helpers/timers.ts'
import type { FastifyRequest } from 'fastify'
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

test('what the cache answers does not wait for a name; what it renews does', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startRecorder({ answer: 'Cache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nold' })
  const port = Number(recorder.address.split(':')[1])
  const zone = createCache({ name: 'names' })
  const cache = { zone, key: (request: FastifyRequest) => request.url.slice(2), statusHeader: 'X-Cache' }
  const named = { upstreams: () => `app.test:${port}`, allowAnyUpstream: true, resolver: { servers: [dns.address] } }
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/a', upstreams: recorder.address, cache })
    app.register(scgi, { prefix: '/b', ...named, cache })
    app.register(scgi, { prefix: '/c', ...named, cache: { ...cache, useStale: ['updating'], backgroundUpdate: true } })
    app.register(scgi, { prefix: '/d', ...named, cache: { ...cache, useStale: ['error'] } })
  })
  const ask = async (path: string): Promise<string> => {
    const response = await rawRequest(gateway, get(path))
    return `${response.statusCode} ${headerValue(response, 'x-cache') ?? '-'}`
  }
  assert.equal(await ask('/a/1'), '200 MISS')
  assert.equal(await ask('/b/1'), '200 HIT')
  assert.deepEqual(dns.asked, [])
  assert.equal(await ask('/b/2'), '502 MISS')
  await zone.purge({ glob: '*' }, { soft: true })
  assert.equal(await ask('/c/1'), '200 STALE')
  await eventually(() => zone.stats().updating === 0, 'given up')
  assert.equal(await ask('/b/1'), '502 EXPIRED')
  // To the cache that is no live server.
  assert.equal(await ask('/d/1'), '200 STALE')
  dns.set('A', 'app.test', ['127.0.0.1'])
  assert.equal(await ask('/c/1'), '200 STALE')
  await eventually(() => zone.stats().updating === 0, 'renewed')
  assert.equal(await ask('/b/1'), '200 HIT')
})

test('a client that leaves while a name is asked for is not sent on', async () => {
  await using dns = await DnsServer.start()
  await using recorder = await startRecorder()
  const port = Number(recorder.address.split(':')[1])
  await using gateway = await startGateway({ upstreams: () => `app.test:${port}`, allowAnyUpstream: true, resolver: { servers: [dns.address] } })
  dns.set('A', 'app.test', 'silence')
  const client = await RawClient.connect(gateway)
  client.write(get('/'))
  await dns.askedFor('A app.test', 1)
  client.destroy()
  dns.set('A', 'app.test', ['127.0.0.1'])
  assert.equal((await rawRequest(gateway, get('/'))).statusCode, 200)
  assert.equal(recorder.requests.length, 1)
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
  for (let n = 0; n < 1500; n++) await any.find(`127.0.0.1:${n + 1}`, undefined).open?.()
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
  const group = any.find('localhost:9', undefined)
  await group.open?.()
  assert.ok(group.servers.some(({ name }) => name === '127.0.0.1:9' || name === '[::1]:9'))
  await assert.rejects(async () => await any.find('nobody.invalid:9', undefined).open?.(), { code: 'FST_SCGI_RESOLVE' })
  assert.equal(any.size, 1)
  any.close()
})
