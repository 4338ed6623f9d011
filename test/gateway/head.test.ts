// HEAD answers as GET does, without the body: on a mount, and on the HEAD routes that Fastify adds to the user's own GET routes.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import accel from '../../lib/accel/index.ts'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, type RawResponse } from '../helpers/http-response.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, get } from './kit.ts'
import type { FastifyReply } from 'fastify'

const UNCHANGED = 'If-None-Match: *'

interface Kind {
  /** What the application says before the body. */
  lines: string[]
  /** Which of the routes answers it. */
  route?: 'plain' | 'memory' | 'disk'
  asked?: string[]
  /** Of the cache; those of RFC 9111 if undefined, by which HEAD has no ranges. */
  rules?: 'nginx'
  status?: number
  /** Content-Length of HEAD, the same as that of GET where both have one. */
  length?: string
}

/** Replies of the application. */
const kinds: Record<string, Kind> = {
  'a whole body': { lines: ['Content-Length: 5'], length: '5' },
  'a stream with a length': { lines: ['Content-Length: 5', 'X-Accel-Buffering: no'], length: '5' },
  'no length': { lines: ['X-Own: 1'] },
  'an error': { lines: ['Status: 404 Not Found', 'Content-Length: 5'], status: 404, length: '5' },
  'no content': { lines: ['Status: 204 No Content'], status: 204 },
  'an entry in memory': { lines: ['Content-Length: 5', 'ETag: "a"'], route: 'memory', length: '5' },
  'an entry on disk': { lines: ['Content-Length: 5', 'ETag: "a"'], route: 'disk', length: '5' },
  'an entry that is not modified': { lines: ['Content-Length: 5', 'ETag: "a"'], route: 'memory', asked: ['If-None-Match: "a"'], status: 304 },
  'a range of an entry': { lines: ['Content-Length: 5', 'ETag: "a"', 'Accept-Ranges: bytes'], route: 'memory', asked: ['Range: bytes=9-'], rules: 'nginx', status: 416 },
  'a file': { lines: ['X-Sendfile: a.txt'], length: '10' },
  'an empty file': { lines: ['X-Sendfile: empty.txt'], length: '0' },
  'a file that is not modified': { lines: ['X-Sendfile: a.txt'], asked: [UNCHANGED], status: 304 },
  'a file that is missing': { lines: ['X-Sendfile: none'], status: 404 },
  'the page of an error': { lines: ['Status: 410 Gone'], status: 410, length: '4' },
  'a page elsewhere': { lines: ['Status: 403 Forbidden'], status: 302 },
  'another route': { lines: ['X-Accel-Redirect: /own/page', 'Content-Length: 3'], length: '4' },
}

/** What is the same on a mount and on a route. */
function head ({ statusCode, reason, headers }: RawResponse): unknown {
  return { statusCode, reason, headers: headers.filter(([name]) => !/^(?:date|age)$/i.test(name)) }
}

for (const [what, { lines, route = 'plain', asked = [], rules = 'rfc9111', status, length }] of Object.entries(kinds)) {
  test(`HEAD: ${what}`, async () => {
    await using dir = await tempDir()
    await writeFile(dir.file('a.txt'), '0123456789')
    await writeFile(dir.file('empty.txt'), '')
    await using recorder = await startRecorder({ answer: [...lines, 'Content-Type: text/plain', '', 'hello'].join('\r\n') })
    const common = { upstreams: recorder.address, sendfile: { root: dir.path }, interceptErrors: true, errorPages: { 410: '/own/page', 403: 'https://example.org/' } }
    const cached = (name: string, path?: string): object => ({
      ...common, cache: { zone: createCache({ name: `head ${what} ${name}`, ...(path !== undefined && { path }) }), valid: '1h' as const, rules, cacheStatus: false, statusHeader: 'X-Cache' },
    })
    const options = (door: string): Record<NonNullable<Kind['route']>, typeof common> => ({
      plain: common, memory: { ...common, ...cached(`${door} memory`) }, disk: { ...common, ...cached(`${door} disk`, dir.file(`cache-${door}`)) },
    })
    const mounts = options('mount')
    const own = options('own')
    await using gateway = await startGateway(app => {
      for (const name of ['plain', 'memory', 'disk'] as const) {
        app.register(scgi, { prefix: `/mount/${name}`, ...mounts[name] })
        app.get(`/own/${name}`, (_request, reply: FastifyReply) => reply.scgi(own[name]))
      }
      app.get('/own/page', async () => 'page')
    })
    await using client = await RawClient.connect(gateway)
    const ask = async (door: string): Promise<RawResponse> => {
      const target = `/${door}/${route}`
      // An entry on disk is there when it has been written.
      let isStored = route === 'plain'
      for (let tries = 0; !isStored && tries < 1000; tries++) isStored = headerValue(await client.request(get(target)), 'x-cache') === 'HIT'
      assert.ok(isStored)
      const whole = await client.request(get(target, ...asked))
      const { statusCode, body } = whole
      const response = await client.request(bytes([`HEAD ${target} HTTP/1.1`, 'Host: gateway.test', ...asked]))
      if (status !== undefined || route === 'plain') assert.equal(response.statusCode, status ?? 200, door)
      assert.equal(response.statusCode, statusCode, door)
      assert.equal(response.body.length, 0)
      if (route !== 'plain') assert.equal(headerValue(response, 'x-cache'), 'HIT')
      const told = headerValue(response, 'content-length')
      if (length !== undefined) assert.equal(told, length, door)
      if (told !== undefined) assert.equal(told, headerValue(whole, 'content-length') ?? String(body.length), door)
      for (const name of ['content-type', 'etag', 'last-modified', 'location', 'x-own', 'content-range', 'accept-ranges']) {
        assert.equal(headerValue(response, name), headerValue(whole, name), `${door}: ${name}`)
      }
      return response
    }
    const [onRoute, onMount] = [await ask('own'), await ask('mount')]
    // Of its own empty reply Fastify tells the length there.
    if (status !== 302) assert.deepEqual(head(onRoute), head(onMount))
  })
}

