// With `nginxDefaults` this gateway is as nginx is without configuration, where docs/differences.md says that a default differs; and without
// them it is not: each row tells both.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import scgi, { createCache, nginxDefaults } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { NGINX, startNginx } from '../helpers/nginx.ts'
import { missingPackage } from '../helpers/packages.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import type { RawResponse } from '../helpers/http-response.ts'

/** nginx's file of that name; what distributions make of it differs. */
const SCGI_PARAMS = `
  scgi_param REQUEST_METHOD $request_method;
  scgi_param REQUEST_URI $request_uri;
  scgi_param QUERY_STRING $query_string;
  scgi_param CONTENT_TYPE $content_type;
  scgi_param DOCUMENT_URI $document_uri;
  scgi_param DOCUMENT_ROOT $document_root;
  scgi_param SCGI 1;
  scgi_param SERVER_PROTOCOL $server_protocol;
  scgi_param REQUEST_SCHEME $scheme;
  scgi_param HTTPS $https if_not_empty;
  scgi_param REMOTE_ADDR $remote_addr;
  scgi_param REMOTE_PORT $remote_port;
  scgi_param SERVER_PORT $server_port;
  scgi_param SERVER_NAME $server_name;
`

type Send = (request: string) => Promise<RawResponse>

/** What is looked at; `send` is to one of the gateways, each of which has the recorder behind it. */
interface Row {
  name: string
  look (send: Send, recorder: Recorder): Promise<unknown>
}

function request (method: string, path: string, ...headers: string[]): string {
  return [`${method} ${path} HTTP/1.1`, 'Host: gateway.test', 'Connection: close', ...headers, '', ''].join('\r\n')
}

/** A reply whose head has so many bytes. */
function headOf (length: number): string {
  const fixed = 'Content-Type: text/plain\r\nContent-Length: 2\r\nX-Long: \r\n\r\n'
  return fixed.replace('X-Long: ', `X-Long: ${'x'.repeat(length - fixed.length)}`) + 'ok'
}

/** Values that are a matter of the machine, or of the connection (RFC 9110 section 7.6.1), not of a default. */
const ASIDE = new Set(['DOCUMENT_ROOT', 'REMOTE_PORT', 'SERVER_PORT', 'HTTP_CONNECTION'])

const rows: Row[] = [
  {
    name: 'the parameters, X-Forwarded-* among them',
    async look (send, recorder) {
      recorder.clear()
      await send(request('GET', '/app/a%20b?c=d', 'X-Forwarded-For: 203.0.113.1', 'X-Forwarded-Proto: https', 'Accept: a'))
      const pairs = recorder.requests[0]?.params.filter(([name]) => !ASIDE.has(name)) ?? []
      return pairs.map(pair => pair.join('=')).sort()
    },
  },
  {
    name: 'the case of header names',
    async look (send, recorder) {
      recorder.answer = 'Content-Type: text/plain\r\nX-ApplicatioN-name: 1\r\netag: "a"\r\nContent-Length: 2\r\n\r\nok'
      const { headers } = await send(request('GET', '/app/'))
      return headers.map(([name]) => name).filter(name => /^(?:x-app|content-type)/i.test(name))
    },
  },
  {
    name: 'a path as Location',
    async look (send, recorder) {
      recorder.answer = 'Location: /elsewhere\r\nContent-Length: 0\r\n\r\n'
      const { statusCode, headers } = await send(request('GET', '/app/'))
      return [statusCode, headers.find(([name]) => name.toLowerCase() === 'location')?.[1]]
    },
  },
  {
    name: 'the longest head',
    async look (send, recorder) {
      const statuses: Record<number, number> = {}
      for (const length of [1024, 4095, 4096, 4097, 9000, 70_000]) {
        recorder.answer = headOf(length)
        statuses[length] = (await send(request('GET', '/app/'))).statusCode
      }
      return statuses
    },
  },
  {
    name: 'what the cache stores, tells and forgets',
    async look (send, recorder) {
      recorder.clear()
      const seen: string[] = []
      const ask = async (method: string, path: string, answer: string, ...headers: string[]): Promise<void> => {
        const before = recorder.requests.length
        recorder.answer = answer
        const response = await send(request(method, path, ...headers))
        const told = response.headers.map(([name]) => name.toLowerCase()).filter(name => name === 'age' || name === 'cache-status')
        seen.push(`${method} ${response.statusCode} ${response.body} ${told} ${recorder.requests.length - before} ${recorder.requests.at(-1)?.param('REQUEST_METHOD')}`)
      }
      const fresh = (body: string, ...lines: string[]): string =>
        [...lines, 'Cache-Control: max-age=60', `Content-Length: ${body.length}`, '', body].join('\r\n')
      await ask('GET', '/cache/a', fresh('1'))
      await ask('GET', '/cache/a', fresh('2'))
      await ask('POST', '/cache/a', fresh('3'))
      await ask('GET', '/cache/a', fresh('4'))
      await ask('GET', '/cache/b', fresh('5', 'Age: 100'))
      await ask('GET', '/cache/b', fresh('6'))
      await ask('GET', '/cache/c', fresh('7'), 'Authorization: Basic YQ==')
      await ask('GET', '/cache/c', fresh('8'), 'Authorization: Basic YQ==')
      await ask('GET', '/cache/d', fresh('9', 'CDN-Cache-Control: max-age=0'))
      await ask('GET', '/cache/d', fresh('0'))
      await ask('HEAD', '/cache/e', 'Cache-Control: max-age=60\r\nContent-Length: 2\r\n\r\n')
      return seen
    },
  },
]

