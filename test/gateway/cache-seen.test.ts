// The cache and what the application sees: headers that select variants, paths, bodies.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { test } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, type RawResponse } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { bytes, get } from './kit.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

let caches = 0

function cached (): Pick<FastifyScgiOptions, 'cache'> {
  return { cache: { zone: createCache({ name: `seen${caches++}` }), valid: '1h', statusHeader: 'X-Cache' } }
}

const told = (response: RawResponse): string => `${headerValue(response, 'x-cache') ?? '-'} ${response.body.toString()}`

/** Answers with the parameters of these names. */
async function echo (recorder: Recorder, vary: string, ...params: string[]): Promise<void> {
  recorder.answer = async exchange => {
    const body = params.map(name => exchange.request.param(name) ?? 'none').join('|')
    await exchange.end(`Content-Type: text/plain\r\n${vary === '' ? '' : `Vary: ${vary}\r\n`}Content-Length: ${body.length}\r\n\r\n${body}`)
  }
}

interface Seen {
  title: string
  vary: string
  options?: Partial<FastifyScgiOptions>
  trustProxy?: boolean
  /** Lines of a request, and what the application gets of them. */
  requests: Array<[lines: string[], seen: string]>
}

const variants: Seen[] = [
  { title: 'repeated lines', vary: 'User-Agent', requests: [[['User-Agent: a'], 'a'], [['User-Agent: a', 'User-Agent: b'], 'a, b'], [['User-Agent: a, b'], 'a, b'], [['User-Agent: a'], 'a']] },
  { title: 'repeated lines of Cookie', vary: 'Cookie', requests: [[['Cookie: a=1'], 'a=1'], [['Cookie: a=1', 'Cookie: b=2'], 'a=1; b=2'], [['Cookie: a=1; b=2'], 'a=1; b=2']] },
  { title: 'a header that Connection lists', vary: 'X-A', requests: [[['X-A: 1'], '1'], [['X-A: 1', 'Connection: X-A, close'], 'none'], [[], 'none'], [['X-A: 1'], '1']] },
  { title: 'a header that is never sent', vary: 'Proxy', requests: [[['Proxy: 1'], 'none'], [['Proxy: 2'], 'none'], [[], 'none']] },
  { title: 'X-Forwarded-For', vary: 'X-Forwarded-For', requests: [[['X-Forwarded-For: 1.2.3.4'], '127.0.0.1'], [['X-Forwarded-For: 1.2.3.5'], '127.0.0.1'], [[], '127.0.0.1']] },
  { title: 'X-Forwarded-For of a trusted proxy', vary: 'X-Forwarded-For', trustProxy: true, requests: [[['X-Forwarded-For: 1.2.3.4'], '1.2.3.4, 127.0.0.1'], [['X-Forwarded-For: 1.2.3.5'], '1.2.3.5, 127.0.0.1'], [['X-Forwarded-For: 1.2.3.4'], '1.2.3.4, 127.0.0.1']] },
  { title: 'X-Forwarded-For that is passed', vary: 'X-Forwarded-For', options: { forwarded: 'pass' }, requests: [[['X-Forwarded-For: 1.2.3.4'], '1.2.3.4'], [['X-Forwarded-For: 1.2.3.5'], '1.2.3.5'], [[], 'none']] },
  { title: 'X-Forwarded-For that is dropped', vary: 'X-Forwarded-For', options: { forwarded: 'drop' }, requests: [[['X-Forwarded-For: 1.2.3.4'], 'none'], [['X-Forwarded-For: 1.2.3.5'], 'none']] },
  { title: 'X-Forwarded-Proto', vary: 'X-Forwarded-Proto', requests: [[['X-Forwarded-Proto: https'], 'http'], [[], 'http']] },
  { title: 'underscores that are dropped', vary: 'X-A', requests: [[['X_A: 1'], 'none'], [['X_A: 2'], 'none'], [['X-A: 1'], '1']] },
  { title: 'underscores', vary: 'X-A', options: { underscoresInHeaders: true }, requests: [[['X_A: 1'], '1'], [['X_A: 2'], '2'], [['X_A: 2', 'X-A: 1'], '1'], [['X-A: 2'], '2']] },
  { title: 'Vary with an underscore', vary: 'X_A', options: { underscoresInHeaders: true }, requests: [[['X-A: 1'], '1'], [['X-A: 2'], '2'], [['X-A: 1'], '1'], [[], 'none']] },
  { title: 'a parameter in the place of a header', vary: 'X-A', options: { params: { HTTP_X_A: request => String(request.headers['x-b']) } }, requests: [[['X-A: 1', 'X-B: b'], 'b'], [['X-A: 2', 'X-B: b'], 'b'], [['X-A: 1', 'X-B: c'], 'c']] },
  { title: 'a parameter that hides a header', vary: 'X-A', options: { params: { HTTP_X_A: '' } }, requests: [[['X-A: 1'], 'none'], [['X-A: 2'], 'none']] },
  { title: 'no header is passed', vary: 'X-A', options: { passRequestHeaders: false }, requests: [[['X-A: 1'], 'none'], [['X-A: 2'], 'none']] },
  { title: 'a list of headers that are passed', vary: 'X-A, X-B', options: { passRequestHeaders: ['X-B'] }, requests: [[['X-A: 1'], 'none'], [['X-A: 2'], 'none'], [['X-A: 1', 'X-B: 1'], 'none'], [['X-A: 2', 'X-B: 1'], 'none']] },
  { title: 'a hook', vary: 'X-A', options: { rewriteRequestHeaders: (request, headers) => ({ ...headers, 'X-A': headers['x-b'] }) }, requests: [[['X-A: 1', 'X-B: b'], 'b'], [['X-A: 2', 'X-B: b'], 'b'], [['X-A: 2', 'X-B: c'], 'c']] },
  { title: 'a hook that takes a header away', vary: 'X-A', options: { rewriteRequestHeaders: (request, { 'x-a': _, ...headers }) => headers }, requests: [[['X-A: 1'], 'none'], [['X-A: 2'], 'none']] },
  { title: 'an empty header and none', vary: 'X-A', requests: [[['X-A:'], ''], [[], 'none']] },
  { title: 'blanks and commas where the application may tell them apart', vary: 'X-A', requests: [[['X-A: a,b'], 'a,b'], [['X-A: a, b'], 'a, b'], [['X-A: a b'], 'a b']] },
]

