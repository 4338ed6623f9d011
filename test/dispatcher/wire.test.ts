import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import type { ScgiDispatcherOptions } from '../../types/dispatcher.ts'
import type { FastifyScgiOptions } from '../../types/options.ts'

interface Case {
  method: string
  target: string
  headers: [name: string, value: string][]
  body?: Buffer
  /** Options of both. */
  options?: Pick<FastifyScgiOptions, 'defaultParams' | 'passRequestHeaders' | 'underscoresInHeaders'> & Pick<ScgiDispatcherOptions, 'forwarded'>
  prefix?: string
}

const CASES: Record<string, Case> = {
  'a plain GET': { method: 'GET', target: '/', headers: [['Host', 'App.Test'], ['User-Agent', 'x'], ['Accept', '*/*']] },
  'a target that nobody may touch': {
    method: 'GET', target: '/a%2fb/./c//d/%7e?x=%zz&y=`"', headers: [['Host', 'app.test:81'], ['Cookie', 'a=1'], ['Cookie', 'b=2'], ['X-Two', '1'], ['x-two', '2']],
  },
  'headers that are not for the application': {
    method: 'GET',
    target: '/x',
    headers: [
      ['Host', 'app.test'], ['Proxy', 'p'], ['Connection', 'X-Gone, close'], ['X-Gone', '1'], ['X_Under', '1'], ['X-Accel-Redirect', '/'],
      ['TE', 'trailers'], ['X-Forwarded-For', '192.0.2.1'], ['X-Stays', '\xe9'],
    ],
  },
  'a body': {
    method: 'POST',
    target: '/x?y',
    headers: [['Host', 'app.test'], ['Content-Type', 'text/plain; charset=x'], ['Content-Length', '5'], ['Authorization', 'Basic eA==']],
    body: Buffer.from('a\0\xff\r\n', 'latin1'),
  },
  'a mount, another set, a list of headers': {
    method: 'PUT',
    target: '/my%20app/x/%C3%A9',
    headers: [['Host', 'app.test'], ['X-A', '1'], ['X_B', '2'], ['Content-Length', '3']],
    body: Buffer.from('abc'),
    prefix: '/my app',
    options: { passRequestHeaders: ['x_b'], underscoresInHeaders: true, forwarded: 'drop' },
  },
  'the set of nginx': { method: 'DELETE', target: '/x', headers: [['Host', 'app.test'], ['X-A', '1']], options: { defaultParams: 'nginx' } },
  'the smallest set': { method: 'GET', target: '/RPC2', headers: [['Host', 'app.test'], ['X-A', '1']], options: { defaultParams: 'minimal' } },
}

for (const [name, { method, target, headers, body, options = {}, prefix = '' }] of Object.entries(CASES)) {
  test(`plugin and dispatcher put the same bytes on the wire: ${name}`, async () => {
    await using server = await startRecorder()
    // What is of the client's connection is made equal.
    const common = { forwarded: 'pass' as const, ...options, params: { SERVER_PORT: '80', REMOTE_PORT: '1' } }
    await using gateway = await startGateway({ ...common, upstreams: server.address, prefix: prefix || '/' })
    await using client = await RawClient.connect({ port: gateway.port })
    const head = `${method} ${target} HTTP/1.1\r\n${headers.map(([key, value]) => `${key}: ${value}\r\n`).join('')}\r\n`
    const reply = await client.request(Buffer.concat([Buffer.from(head, 'latin1'), body ?? Buffer.alloc(0)]))
    assert.equal(reply.statusCode, 200)

    const dispatcher = new ScgiDispatcher(server.address, { ...common, scriptName: prefix })
    const response = await dispatcher.request({ origin: 'http://127.0.0.1', path: target, method, headers: headers.flat(), body: body ?? null })
    await response.body.dump()

    const [byPlugin, byDispatcher] = server.requests
    assert.ok(byPlugin !== undefined && byDispatcher !== undefined)
    assert.equal(byDispatcher.raw.toString('latin1'), byPlugin.raw.toString('latin1'))
    assert.deepEqual(byDispatcher.body, body ?? Buffer.alloc(0))
  })
}