describe('nginxDefaults', { skip: missingPackage('nginx', NGINX) }, () => {
  const peers: Record<string, { send: Send, recorder: Recorder }> = {}
  const open: AsyncDisposable[] = []

  async function gateway (name: string, defaults: Partial<typeof nginxDefaults>): Promise<void> {
    const recorder = await startRecorder()
    const upstreams = recorder.address
    const started = await startGateway(async app => {
      await app.register(scgi, { ...defaults, prefix: '/app', upstreams })
      await app.register(scgi, { ...defaults, prefix: '/cache', upstreams, cache: { zone: createCache({ name }) } })
      app.get('/elsewhere', (_request, reply) => reply.send('elsewhere'))
    })
    open.push(started, recorder)
    peers[name] = { send: text => rawRequest({ port: started.port }, text), recorder }
  }

  before(async () => {
    await gateway('preset', nginxDefaults)
    await gateway('own', {})
    const recorder = await startRecorder()
    const nginx = await startNginx({
      http: 'scgi_cache_path cache keys_zone=pages:1m;',
      server: `
        location /app/ { scgi_pass ${recorder.address}; ${SCGI_PARAMS} }
        location /cache/ { scgi_pass ${recorder.address}; ${SCGI_PARAMS} scgi_cache pages; scgi_cache_key $scheme$host$request_uri; }`,
    })
    open.push(nginx, recorder)
    peers['nginx'] = { send: text => rawRequest({ port: nginx.port }, text), recorder }
  })
  after(async () => {
    for (const each of open) await each[Symbol.asyncDispose]()
  })

  for (const { name, look } of rows) {
    test(name, async () => {
      const seen: Record<string, unknown> = {}
      for (const [peer, { send, recorder }] of Object.entries(peers)) seen[peer] = await look(send, recorder)
      assert.deepEqual(seen['preset'], seen['nginx'])
      assert.notDeepEqual(seen['own'], seen['nginx'], 'there would be nothing to set')
    })
  }
})

test('it is frozen, and what comes after it goes before it', () => {
  assert.ok(Object.isFrozen(nginxDefaults) && Object.isFrozen(nginxDefaults.buffering) && Object.isFrozen(nginxDefaults.buffering.buffers))
  assert.equal({ ...nginxDefaults, forwarded: 'set' }.forwarded, 'set')
})

test('rules of the cache go before cacheRules', async () => {
  await using recorder = await startRecorder({ answer: 'Cache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok' })
  await using gateway = await startGateway({
    ...nginxDefaults, upstreams: recorder.address, cache: { zone: createCache({ name: 'ruled' }), rules: 'rfc9111' },
  })
  assert.match((await fetch(gateway.url)).headers.get('cache-status') ?? '', /^fastify-scgi/)
})

test('reply.scgi() takes it', async () => {
  await using recorder = await startRecorder({ answer: 'X-Name: 1\r\nContent-Length: 2\r\n\r\nok' })
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/x', upstreams: recorder.address })
    app.get('/', (_request, reply) => reply.scgi({ ...nginxDefaults, upstreams: recorder.address }))
  })
  const { headers } = await rawRequest({ port: gateway.port }, request('GET', '/'))
  assert.ok(headers.some(([name]) => name === 'X-Name'))
})