for (const { title, vary, options, trustProxy = false, requests } of variants) {
  test(`Vary is what the application sees: ${title}`, async () => {
    await using recorder = await startRecorder()
    const [name = ''] = vary.split(',')
    await echo(recorder, vary, `HTTP_${name.toUpperCase().replaceAll('-', '_')}`)
    await using gateway = await startGateway({ upstreams: recorder.address, ...cached(), ...options }, { trustProxy })
    const known = new Set<string>()
    for (const [lines, seen] of requests) {
      // With two names the second is part of what is seen.
      const whole = vary.includes(',') ? `${seen} ${lines.some(line => line.startsWith('X-B'))}` : seen
      assert.equal(told(await rawRequest(gateway, get('/', ...lines))), `${known.has(whole) ? 'HIT' : 'MISS'} ${seen}`, lines.join())
      known.add(whole)
    }
  })
}

for (const [lines, same] of [
  [['gzip, br', 'gzip,br', ' gzip ,\tbr', 'gzip,,br,'], true],
  [['gzip;q=1, br', 'gzip; q=1,br'], true],
  [['gzip,br', 'gzip br'], false],
  [['gzip, br', 'br, gzip'], false],
] as const) {
  test(`Accept-Encoding ${lines.join(' | ')}: ${same ? 'one variant' : 'a variant each'}`, async () => {
    await using recorder = await startRecorder()
    await echo(recorder, 'Accept-Encoding', 'HTTP_HOST')
    await using gateway = await startGateway({ upstreams: recorder.address, ...cached() })
    for (const [index, line] of lines.entries()) {
      const response = await rawRequest(gateway, get('/', `Accept-Encoding: ${line}`))
      assert.equal(headerValue(response, 'x-cache'), same && index > 0 ? 'HIT' : 'MISS', line)
    }
  })
}

