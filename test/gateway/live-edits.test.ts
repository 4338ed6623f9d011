// fastify.scgi.groups: how servers are, and edits while requests go on.
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { test } from 'node:test'
import { Pool } from 'undici'
import { createUpstreams } from '../../lib/index.ts'
import { GroupEmitter } from '../../lib/group/group-events.ts'
import { createScgiServer } from '../../lib/server/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { startPassing, trail } from '../helpers/passing.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import type { ScgiServer } from '../../lib/server/index.ts'
import type { UpstreamGroup } from '../../types/index.ts'

interface Application extends AsyncDisposable {
  address: string
  served: number
}

/** An SCGI server that answers with its own address. */
async function startApplication (): Promise<Application> {
  const server: ScgiServer = createScgiServer((_request, response) => {
    application.served += 1
    response.setHeader('content-type', 'text/plain')
    response.end(application.address)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  const application: Application = {
    address: `127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`,
    served: 0,
    async [Symbol.asyncDispose] () {
      server.close().closeAllConnections()
      await once(server, 'close')
    },
  }
  return application
}

function groupOf (gateway: { app: { scgi: { groups: { get (name: string): UpstreamGroup | undefined } } } }, name = 'g'): UpstreamGroup {
  const group = gateway.app.scgi.groups.get(name)
  if (group === undefined) throw new Error(`no group ${name}`)
  return group
}

/** Sends so many requests over ten connections; each `step` is done when its share of them has been answered. */
async function underLoad (url: string, requests: number, steps: (() => unknown)[]): Promise<void> {
  const pool = new Pool(url, { connections: 10 })
  let sent = 0
  let answered = 0
  let done = 0
  const failed: string[] = []
  const worker = async (): Promise<void> => {
    while (sent < requests) {
      sent += 1
      const { statusCode, body } = await pool.request({ method: 'GET', path: '/' })
      const text = await body.text()
      if (statusCode !== 200 || !text.startsWith('127.0.0.1:')) failed.push(`${statusCode} ${text}`)
      answered += 1
      const step = steps[done]
      if (step !== undefined && answered >= (done + 1) * requests / (steps.length + 1)) {
        done += 1
        await step()
      }
    }
  }
  await Promise.all(Array.from({ length: 10 }, worker))
  await pool.close()
  assert.deepEqual(failed, [])
  assert.deepEqual([answered, done], [requests, steps.length])
}

test('2,000 requests, and each edit runs twice meanwhile: every one is answered with 200', async () => {
  await using a = await startApplication()
  await using b = await startApplication()
  await using c = await startApplication()
  await using d = await startApplication()
  await using gateway = await startGateway(app => { app.register(import('../../lib/index.ts'), { upstreams: { name: 'g', servers: [a.address, b.address, c.address] } }) },
    { logger: false })
  const group = groupOf(gateway)
  const round = [
    () => group.add({ address: d.address, weight: 2 }),
    () => group.setWeight(a.address, 3),
    () => group.drain(b.address),
    () => group.enable(b.address),
    () => group.disable(c.address),
    () => group.enable(c.address),
    () => group.setWeight(a.address, 1),
    () => group.remove(d.address),
  ]
  await underLoad(gateway.url, 2000, [...round, ...round])
  assert.deepEqual(group.servers.map(({ name, state, active }) => [name, state, active]), [a, b, c].map(({ address }) => [address, 'up', 0]))
  assert.ok(d.served > 100, `${d.served}`)
  assert.equal(group.servers.reduce((sum, { served }) => sum + served, d.served), 2000)
})

test('the last server is replaced by another while requests go on', async () => {
  await using a = await startApplication()
  await using b = await startApplication()
  await using gateway = await startGateway(app => { app.register(import('../../lib/index.ts'), { upstreams: { name: 'g', servers: [a.address] } }) }, { logger: false })
  const group = groupOf(gateway)
  const swap = (from: Application, to: Application) => async () => {
    await group.add(to.address)
    group.remove(from.address)
  }
  await underLoad(gateway.url, 400, [swap(a, b), swap(b, a), swap(a, b), swap(b, a)])
  assert.ok(a.served > 0 && b.served > 0)
})

test('a reply in flight of a server that is removed, drained or disabled comes to its end', async () => {
  const body = Buffer.alloc(500_000, '0123456789abc')
  for (const edit of ['remove', 'drain', 'disable'] as const) {
    let finish = (): void => {}
    await using one = await startRecorder({
      async answer (x) {
        await x.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body.subarray(0, 200_000)]))
        await new Promise<void>(resolve => { finish = resolve })
        await x.end(body.subarray(200_000))
      },
    })
    await using two = await startRecorder()
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, { address: two.address, backup: true }] } })
    const group = groupOf(gateway)
    const [server] = group.servers
    const long = gateway.send('GET', '/long')
    await one.received(1)
    group[edit](one.address)
    assert.deepEqual([server?.state, server?.active], [{ remove: 'removed', drain: 'draining', disable: 'down' }[edit], 1])
    for (let n = 0; n < 3; n++) assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, two.address)
    finish()
    const { response } = await long
    assert.ok(response.body.equals(body), edit)
    assert.deepEqual([server?.active, server?.served, server?.bytesReceived], [0, 1, body.length + `Content-Length: ${body.length}\r\n\r\n`.length])
  }
})

