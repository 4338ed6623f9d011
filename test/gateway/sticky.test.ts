// Sessions over real sockets: who serves a client, and which cookies it gets.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import scgi, { createCache, createUpstreams } from '../../lib/index.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { headerValue, headerValues, type RawResponse } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder, type Recorder, type Script } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { get, startHttp2 } from './kit.ts'
import type { FastifyScgiOptions, GroupOptions, ServerOptions, StickyLearnOptions, StickyOptions, UpstreamGroup } from '../../types/index.ts'

const secret = 'an example of a secret'
const COOKIE: StickyOptions = { cookie: { name: 'srv', secret } }

/** Answers with its own address, and what else it is told to. */
function named (...headers: string[]): Script {
  return async exchange => {
    await exchange.body()
    const { address } = exchange.request
    await exchange.end(['Content-Type: text/plain', `Content-Length: ${address.length}`, ...headers].join('\r\n') + `\r\n\r\n${address}`)
  }
}

interface Setup extends AsyncDisposable {
  readonly gateway: Gateway
  readonly servers: Recorder[]
  readonly group: UpstreamGroup
  /** Address of a server. */
  at (index: number): string
  /** The server that answers, and what is in the cookie that it sets, if it does. */
  ask (cookie?: string, path?: string): Promise<{ server: string, cookie: string | undefined, response: RawResponse }>
}

interface SetupOptions {
  group?: Partial<GroupOptions>
  mount?: Partial<FastifyScgiOptions>
  server?: Partial<ServerOptions>[]
  answer?: Script
}

/** A gateway before so many servers, of the routes a, b, c ... */
async function start (sticky: StickyOptions, count = 3, options: SetupOptions = {}): Promise<Setup> {
  const servers = await Promise.all(Array.from({ length: count }, () => startRecorder({ answer: options.answer ?? named() })))
  const upstreams: GroupOptions = {
    name: 'g',
    servers: servers.map(({ address }, index) => ({ address, route: String.fromCharCode(97 + index), ...options.server?.[index] })),
    sticky,
    ...options.group,
  }
  const gateway = await startGateway({ upstreams, ...options.mount })
  const group = gateway.app.scgi.groups.get('g')
  assert.ok(group !== undefined)
  return {
    gateway,
    servers,
    group,
    at: index => servers[index]?.address ?? '',
    async ask (cookie, path = '/') {
      const response = await rawRequest(gateway, get(path, ...(cookie === undefined ? [] : [`Cookie: ${cookie}`])))
      const set = headerValues(response, 'set-cookie').at(-1)
      return { server: response.body.toString(), cookie: set?.split(';')[0], response }
    },
    async [Symbol.asyncDispose] () {
      await gateway.close()
      await Promise.all(servers.map(server => server.close()))
    },
  }
}

test('cookie: every reply sets it, and the next ones come from the same server', async () => {
  await using setup = await start(COOKIE)
  const seen = new Map<string, string>()
  for (let client = 0; client < 6; client++) {
    const first = await setup.ask()
    assert.match(headerValue(first.response, 'set-cookie') ?? '', /^srv=[\w-]{43}; httponly; path=\/$/)
    assert.ok(first.cookie !== undefined)
    seen.set(first.server, first.cookie)
    for (let n = 0; n < 3; n++) {
      const again = await setup.ask(`a=b; ${first.cookie}; c=d`)
      assert.deepEqual([again.server, again.cookie], [first.server, first.cookie])
    }
  }
  assert.equal(seen.size, 3)
  assert.equal(new Set(seen.values()).size, 3)
})

test('cookie: what is no value of a server is no cookie', async () => {
  await using setup = await start(COOKIE)
  const { cookie = '' } = await setup.ask()
  for (const value of [`${cookie}x`, cookie.slice(0, -1), cookie.toUpperCase(), 'srv=', 'srv=__proto__', 'srv=constructor', `x${cookie}`, `srv="${cookie.slice(4)}"`,
    'srv=a', `srv=${setup.at(0)}`, 'srv', ';;;', `srv=${'x'.repeat(10_000)}`, `${'a=b; '.repeat(2000)}`, `srv=\xff\xfe; ${cookie}`]) {
    const { response, cookie: set } = await setup.ask(value)
    assert.equal(response.statusCode, 200)
    assert.match(set ?? '', /^srv=[\w-]{43}$/, value)
  }
  // The last of 2,000 cookies counts as the first does.
  assert.equal((await setup.ask(`${'a=b; '.repeat(2000)}${cookie}`)).cookie, cookie)
})

