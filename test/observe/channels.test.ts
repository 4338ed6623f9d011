// What is told on diagnostics channels, when, and to whom.
import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import { once } from 'node:events'
import { createCache } from '../../lib/index.ts'
import * as topics from '../../lib/runtime/diagnostics.ts'
import { NameWatch } from '../../lib/group/resolve/watch.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { FakeTimers } from '../helpers/timers.ts'
import { startGateway } from '../helpers/gateway.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { turnsUntil } from '../helpers/passing.ts'

const HELLO = 'Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'

/** Everything that is told from now on, as a line for each message. */
function listen (): { told: string[], stop (): void } & Disposable {
  const told: string[] = []
  const ends = [
    topics.REQUEST_START.subscribe(({ request, info }) => told.push(`request:start ${request.method} hop ${info.hop}`)),
    topics.REQUEST_END.subscribe(({ group, statusCode }) => told.push(`request:end ${group?.name} ${statusCode}`)),
    topics.ATTEMPT_START.subscribe(({ server, resendCount, reason }) => told.push(`attempt:start ${server.name} ${resendCount} ${reason}`)),
    topics.ATTEMPT_CONNECT.subscribe(({ attempt }) => told.push(`attempt:connect ${attempt.connectTime !== undefined}`)),
    topics.ATTEMPT_HEAD.subscribe(({ head }) => told.push(`attempt:head ${head?.statusCode}`)),
    topics.ATTEMPT_END.subscribe(({ outcome, error, attempt }) => told.push(`attempt:end ${outcome} ${attempt.status} ${error?.name ?? '-'}`)),
    topics.GROUP_REFUSED.subscribe(({ group, error }) => told.push(`group:refused ${group.name} ${'code' in error ? error.code : ''}`)),
    topics.QUEUE_WAIT.subscribe(({ group, length }) => told.push(`queue:wait ${group.name} ${length}`)),
    topics.QUEUE_LEAVE.subscribe(({ outcome, waited }) => told.push(`queue:leave ${outcome} ${waited !== undefined && waited >= 0}`)),
    topics.CACHE_LOOKUP.subscribe(({ cache, status }) => told.push(`cache:lookup ${cache.name} ${status}`)),
    topics.SPOOL_WRITE.subscribe(({ kind, bytes }) => told.push(`spool:write ${kind} ${bytes}`)),
    topics.SERVER_STATE.subscribe(({ server, state }) => told.push(`server:state ${server.name} ${state}`)),
  ]
  const stop = (): void => { for (const end of ends) end() }
  return { told, stop, [Symbol.dispose]: stop }
}

test('a request and its attempts, in their order, with what made another one necessary', async () => {
  await using bad = await startRecorder({ answer: 'Status: 503 No\r\nContent-Length: 0\r\n\r\n' })
  await using good = await startRecorder({ answer: HELLO })
  const refused = await refusedAddress()
  await using gateway = await startGateway({
    upstreams: { name: 'g', servers: [refused, bad.address, good.address] }, nextUpstream: ['error', 'http_503'],
  })
  using heard = listen()
  const reply = await fetch(gateway.url)
  assert.equal(await reply.text(), 'hello')
  await turnsUntil(() => heard.told.some(line => line.startsWith('request:end')), 'the end', 10)
  assert.deepEqual(heard.told, [
    'request:start GET hop 0',
    `attempt:start ${refused} 0 undefined`,
    `server:state ${refused} failed`,
    'attempt:end failed 502 FastifyError',
    `attempt:start ${bad.address} 1 error`,
    'attempt:connect true',
    'attempt:head 503',
    `server:state ${bad.address} failed`,
    'attempt:end failed 503 -',
    `attempt:start ${good.address} 2 http_503`,
    'attempt:connect true',
    'attempt:head 200',
    'attempt:end ok 200 -',
    'request:end g 200',
  ])
})

test('a pass that led to an error page has the status it had come to, and the client what it got', async () => {
  await using app = await startRecorder({ answer: 'Status: 404 No\r\nContent-Length: 0\r\n\r\n' })
  await using gateway = await startGateway(instance => {
    instance.register(import('../../lib/index.ts'), {
      upstreams: { name: 'g', servers: [app.address] }, prefix: '/app', interceptErrors: true, errorPages: { 404: { to: '/sorry', status: 'target' } },
    })
    instance.get('/sorry', async () => 'sorry')
  })
  using heard = listen()
  assert.equal((await fetch(`${gateway.url}/app/x`)).status, 200)
  await turnsUntil(() => heard.told.some(line => line.startsWith('request:end')), 'the end', 10)
  assert.deepEqual(heard.told.filter(line => line.startsWith('request:')), ['request:start GET hop 0', 'request:end g 404'])
})

