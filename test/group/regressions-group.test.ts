// Faults that were found in groups once, each through what a user would call.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createUpstreams } from '../../lib/index.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { createScgiServer } from '../../lib/server/index.ts'
import { DnsServer } from '../helpers/dns-server.ts'

/** An SCGI server that answers everything. */
async function startApplication (): Promise<AsyncDisposable & { port: number }> {
  const server = createScgiServer((_request, response) => { response.end('ok') })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  return {
    port: typeof bound === 'object' ? bound?.port ?? 0 : 0,
    async [Symbol.asyncDispose] () {
      server.close().closeAllConnections()
      await once(server, 'close')
    },
  }
}

test('the first request of a dispatcher waits for the first answer of the DNS', async () => {
  await using application = await startApplication()
  await using dns = await DnsServer.start()
  dns.set('A', 'app.test', ['127.0.0.1'])
  const dispatcher = new ScgiDispatcher(createUpstreams({
    servers: [{ address: `app.test:${application.port}`, resolve: true }], resolver: { servers: [dns.address] },
  }))
  const { statusCode, body } = await dispatcher.request({ origin: 'http://shop.test', path: '/', method: 'GET' })
  assert.equal(statusCode, 200)
  await body.dump()
  await dispatcher.close()
})

test('a request whose function gives a group waits for the first answer of the DNS', async () => {
  await using application = await startApplication()
  await using dns = await DnsServer.start()
  dns.set('A', 'app.test', ['127.0.0.1'])
  const group = createUpstreams({ servers: [{ address: `app.test:${application.port}`, resolve: true }], resolver: { servers: [dns.address] } })
  const app = Fastify()
  app.register(scgi, { upstreams: () => group })
  assert.equal((await app.inject('/')).statusCode, 200)
  // What is known is enough from now on: a start after a close need not wait.
  await app.close()
  dns.set('A', 'app.test', 'silence')
  const next = Fastify()
  next.register(scgi, { upstreams: () => group })
  assert.equal((await next.inject('/')).statusCode, 200)
  await next.close()
})

test('a group that is refused for its name is not checked', async () => {
  const server = net.createServer(socket => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const port = typeof bound === 'object' ? bound?.port ?? 0 : 0
  let checks = 0
  server.on('connection', () => { checks += 1 })
  const app = Fastify()
  app.register(scgi, { prefix: '/taken', upstreams: { name: 'taken', servers: ['127.0.0.1:9'] } })
  const options = { upstreams: { name: 'taken', servers: [`127.0.0.1:${port}`], health: { interval: '100ms' } } }
  app.get('/', (_request, reply) => reply.scgi(options))
  const reply = await app.inject('/')
  assert.equal(reply.statusCode, 500)
  assert.match(reply.body, /FST_SCGI_OPT_INVALID/)
  await app.close()
  // Three checks of a group that is in use take longer than the interval: the other one would have been checked meanwhile.
  const used = createUpstreams({ servers: [`127.0.0.2:${port}`], health: { interval: '100ms', fails: 3 } })
  const unhealthy = new Promise<void>(resolve => used.on('state', () => resolve()))
  const other = Fastify()
  other.register(scgi, { upstreams: used })
  await other.ready()
  await unhealthy
  assert.equal(checks, 0)
  await other.close()
  server.close()
  await once(server, 'close')
})

test('of edits within a listener the last one holds, and each is told once', () => {
  const group = createUpstreams(['127.0.0.1:1', '127.0.0.1:2'])
  const told: string[] = []
  group.on('state', ({ state, server }) => {
    told.push(state)
    if (told.length === 1) group.enable(server.name)
  })
  group.drain('127.0.0.1:1')
  assert.equal(group.servers[0]?.state, 'up')
  assert.deepEqual(told, ['draining', 'up'])
})

test('a server that a listener takes off is told of as removed, and as nothing after that', async () => {
  const group = createUpstreams(['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:2'])
  const told: string[] = []
  group.on('state', ({ server, state }) => {
    told.push(`state ${state}`)
    if (group.servers.some(({ name }) => name === server.name)) group.remove(server.name)
  })
  group.on('removed', ({ server }) => told.push(`removed ${server.name}`))
  group.on('weight', () => told.push('weight'))
  group.disable('127.0.0.1:2')
  assert.deepEqual(told, ['state down', 'removed 127.0.0.1:2', 'removed 127.0.0.1:2'])
  assert.equal(group.servers.length, 1)
})

test('what is no group, no event and no listener is refused by name', () => {
  for (const wrong of [null, undefined, '127.0.0.1:4000', 4000]) {
    // @ts-expect-error as a program without types might
    assert.throws(() => createUpstreams(wrong), { code: 'FST_SCGI_OPT_INVALID', message: /option 'upstreams' is/ })
  }
  const group = createUpstreams(['127.0.0.1:1'])
  // @ts-expect-error as a program without types might
  assert.throws(() => group.on('up', () => {}), { code: 'FST_SCGI_OPT_INVALID', message: /option 'event' is "up"/ })
  // @ts-expect-error as a program without types might
  assert.throws(() => group.on('state', 5), { code: 'FST_SCGI_OPT_INVALID', message: /option 'listener' is 5/ })
})