test('add: as at register, and not twice', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address] } })
  const group = groupOf(gateway)
  const wrong: [unknown, string, RegExp][] = [
    [7, 'FST_SCGI_OPT_INVALID', /option 'server' is 7/],
    ['ftp://a', 'FST_SCGI_OPT_UNSUPPORTED', /ftp/],
    [{ address: two.address, weight: 0 }, 'FST_SCGI_OPT_INVALID', /'server\.weight' is 0/],
    [{ address: two.address, wait: 1 }, 'FST_SCGI_OPT_UNKNOWN', /'server\.wait'/],
    [{ address: two.address, service: 'scgi' }, 'FST_SCGI_OPT_UNSUPPORTED', /'server\.service'/],
    [one.address, 'FST_SCGI_OPT_INVALID', /a server that g has not yet/],
    ['no-such-host.invalid:1', 'FST_SCGI_RESOLVE', /no-such-host/],
  ]
  for (const [server, code, message] of wrong) {
    await assert.rejects(async () => { await Reflect.apply(group.add, group, [server]) }, { code, message }, String(server))
  }
  assert.equal(group.servers.length, 1)
  const added = await group.add({ address: two.address, weight: 3, backup: true })
  assert.deepEqual(added.map(({ name, weight, backup, state }) => [name, weight, backup, state]), [[two.address, 3, true, 'up']])
  const both = [group.add('127.0.0.1:9'), group.add('127.0.0.1:9')]
  assert.equal((await Promise.allSettled(both)).filter(({ status }) => status === 'fulfilled').length, 1)
})

test('a group can be edited before anybody uses it', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  const [, port = ''] = one.address.split(':')
  const group = createUpstreams([`localhost:${port}`])
  await group.add(two.address)
  group.drain(two.address)
  assert.deepEqual(group.servers.map(({ name, state }) => [name, state]), [[two.address, 'draining']])
  await using gateway = await startPassing({ upstreams: group })
  assert.ok(group.servers.length >= 2)
  assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
  assert.equal(one.requests.length, 1)
})

test('a server that is not there, and a weight that is none', async () => {
  const group = createUpstreams(['127.0.0.1:1'])
  for (const edit of ['remove', 'drain', 'enable', 'disable'] as const) {
    assert.throws(() => group[edit]('127.0.0.1:2'), { code: 'FST_SCGI_SERVER_UNKNOWN', statusCode: 404, message: /no server "127\.0\.0\.1:2"/ })
  }
  for (const weight of [0, 1.5, NaN, '2']) {
    assert.throws(() => { Reflect.apply(group.setWeight, group, ['127.0.0.1:1', weight]) }, { code: 'FST_SCGI_OPT_INVALID', message: /'weight'/ })
  }
})

test('a group may become empty, and be filled again', async () => {
  await using one = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address] } })
  const group = groupOf(gateway)
  group.remove(one.address)
  assert.deepEqual(trail((await gateway.send('GET', '/')).scgi.attempts), ['g 502'])
  await group.add(one.address)
  assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
})

