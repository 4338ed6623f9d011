// interceptErrors and errorPages: what answers in the place of an error.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { headerValue, headerValues, type RawResponse } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { bytes, get } from '../gateway/kit.ts'
import type { FastifyRequest } from 'fastify'
import type { FastifyScgiOptions } from '../../types/index.ts'

async function start (recorder: Recorder, options: Partial<FastifyScgiOptions>): Promise<Gateway> {
  return await startGateway(app => {
    app.setNotFoundHandler((request, reply) => { reply.code(404).send(`nothing at ${request.url}`) })
    app.get('/sorry', async (request, reply) => {
      reply.header('x-page', 'yes')
      return `sorry ${request.method} ${request.originalUrl}`
    })
    app.get('/teapot', async (_request, reply) => { reply.code(418).send('teapot') })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address, ...options })
    app.after(() => app.scgi.location('@fallback', async request => `fallback ${request.method} ${request.url}`))
  })
}

function answer (status: number, ...headers: string[]): string {
  return [`Status: ${status} Own Phrase`, 'Content-Type: text/x-app', 'Set-Cookie: a=b', ...headers, 'Content-Length: 4'].join('\r\n') + '\r\n\r\nbody'
}

function told ({ statusCode, body }: RawResponse): string {
  return `${statusCode} ${body.toString()}`
}

test('pages: a path, a location, a URL; with the status of the error, another, or the page\'s own', async () => {
  await using recorder = await startRecorder()
  await using gateway = await start(recorder, {
    interceptErrors: true,
    errorPages: {
      404: '/sorry?x',
      '500 502': '@fallback',
      503: { to: '/sorry', status: 200 },
      403: { to: '/teapot', status: 'target' },
      410: 'https://example.org/gone?x',
      411: { to: 'https://example.org/', status: 307 },
      301: '/sorry',
    },
  })
  const ask = async (status: number, request = get('/app/x')): Promise<RawResponse> => {
    recorder.answer = answer(status)
    return await rawRequest(gateway, request)
  }
  const page = await ask(404)
  assert.deepEqual([page.statusCode, page.reason, page.body.toString()], [404, 'Not Found', 'sorry GET /app/x'])
  assert.deepEqual([headerValue(page, 'x-page'), headerValues(page, 'set-cookie'), headerValue(page, 'content-type')], ['yes', [], 'text/plain; charset=utf-8'])
  assert.equal(told(await ask(500)), '500 fallback GET /app/x')
  assert.equal(told(await ask(502, bytes(['PUT /app/x HTTP/1.1', 'Host: a', 'Content-Length: 1'], 'b'))), '502 fallback PUT /app/x')
  assert.equal(told(await ask(404, bytes(['PUT /app/x HTTP/1.1', 'Host: a', 'Content-Length: 1'], 'b'))), '404 sorry GET /app/x')
  assert.equal(told(await ask(503)), '200 sorry GET /app/x')
  assert.equal(told(await ask(403)), '418 teapot')
  assert.equal(told(await ask(301)), '301 sorry GET /app/x')
  for (const [status, code, location] of [[410, 302, 'https://example.org/gone?x'], [411, 307, 'https://example.org/']] as const) {
    const response = await ask(status)
    assert.deepEqual([response.statusCode, headerValue(response, 'location')], [code, location])
  }
})

test('no page: the reply goes to the client', async () => {
  await using recorder = await startRecorder()
  await using gateway = await start(recorder, { interceptErrors: true, errorPages: { 402: '/sorry', 403: () => undefined, 405: () => '', 406: () => false } })
  for (const status of [301, 304, 400, 401, 403, 404, 405, 406, 500, 502, 599]) {
    recorder.answer = answer(status, 'WWW-Authenticate: Basic')
    const response = await rawRequest(gateway, get('/app/x'))
    assert.deepEqual([response.statusCode, response.reason, headerValue(response, 'set-cookie'), response.body.toString()], [status, 'Own Phrase', 'a=b', status === 304 ? '' : 'body'])
  }
})