test('cookie: out of order and back, down, draining, removed, added again', async () => {
  await using setup = await start(COOKIE, 3, { group: { balance: 'least_conn' } })
  const { group } = setup
  const { server, cookie = '' } = await setup.ask()
  group.drain(server)
  assert.deepEqual((await setup.ask(cookie)).server, server)
  for (let n = 0; n < 4; n++) assert.notEqual((await setup.ask()).server, server)
  group.enable(server)
  group.disable(server)
  const moved = await setup.ask(cookie)
  assert.notEqual(moved.server, server)
  assert.ok(moved.cookie !== undefined && moved.cookie !== cookie)
  assert.equal((await setup.ask(moved.cookie)).server, moved.server)
  group.enable(server)
  assert.equal((await setup.ask(moved.cookie)).server, moved.server)
  assert.deepEqual((await setup.ask(cookie)).server, server)
  group.remove(server)
  const removed = await setup.ask(cookie)
  assert.notEqual(removed.server, server)
  assert.match(removed.cookie ?? '', /^srv=/)
  await group.add({ address: server, route: String.fromCharCode(97 + setup.servers.findIndex(({ address }) => address === server)) })
  assert.deepEqual([(await setup.ask(cookie)).server, (await setup.ask(cookie)).cookie?.slice(0, 4)], [server, 'srv='])
})

test('cookie: a server that fails is left for another, whose cookie the client gets', async () => {
  const gone = await refusedAddress()
  await using setup = await start(COOKIE, 1)
  await setup.group.add({ address: gone })
  const value = createHmac('sha256', secret).update(gone).digest('base64url')
  const { server, cookie, response } = await setup.ask(`srv=${value}`)
  assert.equal(response.statusCode, 200)
  assert.equal(server, setup.at(0))
  assert.notEqual(cookie, `srv=${value}`)
  assert.match(cookie ?? '', /^srv=/)
  assert.equal(setup.group.servers.find(({ name }) => name === gone)?.failures, 1)
})

test("cookie: nginx's values, every attribute, beside the application's own cookies, whole and streamed, over HTTP/2", async () => {
  const sticky: StickyOptions = { cookie: { name: 'srv', nginxSid: true, expires: '1h', domain: request => request.hostname, path: '/x', secure: true, sameSite: 'strict' } }
  const big: Script = async exchange => {
    await exchange.body()
    await exchange.write(Buffer.from('Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nbegin'))
    await exchange.end('x'.repeat(300_000))
  }
  const mounts: Partial<FastifyScgiOptions>[] = [
    {},
    { preserveHeaderCase: true },
    { onResponse: (_request, reply, { body }) => { reply.send(body) } },
    { rewriteHeaders: headers => ({ 'Set-Cookie': headers['set-cookie'] ?? [] }) },
    { rewriteHeaders: headers => ({ 'Set-Cookie': headers['set-cookie'] ?? [] }), preserveHeaderCase: true },
  ]
  for (const answer of [named('Set-Cookie: a=1', 'Set-Cookie: b=2'), big]) {
    for (const mount of mounts) {
      await using setup = await start(sticky, 1, { answer, mount, server: [{}] })
      const { response } = await setup.ask('srv=a')
      const [one, two, own = '', ...more] = headerValues(response, 'set-cookie')
      assert.deepEqual([one, two, more], ['a=1', 'b=2', []])
      assert.match(own, /^srv=a; expires=\w{3}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT; max-age=3600; domain=gateway\.test; httponly; secure; samesite=strict; path=\/x$/)
    }
  }
  await using recorder = await startRecorder({ answer: named('Set-Cookie: a=1') })
  await using gateway = await startHttp2({ upstreams: { servers: [{ address: recorder.address, route: 'a' }], sticky: { cookie: { name: 'srv', nginxSid: true } } } })
  const response = await gateway.client.request({ ':path': '/' })
  assert.deepEqual(response.headers['set-cookie'], ['a=1', 'srv=a; httponly; path=/'])
  const again = await gateway.client.request({ ':path': '/', cookie: 'x=1; srv=a' })
  assert.deepEqual(again.headers['set-cookie'], ['a=1', 'srv=a; httponly; path=/'])
})