test('who waits in a queue, and how that ends; who finds no place', async () => {
  const open: (() => void)[] = []
  await using app = await startRecorder({
    answer: async x => {
      await new Promise<void>(resolve => { open.push(resolve) })
      await x.end(HELLO)
    },
  })
  const servers = [{ address: app.address, maxConns: 1 }]
  await using patient = await startGateway({ upstreams: { name: 'patient', servers, queue: { size: 1, timeout: '60s' } } })
  await using hasty = await startGateway({ upstreams: { name: 'hasty', servers, queue: { size: 1, timeout: '20ms' } } })
  using heard = listen()
  const of = (kind: string): string[] => heard.told.filter(line => line.startsWith(kind))
  const first = fetch(patient.url)
  await turnsUntil(() => open.length === 1, 'the first', 10)
  assert.deepEqual(of('queue:'), [], 'who is served at once does not wait')
  const served = fetch(patient.url)
  await turnsUntil(() => of('queue:wait').length === 1, 'the wait', 10)
  assert.equal((await fetch(patient.url)).status, 502)
  open.shift()?.()
  assert.equal((await first).status, 200)
  await turnsUntil(() => open.length === 1, 'the second', 10)
  open.shift()?.()
  await served
  const busy = fetch(hasty.url)
  await turnsUntil(() => open.length === 1, 'the third', 10)
  assert.equal((await fetch(hasty.url)).status, 502)
  open.shift()?.()
  await busy
  assert.deepEqual(of('queue:'), ['queue:wait patient 1', 'queue:leave served true', 'queue:wait hasty 1', 'queue:leave timeout true'])
  assert.deepEqual(of('group:'), ['group:refused patient FST_SCGI_QUEUE_FULL', 'group:refused hasty FST_SCGI_QUEUE_TIMEOUT'])
})

test('what the cache knew, and what was spooled', async () => {
  const body = 'x'.repeat(500_000)
  await using app = await startRecorder({
    answer: async x => {
      await x.body()
      await x.end(`Cache-Control: max-age=60\r\n${HELLO}`)
    }
  })
  await using gateway = await startGateway({ upstreams: { name: 'g', servers: [app.address] }, cache: { zone: createCache({ name: 'z' }) } })
  using heard = listen()
  for (let i = 0; i < 2; i++) await (await fetch(gateway.url)).text()
  await (await fetch(gateway.url, { method: 'POST', body })).text()
  assert.deepEqual(heard.told.filter(line => line.startsWith('cache:')), ['cache:lookup z MISS', 'cache:lookup z HIT'])
  const spooled = heard.told.filter(line => line.startsWith('spool:write request ')).map(line => Number(line.split(' ')[2]))
  assert.equal(spooled.reduce((sum, bytes) => sum + bytes, 0), body.length)
})

test('a reply that is read ahead of a slow client goes into a file', async () => {
  const body = Buffer.alloc(32_000_000, 'x')
  await using app = await startRecorder({
    answer: async x => {
      await x.end(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]))
    }
  })
  await using gateway = await startGateway({ upstreams: { name: 'g', servers: [app.address] } })
  using heard = listen()
  const reply = await fetch(gateway.url)
  await turnsUntil(() => heard.told.some(line => /^spool:write reply \d+$/.test(line)), 'the file', 20)
  assert.equal((await reply.arrayBuffer()).byteLength, body.length)
})

test('a client that goes away before it is answered', async () => {
  await using app = await startRecorder({ answer: async x => { await x.closed } })
  await using gateway = await startGateway({ upstreams: { name: 'g', servers: [app.address] } })
  using heard = listen()
  const client = new AbortController()
  const gone = fetch(gateway.url, { signal: client.signal })
  await app.received(1)
  client.abort()
  await assert.rejects(gone)
  await turnsUntil(() => heard.told.some(line => line.startsWith('request:end')), 'the end', 10)
  assert.deepEqual(heard.told.slice(-2), ['attempt:end abort undefined -', 'request:end g 499'])
})