test('no page with \'handler\': Fastify\'s handlers from 400 on, redirects and 304 left alone; WWW-Authenticate stays', async () => {
  await using recorder = await startRecorder()
  await using gateway = await start(recorder, { interceptErrors: 'handler', errorPages: { 402: '/sorry' } })
  const ask = async (status: number, ...headers: string[]): Promise<RawResponse> => {
    recorder.answer = answer(status, ...headers)
    return await rawRequest(gateway, get('/app/x'))
  }
  assert.equal(told(await ask(404)), '404 nothing at /app/x')
  const failed = await ask(503)
  assert.equal(failed.statusCode, 503)
  assert.deepEqual(JSON.parse(failed.body.toString()), { statusCode: 503, code: 'FST_SCGI_INTERCEPTED', error: 'Service Unavailable', message: 'Service Unavailable' })
  assert.equal(headerValue(failed, 'set-cookie'), undefined)
  const login = await ask(401, 'WWW-Authenticate: Basic realm="a"', 'WWW-Authenticate: Bearer')
  assert.equal(login.statusCode, 401)
  assert.deepEqual(headerValues(login, 'www-authenticate'), ['Basic realm="a"', 'Bearer'])
  const moved = await ask(302, 'Location: /app/y')
  assert.deepEqual([moved.statusCode, moved.reason, headerValue(moved, 'location'), moved.body.toString()], [302, 'Own Phrase', '/app/y', 'body'])
  assert.equal((await ask(304)).statusCode, 304)
  assert.equal(told(await ask(399)), '399 body')
})

test('without interceptErrors the application\'s errors are its own, the gateway\'s have pages', async () => {
  await using recorder = await startRecorder({ answer: answer(404) })
  await using gateway = await start(recorder, { errorPages: { 404: '/sorry', 502: '/sorry', 413: '@fallback' }, bodyLimit: 2 })
  assert.equal(told(await rawRequest(gateway, get('/app/x'))), '404 body')
  assert.equal(told(await rawRequest(gateway, bytes(['POST /app/x HTTP/1.1', 'Host: a', 'Content-Length: 3'], 'abc'))), '413 fallback POST /app/x')
  const refused = await rawRequest(gateway, bytes(['POST /app/x HTTP/1.1', 'Host: a', 'Content-Length: 3'], 'abc'))
  assert.equal(headerValue(refused, 'connection'), 'close')
  recorder.answer = 'no head at all'
  assert.equal(told(await rawRequest(gateway, get('/app/x'))), '502 sorry GET /app/x')
  assert.ok(gateway.log.some(line => line.level === 50 && /127\.0\.0\.1/.test(line.msg)), 'the failure is in the log all the same')
})

test('a function is asked with the request, for the gateway\'s own errors too, and also of a redirect or a file that failed', async () => {
  await using recorder = await startRecorder()
  const page = ({ method, url }: FastifyRequest): string => `/page/${method}${url}`
  await using gateway = await startGateway(app => {
    app.get('/page/*', { config: { scgi: { internal: true } } }, async request => request.url)
    app.register(scgi, {
      prefix: '/app',
      upstreams: recorder.address,
      interceptErrors: true,
      bodyLimit: 2,
      sendfile: { root: '/nowhere' },
      errorPages: { '403 404 413 500 502': page, 410: { to: () => 'https://example.org/sörry\r\nX-Evil: 1', status: 'target' } },
    })
  })
  const ask = async (reply: string, request = get('/app/x?a=/../b')): Promise<RawResponse> => {
    recorder.answer = reply
    return await rawRequest(gateway, request)
  }
  assert.equal(told(await ask(answer(404))), '404 /page/GET/app/x?a=/../b')
  assert.equal(told(await ask('no head')), '502 /page/GET/app/x?a=/../b')
  assert.equal(told(await ask('', bytes(['POST /app/x HTTP/1.1', 'Host: a', 'Content-Length: 3'], 'abc'))), '413 /page/POST/app/x')
  assert.equal(told(await ask('X-Sendfile: nothing\r\n\r\n')), '404 /page/GET/app/x?a=/../b')
  assert.equal(told(await ask('X-Accel-Redirect: @nobody\r\n\r\n')), '500 /page/GET/app/x?a=/../b')
  const moved = await ask(answer(410))
  assert.deepEqual([moved.statusCode, headerValue(moved, 'location'), headerValue(moved, 'x-evil')], [302, 'https://example.org/s%F6rry%0D%0AX-Evil:%201', undefined])
})