test("cookie: secure: 'auto' where the client came over TLS, also to a trusted proxy", async () => {
  await using recorder = await startRecorder()
  const upstreams = { servers: [recorder.address], sticky: { cookie: { name: 'srv', secret, secure: 'auto' as const } } }
  await using gateway = await startGateway({ upstreams }, { trustProxy: true })
  for (const [proto, secure] of [['https', true], ['http', false], ['junk', false]] as const) {
    const line = headerValue(await rawRequest(gateway, get('/', `X-Forwarded-Proto: ${proto}`)), 'set-cookie')
    assert.equal(line?.includes('; secure'), secure, proto)
  }
})

test('cookie: the cache stores none and serves none; a reply that it stores has one for its client', async () => {
  const cache = createCache({ name: 'sticky' })
  await using setup = await start(COOKIE, 2, { answer: named('Cache-Control: max-age=60'), mount: { cache: { zone: cache } } })
  for (const path of ['/', '/other']) {
    const first = await setup.ask(undefined, path)
    assert.match(first.cookie ?? '', /^srv=/)
    for (const cookie of [undefined, 'srv=x', first.cookie]) {
      const hit = await setup.ask(cookie, path)
      assert.deepEqual([hit.server, hit.cookie, headerValue(hit.response, 'age') !== undefined], [first.server, undefined, true])
    }
  }
  assert.equal(setup.servers.reduce((sum, { requests }) => sum + requests.length, 0), 2)
  // HEAD, which the cache asks for as GET.
  const head = await rawRequest(setup.gateway, 'HEAD /third HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.match(headerValue(head, 'set-cookie') ?? '', /^srv=/)
  const again = await rawRequest(setup.gateway, 'HEAD /third HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.equal(headerValue(again, 'set-cookie'), undefined)
  await cache.close()
})

test('cookie: a reply of the cache has none either when the server was asked whether it still holds', async () => {
  const cache = createCache({ name: 'sticky-revalidated' })
  await using setup = await start(COOKIE, 1, {
    answer: named('Cache-Control: max-age=60', 'ETag: "v"'), mount: { cache: { zone: cache, revalidate: true, useStale: ['http_503'] } },
  })
  const [server] = setup.servers
  assert.ok(server !== undefined)
  await setup.ask()
  for (const status of ['304 Not Modified', '503 No']) {
    await cache.purge({ glob: '*' }, { soft: true })
    server.answer = `Status: ${status}\r\nCache-Control: max-age=60\r\n\r\n`
    const { cookie, response, server: body } = await setup.ask()
    assert.deepEqual([response.statusCode, body, cookie], [200, server.address, undefined])
  }
  assert.equal(server.requests.length, 3)
  await cache.close()
})

test('cookie: errors of the gateway have none; redirects, files and intercepted errors have it', async () => {
  await using dir = await tempDir()
  await writeFile(join(dir.path, 'file.txt'), 'a file')
  await using recorder = await startRecorder({
    async answer (exchange) {
      await exchange.body()
      const { request } = exchange
      switch (request.param('PATH_INFO')) {
        case '/redirect': await exchange.end('X-Accel-Redirect: /plain\r\nSet-Cookie: a=1\r\n\r\n'); break
        case '/file': await exchange.end(`X-Sendfile: ${join(dir.path, 'file.txt')}\r\n\r\n`); break
        case '/error': await exchange.end('Status: 503\r\n\r\nno'); break
        case '/page': await exchange.end('Status: 500\r\n\r\nno'); break
        default: exchange.reset()
      }
    },
  })
  await using gateway = await startGateway(app => {
    app.get('/plain', async () => 'plain')
    app.register(scgi, {
      prefix: '/app',
      upstreams: { servers: [{ address: recorder.address, route: 'a' }], sticky: { cookie: { name: 'srv', nginxSid: true } } },
      sendfile: { root: dir.path },
      interceptErrors: 'handler',
      errorPages: { 500: '/plain' },
    })
  })
  const cookies = async (path: string): Promise<unknown[]> => {
    const response = await rawRequest(gateway, get(`/app${path}`))
    return [response.statusCode, ...headerValues(response, 'set-cookie')]
  }
  const own = 'srv=a; httponly; path=/'
  assert.deepEqual(await cookies('/redirect'), [200, 'a=1', own])
  assert.deepEqual(await cookies('/file'), [200, own])
  assert.deepEqual(await cookies('/error'), [503, own])
  assert.deepEqual(await cookies('/page'), [500, own])
  assert.deepEqual(await cookies('/reset'), [502])
})

test('cookie: a function that throws, or gives nonsense, is 500, and the server is not to blame', async () => {
  for (const domain of [() => { throw new Error('oh') }, () => 'a\r\nb: c']) {
    await using setup = await start({ cookie: { name: 'srv', secret, domain } }, 1)
    const { response } = await setup.ask()
    assert.deepEqual([response.statusCode, headerValue(response, 'set-cookie')], [500, undefined])
    assert.deepEqual(setup.group.servers.map(({ active, fails }) => [active, fails]), [[0, 0]])
  }
})

test('reply.from() sets it, too; a dispatcher gives it in its context', async () => {
  await using one = await startRecorder({ answer: named('Set-Cookie: a=1') })
  await using two = await startRecorder({ answer: named('Set-Cookie: a=1') })
  const servers = [{ address: one.address, route: 'a' }, { address: two.address, route: 'b' }]
  const sticky: StickyOptions = { cookie: { name: 'srv', nginxSid: true } }
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: { servers, sticky } })
    app.get('/from', (_request, reply) => reply.from('/'))
  })
  const first = await rawRequest(gateway, get('/from'))
  assert.deepEqual(headerValues(first, 'set-cookie'), ['a=1', 'srv=a; httponly; path=/'])
  for (let n = 0; n < 3; n++) {
    const again = await rawRequest(gateway, get('/from', 'Cookie: srv=b'))
    assert.deepEqual([again.body.toString(), headerValues(again, 'set-cookie')], [two.address, ['a=1', 'srv=b; httponly; path=/']])
  }
  const dispatcher = new ScgiDispatcher(createUpstreams({ servers, sticky }))
  const send = async (headers: string[] | Record<string, string | string[]>): Promise<unknown[]> => {
    const { body, context, headers: got } = await dispatcher.request({ origin: 'http://a', path: '/', method: 'GET', headers })
    return [await body.text(), Object(context).setCookie, got['set-cookie']]
  }
  assert.deepEqual(await send({}), [one.address, 'srv=a; httponly; path=/', 'a=1'])
  assert.deepEqual(await send({ cookie: 'x=y; srv=b' }), [two.address, 'srv=b; httponly; path=/', 'a=1'])
  assert.deepEqual(await send(['Cookie', 'x=y', 'cookie', 'srv=b']), [two.address, 'srv=b; httponly; path=/', 'a=1'])
  await dispatcher.close()
})