test('HEAD on a route whose handler names a file or another route itself', async () => {
  await using dir = await tempDir()
  await writeFile(dir.file('a.txt'), '0123456789')
  await using recorder = await startRecorder({ answer: 'Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello' })
  await using gateway = await startGateway(app => {
    app.register(accel, { trust: () => true, root: dir.path, redirectTo: ['/inside'] })
    app.register(scgi, { prefix: '/mount', upstreams: recorder.address })
    app.get('/file', (_request, reply) => { reply.header('x-sendfile', 'a.txt').send() })
    app.get('/file-text', (_request, reply) => { reply.header('x-sendfile', 'a.txt').send('text') })
    app.get('/route', (_request, reply) => { reply.header('x-accel-redirect', '/inside').send('text') })
    app.get('/inside', (_request, reply) => reply.scgi({ upstreams: recorder.address }))
    app.get('/charset', (_request, reply) => { reply.header('x-accel-charset', 'utf-8').type('text/x').send('text') })
    app.get('/empty', (_request, reply) => { reply.header('x-accel-charset', 'utf-8').send() })
    app.get('/none', (_request, reply) => { reply.send() })
  })
  await using client = await RawClient.connect(gateway)
  for (const [target, asked, status, length] of [
    ['/file', [], 200, '10'],
    ['/file-text', [], 200, '10'],
    ['/file', [UNCHANGED], 304, undefined],
    ['/file', ['Range: bytes=0-1'], 206, '2'],
    ['/file', ['Range: bytes=99-'], 416, undefined],
    ['/route', [], 200, '5'],
    ['/charset', [], 200, '4'],
    ['/empty', [], 200, '0'],
    ['/none', [], 200, '0'],
  ] as const) {
    const whole = await client.request(get(target, ...asked))
    const response = await client.request(bytes([`HEAD ${target} HTTP/1.1`, 'Host: gateway.test', ...asked]))
    const told = headerValue(response, 'content-length')
    assert.deepEqual([whole.statusCode, response.statusCode], [status, status], target)
    if (length !== undefined) assert.deepEqual([told, headerValue(whole, 'content-length')], [length, length], target)
    for (const name of ['content-type', 'etag', 'last-modified', 'content-range', 'accept-ranges']) {
      assert.equal(headerValue(response, name), headerValue(whole, name), `${target} ${name}`)
    }
  }
})

test('HEAD on a route of its own that sends a stream of the application, or something else in its place', async () => {
  const answer = [
    'Content-Type: text/plain', 'Content-Length: 5', 'ETag: "a"', 'Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT', 'Accept-Ranges: bytes',
    'Content-Encoding: br', '', 'hello',
  ].join('\r\n')
  await using recorder = await startRecorder({ answer })
  const { address: upstreams } = recorder
  const handlers: Record<string, (reply: FastifyReply) => unknown> = {
    from: reply => reply.from('/x'),
    'from-hook': reply => reply.from('/x', { onResponse: (_request, _own, { stream }) => { reply.send(stream) } }),
    hook: reply => reply.scgi({ upstreams, onResponse: (_request, own, { body }) => { own.send(body) } }),
    stream: reply => reply.scgi({ upstreams, buffering: false }),
    cased: reply => reply.scgi({ upstreams, preserveHeaderCase: true, onResponse: (_request, own, { body }) => { own.send(body) } }),
    'other-from': reply => reply.from('/x', { onResponse: (_request, _own, { stream }) => { stream.resume(); reply.send('other') } }),
    'other-hook': reply => reply.scgi({ upstreams, onResponse: (_request, own, { body }) => { body.resume(); own.send('other') } }),
  }
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/mount', replyFrom: true, upstreams })
    for (const [name, handler] of Object.entries(handlers)) {
      app.get(`/${name}`, (_request, reply) => { handler(reply) })
      // A hook that puts another body in the place of the one that was sent.
      app.get(`/onsend-${name}`, { onSend: async () => 'new text' }, (_request, reply) => { handler(reply) })
    }
  })
  await using client = await RawClient.connect(gateway)
  for (const name of Object.keys(handlers)) {
    for (const [target, length, isNew] of [[`/${name}`, '5', name.startsWith('other')], [`/onsend-${name}`, '8', true]] as const) {
      const whole = await client.request(get(target))
      // Once more for the route whose hooks have been put in order.
      for (let tries = 0; tries < 2; tries++) {
        const response = await client.request(bytes([`HEAD ${target} HTTP/1.1`, 'Host: gateway.test']))
        assert.equal(response.body.length, 0)
        assert.equal(headerValue(response, 'content-length'), length, target)
        const known = new Map(response.headers.map(([key, value]) => [key.toLowerCase(), value]))
        for (const key of ['etag', 'last-modified', 'accept-ranges', 'content-encoding']) assert.equal(known.has(key), !isNew, `${target} ${key}`)
        const sorted = (all: RawResponse): unknown[] => all.headers.filter(([key]) => !/^date$/i.test(key)).sort()
        assert.deepEqual([response.statusCode, response.reason, sorted(response)], [whole.statusCode, whole.reason, sorted(whole)], target)
      }
    }
  }
})
