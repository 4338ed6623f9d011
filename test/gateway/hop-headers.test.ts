// Headers of one connection alone (RFC 9110 section 7.6.1) pass neither way, whoever gives them: client, application or hook.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import scgi from '../../lib/index.ts'
import { H2Client } from '../helpers/h2-client.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import type { FastifyScgiOptions, RequestHeaders } from '../../types/options.ts'

const HOP = {
  'Keep-Alive': 'timeout=99', 'Proxy-Connection': 'x', TE: 'trailers', Trailer: 'X-T', 'Transfer-Encoding': 'chunked', Upgrade: 'h2c', 'X-Hop': '1',
}
/** Both ends may say that: what frames a message itself is for other tests. */
const LINES = Object.entries({ ...HOP, 'Transfer-Encoding': '', Connection: 'close, X-Hop' }).filter(([, value]) => value !== '')
  .map(([name, value]) => `${name}: ${value}\r\n`).join('')
/** What is kept of a reply or a request: all but what is made anew for the next connection. */
const OF_THE_HOP = new Set(['keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade', 'x-hop', 'http2-settings'])

type Hooks = Pick<FastifyScgiOptions, 'rewriteHeaders' | 'rewriteRequestHeaders'>

const lower = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

const WAYS: Record<string, (app: FastifyInstance, upstreams: string, hooks: Hooks) => Promise<unknown>> = {
  'a mount': async (app, upstreams, hooks) => app.register(scgi, { prefix: '/', upstreams, ...hooks }),
  'a mount with preserveHeaderCase': async (app, upstreams, hooks) => {
    await app.register(scgi, { prefix: '/', upstreams, preserveHeaderCase: true, ...hooks })
  },
  'reply.scgi()': async (app, upstreams, hooks) => {
    await app.register(scgi, { prefix: '/unused', upstreams })
    app.get('/', (_request, reply) => reply.scgi({ upstreams, ...hooks }))
  },
  'reply.from() with hooks of the registration': async (app, upstreams, hooks) => {
    await app.register(scgi, { prefix: '/unused', replyFrom: true, upstreams, ...hooks })
    app.get('/', (_request, reply) => reply.from('/'))
  },
  'reply.from() with hooks of its own': async (app, upstreams, { rewriteHeaders, rewriteRequestHeaders }) => {
    await app.register(scgi, { prefix: '/unused', replyFrom: true, upstreams })
    app.get('/', (request, reply) => reply.from('/', {
      ...(rewriteHeaders === undefined ? {} : { rewriteHeaders: headers => rewriteHeaders(plain(headers), request) }),
      ...(rewriteRequestHeaders === undefined
        ? {}
        : {
            rewriteRequestHeaders: (_request, headers) => plain(rewriteRequestHeaders(request, headers)),
          }),
    }))
  },
}

function plain (given: RequestHeaders): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(given)) if (value !== undefined) headers[name] = value
  return headers
}

/** Where the headers of the hop come from, and with what hooks. */
const SOURCES: Record<string, { answer: string, client: string, hooks: Hooks }> = {
  'the two ends': { answer: LINES, client: LINES, hooks: {} },
  'hooks, as they are usually spelt': {
    answer: '',
    client: '',
    hooks: {
      rewriteHeaders: headers => ({ ...headers, ...HOP, Connection: 'X-Hop', 'Content-Length': '1' }),
      rewriteRequestHeaders: (_request, { 'x-hop': _hop, ...headers }) => ({ ...headers, ...HOP, 'X-Hop': undefined, Connection: 'X-Hop' }),
    },
  },
  'hooks, in lower case, Connection as a list': {
    answer: '',
    client: '',
    hooks: {
      rewriteHeaders: headers => ({ ...headers, ...lower(HOP), connection: ['close', 'x-hop'], 'content-length': '99' }),
      rewriteRequestHeaders: (_request, headers) => ({ ...headers, ...lower(HOP), 'x-hop': undefined, connection: ['close', 'x-hop'] }),
    },
  },
}

for (const [way, register] of Object.entries(WAYS)) {
  for (const [source, { answer, client, hooks }] of Object.entries(SOURCES)) {
    test(`${way}: headers of the hop that come of ${source}`, async () => {
      await using server = await startRecorder({ answer: `Status: 200\r\nContent-Type: text/plain\r\nX-Kept: 1\r\nContent-Length: 4\r\n${answer}\r\nbody` })
      for (const version of [1, 2]) {
        server.clear()
        const app: FastifyInstance = version === 1 ? Fastify() : Object(Fastify({ http2: true }))
        await register(app, server.address, hooks)
        const port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
        try {
          let names: string[]
          let length
          if (version === 1) {
            await using raw = await RawClient.connect({ port })
            const reply = await raw.request(`GET / HTTP/1.1\r\nHost: x\r\n${client === '' ? 'Connection: close\r\n' : client}\r\n`)
            assert.equal(reply.body.toString(), 'body')
            names = reply.headers.map(([name]) => name.toLowerCase())
            length = reply.headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
            assert.deepEqual(reply.headers.filter(([name]) => name.toLowerCase() === 'connection').map(([, value]) => value), ['close'])
          } else {
            await using h2 = await H2Client.connect(port)
            const reply = await h2.request({ ':path': '/', ...(client === '' ? {} : { te: 'trailers' }) })
            assert.deepEqual([reply.body.toString(), reply.cut], ['body', false])
            names = Object.keys(reply.headers)
            length = reply.headers['content-length']
            assert.equal(reply.headers['connection'], undefined)
          }
          assert.ok(names.includes('x-kept'))
          // Upgrade passes in a reply as in nginx, where Connection does not list it: a 426 must have it.
          const passed = version === 1 ? ['upgrade'] : []
          assert.deepEqual([length, names.filter(name => OF_THE_HOP.has(name) || name === 'transfer-encoding')], ['4', passed], `HTTP/${version}`)
          const sent = server.requests[0]?.params.map(([name]) => name.toLowerCase().replace('http_', '').replaceAll('_', '-')) ?? assert.fail()
          assert.deepEqual(sent.filter(name => OF_THE_HOP.has(name) || name === 'connection' || name === 'transfer-encoding'), [])
        } finally {
          await app.close()
        }
      }
    })
  }
}