test('Vary is what a server sees that speaks HTTP', async () => {
  const server = createServer((request, response) => {
    const lines = request.rawHeaders.filter((_, index) => /^x[-_]a$/i.test(request.rawHeaders[index - 1] ?? ''))
    response.setHeader('Vary', 'X_A, X-A, X-Forwarded-For')
    response.end(`${lines.join()} ${request.headers['x-forwarded-for']}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  try {
    await using gateway = await startGateway({ upstreams: `http://127.0.0.1:${address.port}`, underscoresInHeaders: true, ...cached() })
    for (const [lines, expected] of [
      [['X_A: 1'], 'MISS 1'], [['X_A: 2'], 'MISS 2'], [['X_A: 1', 'X-A: 2'], 'MISS 1,2'], [['X_A: 2', 'X-A: 2'], 'MISS 2,2'],
      [['X_A: 1', 'X-Forwarded-For: 1.2.3.4'], 'HIT 1'], [['X_A: 1', 'X-A: 2', 'Connection: X-A, X_A'], 'MISS '], [[], 'HIT '],
    ] as const) {
      assert.equal(told(await rawRequest(gateway, get('/', ...lines))), `${expected} 127.0.0.1`, lines.join())
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('Authorization counts where the application sees it', async () => {
  await using recorder = await startRecorder()
  await echo(recorder, '', 'HTTP_AUTHORIZATION')
  const ask = async (options: Partial<FastifyScgiOptions>): Promise<string[]> => {
    await using gateway = await startGateway({ upstreams: recorder.address, ...cached(), ...options })
    const request = get('/', 'Authorization: Basic eDp5', 'X-User: u')
    return [told(await rawRequest(gateway, request)), told(await rawRequest(gateway, request))]
  }
  assert.deepEqual(await ask({}), ['MISS Basic eDp5', 'MISS Basic eDp5'])
  assert.deepEqual(await ask({ params: { HTTP_AUTHORIZATION: '' } }), ['MISS none', 'HIT none'])
  assert.deepEqual(await ask({ passRequestHeaders: ['X-User'] }), ['MISS none', 'HIT none'])
  assert.deepEqual(await ask({ params: { HTTP_AUTHORIZATION: request => String(request.headers['x-user']) } }), ['MISS u', 'MISS u'])
})

test('a request that cannot be sent gets nothing from the cache that is for others', async () => {
  await using recorder = await startRecorder()
  await echo(recorder, 'X-A', 'HTTP_X_A')
  let broken = false
  await using gateway = await startGateway({
    upstreams: recorder.address,
    ...cached(),
    params: {
      HTTP_X_A: () => {
        if (broken) throw new Error('no such user')
        return undefined
      },
    },
  })
  assert.equal(told(await rawRequest(gateway, get('/'))), 'MISS none')
  assert.equal(told(await rawRequest(gateway, get('/'))), 'HIT none')
  broken = true
  assert.equal((await rawRequest(gateway, get('/'))).statusCode, 500)
})

test('the key holds what decides PATH_INFO', async () => {
  await using recorder = await startRecorder()
  await echo(recorder, '', 'PATH_INFO', 'REQUEST_URI')
  const { cache } = cached()
  await using gateway = await startGateway(app => {
    app.addConstraintStrategy({
      name: 'side',
      mustMatchWhenDerived: false,
      storage: () => {
        const handlers = new Map()
        return { get: (key: string) => handlers.get(key) ?? null, set: (key: string, value: unknown) => { handlers.set(key, value) } }
      },
      deriveConstraint: request => request.headers['x-side'] ?? '',
      validate: () => {},
    })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address, ...(cache !== undefined && { cache }) })
    for (const side of ['left', 'right']) {
      app.register(scgi, {
        prefix: '/side', constraints: { side }, rewritePrefix: `/${side}`, upstreams: recorder.address, ...(cache !== undefined && { cache }),
      })
    }
  }, { rewriteUrl: ({ url = '', headers: { 'x-tenant': tenant } }) => tenant === undefined ? url : `/app/${String(tenant)}` })
  for (const status of ['MISS', 'HIT']) {
    assert.equal(told(await rawRequest(gateway, get('/app/x'))), `${status} /x|/app/x`)
    for (const tenant of ['one', 'two', 'a%20b']) {
      assert.equal(told(await rawRequest(gateway, get('/app/x', `X-Tenant: ${tenant}`))), `${status} /${decodeURIComponent(tenant)}|/app/x`)
    }
    for (const side of ['left', 'right']) assert.equal(told(await rawRequest(gateway, get('/side/x', `X-Side: ${side}`))), `${status} /${side}/x|/side/x`)
  }
})

test('a body is a body wherever it came from: its reply is nobody else\'s', async () => {
  await using recorder = await startRecorder()
  recorder.answer = async exchange => {
    const { request } = exchange
    const path = request.param('PATH_INFO') ?? ''
    if (path === '/go') await exchange.end('X-Accel-Redirect: /cached/page\r\n\r\n')
    else if (path === '/fail') await exchange.end('Status: 404\r\nContent-Length: 0\r\n\r\n')
    else {
      const body = `[${(await exchange.body()).toString()}]`
      await exchange.end(`Content-Length: ${body.length}\r\n\r\n${body}`)
    }
  }
  const { cache } = cached()
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/cached', upstreams: recorder.address, ...(cache !== undefined && { cache }) })
    await app.register(scgi, { prefix: '/app', upstreams: recorder.address, interceptErrors: true, errorPages: { 404: '/cached/page' } })
    app.get('/own', (request, reply) => reply.scgi({ upstreams: recorder.address, body: String(request.headers['x-body'] ?? ''), ...(cache !== undefined && { cache }) }))
    app.get('/hook', { preHandler: async request => { request.body = request.headers['x-body'] } }, (request, reply) => reply.scgi({ upstreams: recorder.address, ...(cache !== undefined && { cache }) }))
    await app.register(scgi, { prefix: '/bare', passRequestBody: false, upstreams: recorder.address, ...(cache !== undefined && { cache }) })
  })
  const post = (path: string, body: string): Buffer => bytes([`POST ${path} HTTP/1.1`, 'Host: gateway.test', `Content-Length: ${body.length}`], body)
  for (const path of ['/app/go', '/app/fail']) assert.equal(told(await rawRequest(gateway, post(path, 'secret'))), '- [secret]', path)
  assert.equal(told(await rawRequest(gateway, get('/cached/page'))), 'MISS []')
  for (const path of ['/app/go', '/app/fail']) {
    assert.equal(told(await rawRequest(gateway, post(path, 'mine'))), '- [mine]', path)
    assert.equal(told(await rawRequest(gateway, post(path, ''))), 'HIT []', path)
  }
  for (const path of ['/own', '/hook']) {
    assert.equal(told(await rawRequest(gateway, get(path, 'X-Body: secret'))), '- [secret]', path)
    assert.equal(told(await rawRequest(gateway, get(path))), 'MISS []', path)
    assert.equal(told(await rawRequest(gateway, get(path))), 'HIT []', path)
    assert.equal(told(await rawRequest(gateway, get(path, 'X-Body: secret'))), '- [secret]', path)
  }
  const withBody = (body: string): Buffer => bytes(['GET /cached/get HTTP/1.1', 'Host: gateway.test', `Content-Length: ${body.length}`], body)
  assert.equal(told(await rawRequest(gateway, withBody('secret'))), '- [secret]')
  assert.equal(told(await rawRequest(gateway, withBody(''))), 'MISS []')
  assert.equal(told(await rawRequest(gateway, bytes(['GET /bare/x HTTP/1.1', 'Host: gateway.test', 'Content-Length: 6'], 'secret'))), 'MISS []')
})