test('route: the first source that knows a server; failover and drain', async () => {
  await using setup = await start({ route: [request => request.headers['x-route']?.toString(), request => new URL(request.url, 'http://a').searchParams.get('r') ?? undefined] })
  const ask = async (path: string, ...headers: string[]): Promise<string> => {
    const { body } = await rawRequest(setup.gateway, get(path, ...headers))
    return body.toString()
  }
  for (let n = 0; n < 3; n++) {
    assert.equal(await ask('/?r=b'), setup.at(1))
    assert.equal(await ask('/?r=b', 'X-Route: c'), setup.at(2))
    assert.equal(await ask('/?r=b', 'X-Route: nobody'), setup.at(1))
  }
  setup.group.drain(setup.at(1))
  assert.equal(await ask('/?r=b'), setup.at(1))
  setup.group.disable(setup.at(1))
  assert.notEqual(await ask('/?r=b'), setup.at(1))
})

test('learn: the session goes where it began, until it is moved', async () => {
  let sessions = 0
  const answer: Script = async exchange => {
    await exchange.body()
    const { request } = exchange
    const begun = request.param('HTTP_COOKIE') === undefined ? `Set-Cookie: sid=s${++sessions}; Path=/\r\n` : ''
    await exchange.end(`${begun}Content-Length: ${request.address.length}\r\n\r\n${request.address}`)
  }
  const kinds: StickyLearnOptions[] = [
    { create: 'sid', lookup: 'sid' },
    {
      create: (_request, { headers }) => /^sid=(\w+)/.exec(String(headers['set-cookie'] ?? ''))?.[1],
      lookup: request => /^sid=(\w+)/.exec(request.headers.cookie ?? '')?.[1],
    },
  ]
  for (const learn of kinds) {
    await using setup = await start({ learn }, 3, { answer })
    for (let client = 0; client < 4; client++) {
      const { server, cookie } = await setup.ask()
      for (let n = 0; n < 3; n++) assert.deepEqual((await setup.ask(cookie)).server, server)
      if (client < 3) continue
      // Edits of the group change nothing for it.
      const other = setup.servers.find(({ address }) => address !== server)?.address ?? ''
      setup.group.remove(other)
      setup.group.drain(server)
      assert.equal((await setup.ask(cookie)).server, server)
      setup.group.disable(server)
      const moved = (await setup.ask(cookie)).server
      assert.notEqual(moved, server)
      setup.group.enable(server)
      for (let n = 0; n < 3; n++) assert.equal((await setup.ask(cookie)).server, moved)
    }
    // A session that the application did not begin is none.
    const strange = await Promise.all(Array.from({ length: 4 }, () => setup.ask('sid=mine')))
    assert.equal(new Set(strange.map(({ server }) => server)).size, 2)
  }
})