test('functions may name what was added, and no more what was removed', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  let address = two.address
  await using gateway = await startPassing([
    { prefix: '/g', upstreams: { name: 'g', servers: [one.address] } },
    { prefix: '/by', upstreams: () => address },
  ])
  const group = groupOf(gateway)
  assert.equal((await gateway.send('GET', '/by/')).error?.code, 'FST_SCGI_UPSTREAM_NOT_ALLOWED')
  await group.add(two.address)
  assert.equal((await gateway.send('GET', '/by/')).scgi.upstreamAddr, two.address)
  address = one.address
  assert.equal((await gateway.send('GET', '/by/')).scgi.upstreamAddr, one.address)
  group.remove(one.address)
  assert.equal((await gateway.send('GET', '/by/')).error?.code, 'FST_SCGI_UPSTREAM_NOT_ALLOWED')
})

test('how servers are, groups without a name included; also as JSON', async () => {
  await using one = await startRecorder()
  const refused = await refusedAddress()
  await using gateway = await startPassing([
    { prefix: '/a', upstreams: [{ address: one.address, weight: 2, maxConns: 9 }, refused] },
    { prefix: '/b', upstreams: { name: 'named', servers: [one.address] } },
  ])
  for (let n = 0; n < 3; n++) await gateway.send('GET', '/a/')
  const groups = [...gateway.app.scgi.groups]
  assert.deepEqual(groups.map(({ name }) => name), [`${one.address},${refused}`, 'named'])
  assert.equal(gateway.app.scgi.groups.get(`${one.address},${refused}`), groups[0])
  const [good, bad] = JSON.parse(JSON.stringify(groups))[0].servers
  assert.deepEqual(
    { ...good, bytesSent: good.bytesSent > 300, headerTime: good.headerTime > 0, responseTime: good.responseTime > 0 },
    {
      name: one.address,
      state: 'up',
      weight: 2,
      maxConns: 9,
      backup: false,
      active: 0,
      fails: 0,
      served: 3,
      failures: 0,
      bytesSent: true,
      bytesReceived: 3 * 65,
      headerTime: true,
      responseTime: true,
    })
  assert.deepEqual([bad.state, bad.fails, bad.failures, bad.served], ['failed', 1, 1, 0])
  assert.ok(bad.lastError.startsWith(`connect() to ${refused} failed: ECONNREFUSED`), bad.lastError)
})

test('events, diagnostics channels and the log', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address] } })
  const group = groupOf(gateway)
  const told: string[] = []
  const published: unknown[] = []
  const listen = (message: unknown): void => { published.push(message) }
  const channels = ['fastify-scgi:server:state', 'fastify-scgi:server:added', 'fastify-scgi:server:removed', 'fastify-scgi:server:weight']
  for (const channel of channels) subscribe(channel, listen)
  const events: unknown[] = []
  group.on('state', event => {
    events.push(event)
    told.push(`${event.server.name} ${event.previous} ${event.state}`)
  })
  group.on('added', event => { events.push(event); told.push(`${event.server.name} added`) })
  group.on('removed', event => { events.push(event); told.push(`${event.server.name} removed`) })
  group.on('weight', event => { events.push(event); told.push(`${event.server.name} weight ${event.weight}`) })
  await group.add({ address: two.address, down: true })
  group.enable(two.address)
  group.enable(two.address)
  group.drain(two.address)
  group.setWeight(two.address, 4)
  group.remove(two.address)
  assert.deepEqual(told, [
    `${two.address} added`, `${two.address} down up`, `${two.address} up draining`, `${two.address} weight 4`, `${two.address} removed`,
  ])
  assert.deepEqual(published, events)
  for (const channel of channels) unsubscribe(channel, listen)
  assert.deepEqual(gateway.log.filter(({ msg }) => msg.includes('upstream server')).map(({ level, msg }) => [level, msg.replaceAll(two.address, 'two')]), [
    [30, 'upstream server two is added to g'],
    [30, 'upstream server two is up in g'],
    [30, 'upstream server two is draining in g'],
    [30, 'upstream server two has weight 4 in g'],
    [30, 'upstream server two is removed from g'],
  ])
})

test('an event is made only where somebody listens', () => {
  const emitter = new GroupEmitter()
  emitter.emit('added', () => assert.fail('nobody listens'))
})

test('what a listener throws is an uncaught exception, and no failure of the edit', async () => {
  const group = createUpstreams(['127.0.0.1:1'])
  group.on('state', () => { throw new Error('mine') })
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  const caught = once(process, 'uncaughtException')
  group.disable('127.0.0.1:1')
  const [error] = await caught
  for (const listener of listeners) process.on('uncaughtException', listener)
  assert.equal(error.message, 'mine')
})