test('a function that throws or gives what is no target: its error answers, wherever it was asked', async () => {
  await using recorder = await startRecorder()
  const nonsense: Record<string, () => unknown> = {
    throws: () => { throw new Error('lost the key to 10.0.0.1') },
    number: () => 5,
    object: () => ({ to: '/x' }),
    script: () => 'javascript:alert(1)',
    blank: () => '@a b',
    upwards: () => '/page/../../etc',
    escaped: () => '/page/%2e%2e/etc',
  }
  await using gateway = await startGateway(app => {
    app.get('/*', { config: { scgi: { internal: true } } }, async request => `leaked ${request.url}`)
    const target = (request: FastifyRequest): string => {
      const given = nonsense[request.url.replace('/app/', '')]?.()
      // What a program without types gives is no string.
      return JSON.parse(JSON.stringify(given))
    }
    app.register(scgi, {
      prefix: '/app', upstreams: recorder.address, interceptErrors: true, sendfile: { root: '/nowhere' }, errorPages: { '404 502': target },
    })
  })
  for (const name of Object.keys(nonsense)) {
    for (const reply of [answer(404), 'no head', 'X-Sendfile: nothing\r\n\r\n']) {
      recorder.answer = reply
      gateway.log.length = 0
      const response = await rawRequest(gateway, get(`/app/${name}`))
      const upwards = name === 'upwards' || name === 'escaped'
      assert.equal(response.statusCode, upwards ? 404 : 500, `${name} ${reply}`)
      assert.doesNotMatch(response.body.toString(), /10\.0\.0\.1|etc|leaked/)
      const log = JSON.stringify(gateway.log)
      assert.match(log, upwards ? /FST_SCGI_REDIRECT_TARGET/ : /FST_SCGI_ERROR_PAGE/, `${name} ${reply}`)
      if (name === 'throws') assert.match(log, /lost the key to 10\.0\.0\.1/)
    }
  }
})

test('an error page has no error page', async () => {
  await using recorder = await startRecorder({ answer: answer(500) })
  await using gateway = await start(recorder, { interceptErrors: true, errorPages: { 500: '/app/sorry', 502: '/app/sorry' } })
  const response = await rawRequest(gateway, get('/app/x'))
  assert.equal(response.statusCode, 500)
  assert.equal(JSON.parse(response.body.toString()).code, 'FST_SCGI_INTERCEPTED')
  assert.equal(recorder.requests.length, 2)
})

test('the page of an application: its error takes the status all the same, a failure does not', async () => {
  await using recorder = await startRecorder({ answer: async exchange => { await exchange.end(answer(exchange.request.param('PATH_INFO') === '/page' ? 503 : 404)) } })
  await using pages = await startRecorder({ answer: answer(503) })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/app', upstreams: recorder.address, interceptErrors: true, errorPages: { 404: '/pages/x' } })
    app.register(scgi, { prefix: '/pages', upstreams: pages.address })
  })
  assert.equal(told(await rawRequest(gateway, get('/app/x'))), '404 body')
  pages.accept = () => 'close'
  assert.equal((await rawRequest(gateway, get('/app/x'))).statusCode, 502)
})

test('a request for a range or under a condition gets all of its error page', async () => {
  await using recorder = await startRecorder({ answer: answer(404) })
  await using gateway = await start(recorder, { interceptErrors: true, errorPages: { 404: '/sorry' } })
  assert.equal(told(await rawRequest(gateway, get('/app/x', 'Range: bytes=0-1', 'If-None-Match: *'))), '404 sorry GET /app/x')
})