test('apache: cookie or parameter, redirect, no failover', async () => {
  const apache = { cookie: 'JSESSIONID', param: 'jsessionid' }
  await using setup = await start({ apache }, 3, { server: [{}, { redirect: 'c' }] })
  for (let n = 0; n < 3; n++) {
    assert.deepEqual((await setup.ask('JSESSIONID=12.b')).server, setup.at(1))
    assert.deepEqual((await setup.ask('JSESSIONID=12.b', '/x;jsessionid=34.c?y')).server, setup.at(2))
    assert.deepEqual((await setup.ask(undefined, '/x?jsessionid=34.a')).server, setup.at(0))
  }
  setup.group.disable(setup.at(1))
  for (let n = 0; n < 3; n++) assert.deepEqual((await setup.ask('JSESSIONID=12.b')).server, setup.at(2))
  setup.group.disable(setup.at(2))
  assert.deepEqual((await setup.ask('JSESSIONID=12.b')).server, setup.at(0))

  await using strict = await start({ apache, failover: false }, 2)
  strict.group.disable(strict.at(1))
  const { response } = await strict.ask('JSESSIONID=12.b')
  assert.equal(response.statusCode, 503)
  assert.equal(JSON.parse(response.body.toString()).code, 'FST_SCGI_NO_FAILOVER')
  assert.equal((await strict.ask('JSESSIONID=12.nobody')).server, strict.at(0))
  strict.group.enable(strict.at(1))
  strict.group.drain(strict.at(1))
  assert.equal((await strict.ask('JSESSIONID=12.b')).server, strict.at(1))
})

test('a group that several registrations share has one set of sessions', async () => {
  await using one = await startRecorder({ answer: named('X-Session: s1') })
  await using two = await startRecorder({ answer: named('X-Session: s1') })
  const group = createUpstreams({
    servers: [one.address, two.address],
    sticky: { learn: { create: (request, { headers }) => request.url.startsWith('/begin') ? String(headers['x-session']) : undefined, lookup: request => request.headers['x-session']?.toString() } },
  })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/begin', upstreams: group })
    app.register(scgi, { prefix: '/go', upstreams: group })
  })
  const begun = await rawRequest(gateway, get('/begin'))
  for (let n = 0; n < 3; n++) assert.equal((await rawRequest(gateway, get('/go', 'X-Session: s1'))).body.toString(), begun.body.toString())
})