test('checks of health, and answers of the DNS', async () => {
  await using app = await startRecorder({ answer: 'Status: 500 No\r\n\r\n' })
  const checks: string[] = []
  const stop = topics.HEALTH_CHECK.subscribe(({ group, server, reason, duration }) => checks.push(`${group} ${server.name} ${reason} ${duration >= 0}`))
  await using gateway = await startGateway({
    upstreams: { name: 'g', servers: [app.address], health: { type: 'scgi', interval: '100ms', jitter: 0, mandatory: true } },
  })
  assert.ok(gateway.url)
  await turnsUntil(() => checks.length > 0, 'a check', 20)
  stop()
  assert.equal(checks[0], `g ${app.address} status 500 true`)

  const answers: string[] = []
  const end = topics.DNS_ANSWER.subscribe(({ name, reason, found }) => answers.push(`${name} ${reason} ${found}`))
  const dns: { code: string | undefined } = { code: undefined }
  const watch = new NameWatch({ host: 'app', service: undefined, port: 4000 }, {
    questions: {
      addresses: async family => {
        if (dns.code !== undefined || family === 6) throw Object.assign(new Error('no'), { code: dns.code ?? 'ENODATA' })
        return { hosts: ['127.0.0.1', '127.0.0.2'], ttl: 1000 }
      },
      services: async () => [],
    },
    timers: new FakeTimers(),
    ttl: undefined,
    onChange () {},
    onFailure () {},
    onRecovery () {},
  })
  await watch.refresh()
  dns.code = 'ESERVFAIL'
  await watch.refresh()
  watch.stop()
  end()
  assert.deepEqual(answers, ['app undefined 2', 'app app: ESERVFAIL 2'])
})

test('a header that a listener sets goes with that attempt, in the place of the client\'s', async () => {
  const http = createServer((request, response) => {
    seen.push(`http ${request.headers.traceparent} ${request.rawHeaders.filter(name => name.toLowerCase() === 'traceparent').length}`)
    response.writeHead(503).end()
  }).listen(0, '127.0.0.1')
  after(() => http.close())
  await once(http, 'listening')
  const bound = http.address()
  const port = typeof bound === 'object' ? bound?.port : undefined
  const seen: string[] = []
  await using app = await startRecorder({
    answer: async x => {
      seen.push(`scgi ${x.request.all('HTTP_TRACEPARENT').join()}`)
      await x.end(HELLO)
    }
  })
  const upstreams = { name: 'g', servers: [`http://127.0.0.1:${port}`, app.address] }
  await using gateway = await startGateway({ upstreams, nextUpstream: ['http_503'] })
  const stop = topics.ATTEMPT_START.subscribe(message => message.setHeader('TraceParent', `span-${message.resendCount}`))
  await (await fetch(gateway.url, { headers: { traceparent: 'client' } })).text()
  const dispatcher = new ScgiDispatcher(app.address)
  const { body } = await dispatcher.request({ origin: 'http://x.test', path: '/', method: 'GET', headers: { traceparent: 'mine' } })
  await body.text()
  stop()
  await (await fetch(gateway.url, { headers: { traceparent: 'client' } })).text()
  await dispatcher.close()
  assert.deepEqual(seen, ['http span-0 1', 'scgi span-1', 'scgi span-0', 'scgi client'])
})

test('nothing is published once the last listener is gone, and what one throws is none of the request\'s', async () => {
  await using app = await startRecorder({ answer: HELLO })
  await using gateway = await startGateway({ upstreams: { name: 'g', servers: [app.address] } })
  for (const name of ['request:start', 'request:end', 'attempt:start', 'attempt:connect', 'attempt:head', 'attempt:end', 'cache:lookup', 'queue:wait']) {
    assert.equal(channel(`fastify-scgi:${name}`).hasSubscribers, false, name)
  }
  const thrown: string[] = []
  process.setUncaughtExceptionCaptureCallback(error => { thrown.push(error.message) })
  const ends = [topics.REQUEST_START, topics.ATTEMPT_START, topics.ATTEMPT_CONNECT, topics.ATTEMPT_HEAD, topics.ATTEMPT_END]
    .map(topic => topic.subscribe(() => { throw new Error('mine') }))
  try {
    assert.equal(await (await fetch(gateway.url)).text(), 'hello')
    await turnsUntil(() => thrown.length === 5, 'the errors', 10)
  } finally {
    for (const end of ends) end()
    process.setUncaughtExceptionCaptureCallback(null)
  }
  assert.deepEqual(new Set(thrown), new Set(['mine']))
})
