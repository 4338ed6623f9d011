// Validation and invalidation over connections: in every store, from servers of both kinds, and in every process that shares a store.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createCache, redisStore } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, get } from './kit.ts'
import type { Cache } from '../../types/cache.ts'

interface Reply { status: number, headers: Record<string, string>, body?: string }
type App = (request: { method: string, uri: string, tag: string | undefined }) => Reply

/** The same application behind SCGI or HTTP. */
async function startApp (protocol: 'scgi' | 'http', app: App): Promise<AsyncDisposable & { upstream: string }> {
  if (protocol === 'scgi') {
    const recorder = await startRecorder({
      answer: async exchange => {
        await exchange.body()
        const { request } = exchange
        const { status, headers, body = '' } = app({
          method: request.param('REQUEST_METHOD') ?? '', uri: request.param('REQUEST_URI') ?? '', tag: request.param('HTTP_IF_NONE_MATCH'),
        })
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
        await exchange.end(`Status: ${status}\r\n${lines.join('')}${status === 304 ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`)
      },
    })
    return { upstream: recorder.address, [Symbol.asyncDispose]: () => recorder.close() }
  }
  const server = createServer((request, response) => {
    request.resume()
    const { status, headers, body = '' } = app({ method: request.method ?? '', uri: request.url ?? '', tag: request.headers['if-none-match'] })
    response.writeHead(status, status === 304 ? headers : { ...headers, 'content-length': body.length }).end(status === 304 ? undefined : body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    upstream: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose] () {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const BODY = '0123456789'
const LONG = 'n'.repeat(2000)

test('a 304 updates the head in every store, also by more than there was room for, and leaves the body; an unsafe request takes it away', async t => {
  await using dir = await tempDir()
  const redis = noRedis === false ? await startRedis() : undefined
  t.after(() => redis?.stop())
  let zones = 0
  const makers: [string, () => Cache][] = [
    ['memory', () => createCache({ name: `s${zones++}` })],
    ['disk', () => createCache({ name: `s${zones++}`, path: dir.path, storeTimeout: '30s' })],
  ]
  if (redis !== undefined) makers.push(['redis', () => createCache({ name: `s${zones++}`, store: redisStore({ url: redis.url }) })])
  for (const protocol of ['scgi', 'http'] as const) {
    let asked = 0
    await using app = await startApp(protocol, ({ method, tag }) => {
      asked++
      if (method === 'POST') return { status: 204, headers: {} }
      if (tag === '"v"') return { status: 304, headers: { 'Cache-Control': 'max-age=60', ETag: '"v"', 'X-Long': LONG, 'Set-Cookie': 'a=1' } }
      return { status: 200, headers: { 'Cache-Control': 'no-cache', ETag: '"v"', 'X-Old': 'old', 'Content-Type': 'text/plain' }, body: BODY }
    })
    for (const [name, make] of makers) {
      const what = `${protocol} ${name}`
      await using gateway = await startGateway({ upstreams: app.upstream, cache: { zone: make(), statusHeader: 'X-Cache' } })
      const ask = async (...headers: string[]): Promise<unknown[]> => {
        const response = await rawRequest(gateway, get('/', ...headers))
        const said = ['x-cache', 'x-old', 'x-long', 'set-cookie'].map(field => headerValue(response, field)?.slice(0, 11))
        return [response.statusCode, response.body.toString(), ...said]
      }
      asked = 0
      assert.deepEqual(await ask(), [200, BODY, 'MISS', 'old', undefined, undefined], what)
      assert.deepEqual(await ask(), [200, BODY, 'REVALIDATED', 'old', 'nnnnnnnnnnn', 'a=1'], what)
      assert.deepEqual(await ask(), [200, BODY, 'HIT', 'old', 'nnnnnnnnnnn', undefined], what)
      assert.deepEqual(await ask('Range: bytes=-3'), [206, '789', 'HIT', 'old', 'nnnnnnnnnnn', undefined], what)
      assert.deepEqual(await ask('If-None-Match: "x", W/"v"'), [304, '', 'HIT', 'old', 'nnnnnnnnnnn', undefined], what)
      assert.equal(asked, 2, what)
      assert.equal((await rawRequest(gateway, bytes(['POST / HTTP/1.1', 'Host: gateway.test', 'Content-Length: 1'], 'x'))).statusCode, 204)
      assert.deepEqual(await ask(), [200, BODY, 'MISS', 'old', undefined, undefined], what)
    }
  }
})

test('an unsafe request takes entries away for every process that shares the store', async t => {
  await using dir = await tempDir()
  const redis = noRedis === false ? await startRedis() : undefined
  t.after(() => redis?.stop())
  await using app = await startApp('scgi', ({ method }) => method === 'GET'
    ? { status: 200, headers: { 'Cache-Control': 'max-age=60', Vary: 'Accept-Language' }, body: BODY }
    : { status: 200, headers: {} })
  const makers: (() => Cache)[] = [() => createCache({ name: 'shared', path: dir.path, storeTimeout: '30s' })]
  if (redis !== undefined) makers.push(() => createCache({ name: 'shared', store: redisStore({ url: redis.url }) }))
  for (const make of makers) {
    await using one = await startGateway({ upstreams: app.upstream, cache: { zone: make(), statusHeader: 'X-Cache' } })
    await using other = await startGateway({ upstreams: app.upstream, cache: { zone: make(), statusHeader: 'X-Cache' } })
    const ask = async (of: typeof one, language: string): Promise<string | undefined> =>
      headerValue(await rawRequest(of, get('/', `Accept-Language: ${language}`)), 'x-cache')
    for (const language of ['en', 'de']) {
      assert.equal(await ask(one, language), 'MISS')
      // It waits for the entry to be in its place, as another process cannot.
      assert.equal(await ask(one, language), 'HIT')
      assert.equal(await ask(other, language), 'HIT')
    }
    await rawRequest(other, bytes(['DELETE / HTTP/1.1', 'Host: gateway.test']))
    // The same: who asks there waits for the deletion.
    assert.equal(await ask(other, 'en'), 'MISS')
    assert.equal(await ask(one, 'de'), 'MISS')
  }
})

test('what is taken away: other spellings of Location, targets below rewritePrefix, redirected and unheard requests; and what is not', async () => {
  await using recorder = await startRecorder()
  const FRESH = 'Cache-Control: max-age=60\r\nContent-Length: 1\r\n\r\na'
  const rows: [what: string, answer: string, gone: boolean][] = [
    ['a relative Location', 'Status: 201\r\nLocation: b\r\nContent-Length: 0\r\n\r\n', true],
    ['a relative Content-Location', 'Content-Location: ../dir/./b#part\r\nContent-Length: 0\r\n\r\n', true],
    ['a Location with the port of the scheme', 'Status: 303\r\nLocation: http://GATEWAY.test:80/dir/b\r\nContent-Length: 0\r\n\r\n', true],
    ['a Location without scheme', 'Status: 303\r\nLocation: //gateway.test/dir/b\r\nContent-Length: 0\r\n\r\n', true],
    ['a Location of another scheme', 'Status: 303\r\nLocation: https://gateway.test/dir/b\r\nContent-Length: 0\r\n\r\n', false],
    ['a Location of another port', 'Status: 303\r\nLocation: http://gateway.test:81/dir/b\r\nContent-Length: 0\r\n\r\n', false],
    ['a Location that is none', 'Status: 303\r\nLocation: http://[/dir/b\r\nContent-Length: 0\r\n\r\n', false],
    ['an error with a Location', 'Status: 400\r\nLocation: /dir/b\r\nContent-Length: 0\r\n\r\n', false],
  ]
  for (const rewritePrefix of ['', '/inner']) {
    await using gateway = await startGateway({ upstreams: recorder.address, rewritePrefix, cache: { zone: createCache({ name: 'where' }), statusHeader: 'X-Cache' } })
    const ask = async (target: string): Promise<string | undefined> => {
      recorder.answer = FRESH
      return headerValue(await rawRequest(gateway, get(target)), 'x-cache')
    }
    for (const [what, answer, gone] of rows) {
      await ask('/dir/b')
      recorder.answer = answer
      await rawRequest(gateway, bytes(['PUT /dir/a HTTP/1.1', 'Host: gateway.test', 'Content-Length: 1'], 'x'))
      assert.equal(await ask('/dir/b'), gone ? 'MISS' : 'HIT', `${rewritePrefix} ${what}`)
    }
    // The target itself, whatever answers the client, and where nobody has heard the answer.
    const answers: [string, typeof recorder.answer][] = [
      ['X-Accel-Redirect', 'X-Accel-Redirect: @nowhere\r\n\r\n'],
      ['a connection that broke off', async exchange => { await exchange.body(); exchange.reset() }],
    ]
    for (const [what, answer] of answers) {
      await ask('/dir/a')
      recorder.answer = answer
      await rawRequest(gateway, bytes(['POST /dir/a HTTP/1.1', 'Host: gateway.test', 'Content-Length: 1'], 'x'))
      assert.equal(await ask('/dir/a'), 'MISS', what)
    }
  }
})
