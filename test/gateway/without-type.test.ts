// A reply without a type, or with one that is none, goes out with what the application said: Fastify's own type for bytes is never added.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValues } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, get, startHttp2 } from './kit.ts'
import type { FastifyInstance } from 'fastify'

const NONE = 'Status: 200\r\n\r\nbody'
const ODD = 'Status: 200\r\nContent-Type: odd\r\n\r\nbody'

/** What a reply says of type and length, and its body. */
async function seen (gateway: Parameters<typeof rawRequest>[0], target: string, method = 'GET'): Promise<unknown> {
  const response = await rawRequest(gateway, bytes([`${method} ${target} HTTP/1.1`, 'Host: a', 'Connection: close']))
  return [headerValues(response, 'content-type'), headerValues(response, 'content-length'), response.body.toString()]
}

test('no hook, a cache hit, HEAD, a spelling kept, HTTP/2: the type stays what it was, the length is there', async () => {
  await using recorder = await startRecorder()
  const cache = { zone: createCache({ name: 'untyped', maxSize: '1m' }), valid: '1h' }
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using spelt = await startGateway({ upstreams: recorder.address, preserveHeaderCase: true })
  await using cached = await startGateway({ upstreams: recorder.address, cache })
  await using http2 = await startHttp2({ upstreams: recorder.address })
  for (const [answer, type] of [[NONE, []], [ODD, ['odd']]] as const) {
    recorder.answer = answer
    const target = `/${type.length}`
    const expected = [type, ['4'], 'body']
    assert.deepEqual(await seen(gateway, target), expected)
    assert.deepEqual(await seen(spelt, target), expected)
    const response = await http2.client.request({ ':path': target })
    assert.equal(response.headers['content-type'], type[0])
    assert.equal(response.headers['content-length'], '4')
    assert.deepEqual(await seen(cached, target), expected)
    recorder.answer = 'Status: 500\r\n\r\n'
    assert.deepEqual(await seen(cached, target), expected)
    assert.deepEqual(await seen(cached, target, 'HEAD'), [type, ['4'], ''])
  }
})

test('hooks of the user get the bytes and no type; what they set stays, and so does the type of an error in their place', async () => {
  await using recorder = await startRecorder({ answer: NONE })
  const types: unknown[] = []
  let act = (app: FastifyInstance): void => {
    app.addHook('onSend', async (_request, reply, payload) => {
      types.push([reply.getHeader('content-type'), Buffer.isBuffer(payload)])
      return payload
    })
  }
  const start = (): ReturnType<typeof startGateway> => startGateway(app => {
    act(app)
    app.register(scgi, { upstreams: recorder.address })
  })
  {
    await using gateway = await start()
    assert.deepEqual(await seen(gateway, '/'), [[], ['4'], 'body'])
    assert.deepEqual(await seen(gateway, '/'), [[], ['4'], 'body'])
    assert.deepEqual(types, [[undefined, true], [undefined, true]])
  }
  for (const [hook, expected] of [
    [app => app.addHook('onRequest', async (_request, reply) => { reply.type('text/before') }), [['text/before'], ['4'], 'body']],
    [app => app.addHook('onRequest', async (_request, reply) => { reply.raw.setHeader('content-type', 'text/raw') }), [['text/raw'], ['4'], 'body']],
    [app => app.addHook('onSend', async (_request, reply, payload) => { reply.type('text/mine'); return payload }), [['text/mine'], ['4'], 'body']],
    [app => app.addHook('onSend', async () => 'other'), [[], ['5'], 'other']],
  ] as [(app: FastifyInstance) => void, unknown][]) {
    act = hook
    await using gateway = await start()
    assert.deepEqual(await seen(gateway, '/'), expected)
  }
  let thrown = 0
  act = app => app.addHook('onSend', async (_request, _reply, payload) => {
    if (thrown++ === 0) throw new Error('mine')
    return payload
  })
  await using gateway = await start()
  const response = await rawRequest(gateway, get('/'))
  assert.equal(response.statusCode, 500)
  assert.match(String(headerValues(response, 'content-type')), /^application\/json/)
  assert.deepEqual(await seen(gateway, '/'), [[], ['4'], 'body'])
})

test('who puts another function in the place of send is given the bytes', async () => {
  await using recorder = await startRecorder({ answer: NONE })
  const sent: unknown[] = []
  await using gateway = await startGateway(app => {
    app.addHook('onRequest', async (_request, reply) => {
      const { send } = reply
      reply.send = payload => {
        sent.push(String(payload))
        return send.call(reply, payload)
      }
    })
    app.register(scgi, { upstreams: recorder.address })
  })
  assert.deepEqual(await seen(gateway, '/'), [[], ['4'], 'body'])
  recorder.answer = ODD
  assert.deepEqual(await seen(gateway, '/'), [['odd'], ['4'], 'body'])
  recorder.answer = 'Status: 200\r\nContent-Type: text/x\r\n\r\nbody'
  assert.deepEqual(await seen(gateway, '/'), [['text/x'], ['4'], 'body'])
  assert.deepEqual(sent, ['body', 'body', 'body'])
})