test('what fails on the way back has pages too: a file, a target that is unsafe, unknown or endless', async () => {
  await using recorder = await startRecorder()
  await using gateway = await start(recorder, {
    sendfile: { root: '/nowhere' }, errorPages: { '403 404': '/sorry', 500: { to: '@fallback', status: 503 } }, internal: { '/files': '/nowhere' },
  })
  for (const [header, told404] of [
    ['X-Sendfile: nothing', '404 sorry GET /app/x'], ['X-Sendfile: /etc/passwd', '403 sorry GET /app/x'], ['X-Accel-Redirect: /a/../b', '404 sorry GET /app/x'],
    ['X-Accel-Redirect: @nobody', '503 fallback GET /app/x'],
  ] as const) {
    recorder.answer = `${header}\r\n\r\n`
    assert.equal(told(await rawRequest(gateway, get('/app/x'))), told404, header)
  }
})

const LEADING = [['the redirect itself was unsafe', 'X-Accel-Redirect: /a/../b'], ['a file is missing', 'X-Sendfile: missing']] as const

for (const [what, answer] of LEADING) {
  test(`an error page in a named location gets the body of the request, also where ${what}`, async () => {
    await using recorder = await startRecorder({ answer: `${answer}\r\n\r\n` })
    await using other = await startRecorder({ answer: 'Content-Length: 2\r\n\r\nok' })
    await using gateway = await startGateway(app => {
      app.register(scgi, { upstreams: recorder.address, errorPages: { 404: '@other' }, sendfile: { root: import.meta.dirname } })
      app.after(() => app.scgi.location('@other', (_request, reply) => reply.scgi({ upstreams: other.address })))
    })
    const response = await rawRequest(gateway, bytes(['POST /x HTTP/1.1', 'Host: a', 'Content-Length: 4'], 'body'))
    assert.equal(told(response), '404 ok')
    assert.deepEqual([other.requests[0]?.param('REQUEST_METHOD'), other.requests[0]?.body.toString()], ['POST', 'body'])
  })
}

test('hooks of the route of an error page know its status', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 404 Gone Away\r\nContent-Type: text/plain\r\n\r\nno' })
  const seen: unknown[] = []
  await using gateway = await startGateway(async app => {
    app.addHook('onSend', async (request, reply) => { seen.push(['before', request.url, reply.statusCode]) })
    await app.register(scgi, { prefix: '/app', upstreams: recorder.address, interceptErrors: true, errorPages: { 404: '/sorry', 403: { to: '/sorry', status: 200 } } })
    app.addHook('onSend', async (request, reply) => { seen.push(['after', request.url, reply.statusCode]) })
    app.get('/sorry', { preHandler: async (request, reply) => { seen.push(['handler', request.url, reply.statusCode]) } }, async () => 'sorry')
  })
  const reply = await fetch(`${gateway.url}/app/x`)
  assert.deepEqual([reply.status, reply.statusText, await reply.text()], [404, 'Not Found', 'sorry'])
  await gateway.close()
  assert.deepEqual(seen.filter(entry => JSON.stringify(entry).includes('/sorry')),
    [['handler', '/sorry', 404], ['before', '/sorry', 404], ['after', '/sorry', 404]])
})

test('an error in the place of a page has its own status, though the application has answered', async () => {
  await using recorder = await startRecorder({
    answer: async exchange => {
      const path = exchange.request.param('PATH_INFO')
      if (path === '/page') await exchange.end('X-Sendfile: missing\r\n\r\n')
      else await exchange.end('Status: 404 Not Found\r\n\r\n')
    },
  })
  const fail = (): never => { throw Object.assign(new Error('no page'), { statusCode: 507 }) }
  for (const [fails, status] of [
    [{ sendfile: { root: import.meta.dirname } }, 404], [{ onResponse: fail }, 507], [{ onResponse: async () => fail() }, 507],
    [{ rewriteHeaders: fail }, 507], [{ rewriteHeaders: fail, onError: reply => { reply.code(507).send('by the hook') } }, 507],
  ] satisfies [Partial<FastifyScgiOptions>, number][]) {
    await using gateway = await startGateway(app => {
      app.register(scgi, { prefix: '/app', upstreams: recorder.address, interceptErrors: true, errorPages: { 404: { to: '/other/page', status: 200 } } })
      app.register(scgi, { prefix: '/other', upstreams: recorder.address, ...fails })
    })
    assert.equal((await rawRequest(gateway, get('/app/x'))).statusCode, status, Object.keys(fails).join())
  }
})
