// A Location that another route answers: what both replies say in a list holds for the one that the client gets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValues } from '../helpers/http-response.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { get } from '../gateway/kit.ts'

/** Of both replies: the first one's, the target's, and what the client gets by Location and by X-Accel-Redirect. */
const lists: [name: string, first: string | undefined, target: string | undefined, byLocation: string[], byAccel: string[]][] = [
  ['Vary', 'Cookie', 'Accept-Encoding, cookie', ['Cookie, Accept-Encoding'], ['Accept-Encoding, cookie']],
  ['Link', '</a>; rel=next', '</b>; rel=preload', ['</a>; rel=next, </b>; rel=preload'], ['</b>; rel=preload']],
  ['Content-Security-Policy', "default-src 'self'", "img-src 'none'", ["default-src 'self', img-src 'none'"], ["img-src 'none'"]],
  ['Access-Control-Expose-Headers', 'X-A', 'X-B', ['X-A, X-B'], ['X-B']],
  ['Server-Timing', 'a', undefined, ['a'], []],
  ['Timing-Allow-Origin', undefined, '*', ['*'], ['*']],
  ['Cache-Control', 'max-age=60', 'private', ['max-age=60, private'], ['max-age=60']],
  ['Cache-Status', 'origin; hit', 'other; fwd=miss', ['origin; hit, other; fwd=miss'], ['other; fwd=miss']],
  ['Set-Cookie', 'a=1', 'b=2', ['a=1', 'b=2'], ['a=1', 'b=2']],
  ['X-Other', 'first', 'target', ['first'], ['target']],
]

function said (from: 1 | 2): [string, string][] {
  return lists.flatMap((list): [string, string][] => list[from] === undefined ? [] : [[list[0], list[from]]])
}

function answer (headers: [string, string][]): string {
  return `${headers.map(pair => `${pair.join(': ')}\r\n`).join('')}\r\n`
}

for (const target of ['handler', 'raw', 'mount', 'cache']) {
  test(`the lists of two replies: the target is of the kind ${target}`, async () => {
    await using recorder = await startRecorder({
      answer: async exchange => {
        const path = exchange.request.param('DOCUMENT_URI') ?? ''
        if (path.startsWith('/target/')) await exchange.end(answer([...said(2), ['Content-Type', 'text/plain'], ['X-Accel-Expires', '60']]))
        else await exchange.end(answer([[path === '/app/accel' ? 'X-Accel-Redirect' : 'Location', `/target/${target}`], ...said(1)]))
      },
    })
    await using gateway = await startGateway(app => {
      app.register(scgi, { prefix: '/app', upstreams: recorder.address })
      app.register(scgi, { prefix: '/target/mount', upstreams: recorder.address })
      app.register(scgi, {
        prefix: '/target/cache',
        upstreams: recorder.address,
        ignoreHeaders: ['Set-Cookie', 'Cache-Control', 'Vary'],
        cache: { zone: createCache({ name: `lists ${target}` }), valid: '1h', cacheStatus: false, age: false },
      })
      app.get('/target/handler', (_request, reply) => {
        for (const [name, value] of said(2)) reply.header(name, value)
        reply.send('target')
      })
      app.get('/target/raw', (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, Object.fromEntries(said(2))).end('target')
      })
    })
    await using client = await RawClient.connect(gateway)
    // The second time a cache has it.
    for (let time = 0; time < 2; time++) {
      const location = await client.request(get('/app/location'))
      const accel = await client.request(get('/app/accel'))
      for (const [name, , , byLocation, byAccel] of lists) {
        assert.deepEqual(headerValues(location, name), byLocation, `Location: ${name}`)
        assert.deepEqual(headerValues(accel, name), byAccel, `X-Accel-Redirect: ${name}`)
      }
    }
  })
}

test('what describes the body of the first reply is not said of that of the target', async () => {
  const described = [
    'Content-Language: de', 'Content-Location: /first', 'Content-MD5: abc', 'Content-Digest: sha-256=:abc=:', 'Repr-Digest: sha-256=:abc=:', 'Digest: sha-256=abc',
    'ETag: "first"', 'Last-Modified: Mon, 06 May 2024 07:08:09 GMT', 'Content-Encoding: gzip', 'Accept-Ranges: bytes', 'Content-Type: text/x-first',
  ]
  await using recorder = await startRecorder({ answer: `Location: /target\r\nX-Other: first\r\n${described.join('\r\n')}\r\n\r\nfirst` })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
    app.get('/target', async () => 'target')
  })
  await using client = await RawClient.connect(gateway)
  const response = await client.request(get('/app/x'))
  assert.deepEqual([response.body.toString(), headerValues(response, 'x-other')], ['target', ['first']])
  for (const line of described) {
    const [name = '', value = ''] = line.split(': ')
    assert.ok(!headerValues(response, name).includes(value), name)
  }
})
