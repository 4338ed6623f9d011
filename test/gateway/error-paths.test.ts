// Whatever route an error of the gateway comes from, the client is told nothing of the servers, and the operator everything.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { startRecorder } from '../helpers/recorder.ts'
import type { FastifyInstance } from 'fastify'

const SOCKET = 'unix:/run/nowhere/secret.sock'
const NO_ADDRESS = /secret|nowhere|127\.0\.0\.1|connect\(\)|inner/

test('mounts, reply.scgi(), named locations, not-found handlers, redirects: no address for the client', async () => {
  await using recorder = await startRecorder({ answer: 'X-Accel-Redirect: /loop/inner\r\n\r\n' })
  const seen: Error[] = []
  const setup = async (app: FastifyInstance): Promise<void> => {
    app.addHook('onError', (_request, _reply, error, done) => {
      seen.push(error)
      done()
    })
    app.get('/early', (_request, reply) => reply.scgi({ upstreams: SOCKET }))
    await app.register(scgi, { prefix: '/mount', upstreams: SOCKET })
    app.register(scgi, { prefix: '/loop', upstreams: recorder.address })
    app.register(scgi, { prefix: '/from-mount', replyFrom: true, upstreams: SOCKET })
    app.get('/from', (_request, reply) => reply.from('/x'))
    app.get('/handler', (_request, reply) => reply.scgi({ upstreams: SOCKET }))
    app.get('/wrong', (_request, reply) => reply.scgi({ upstreams: 'unix:relative/secret' }))
    app.get('/thrown', () => { throw Object.assign(new Error(`connect() to ${SOCKET} failed`), { code: 'FST_SCGI_CONNECT', statusCode: 502 }) })
    app.register(async scope => {
      scope.setNotFoundHandler((_request, reply) => { reply.scgi({ upstreams: SOCKET }) })
    }, { prefix: '/lost' })
    app.register(scgi, { prefix: '/page', upstreams: SOCKET, errorPages: { 502: '@fallback' } })
    app.scgi.location('@fallback', (_request, reply) => reply.scgi({ upstreams: SOCKET }))
  }
  await using gateway = await startGateway(setup)
  for (const [path, status] of [
    ['/early', 502], ['/mount/x', 502], ['/handler', 502], ['/from', 502], ['/wrong', 502], ['/thrown', 502], ['/lost/x', 502], ['/page/x', 502], ['/loop/x', 500],
  ] as const) {
    const reply = await fetch(`${gateway.url}${path}`)
    const text = await reply.text()
    assert.equal(reply.status, status, `${path}: ${text}`)
    assert.doesNotMatch(text, NO_ADDRESS, path)
    const { code, message } = JSON.parse(text)
    assert.match(code, /^FST_SCGI_/, path)
    assert.equal(message, status === 502 ? 'Bad Gateway' : 'Internal Server Error', path)
    assert.equal(Number(reply.headers.get('content-length')), Buffer.byteLength(text), path)
    assert.match(`${seen.at(-1)?.message} ${String(seen.at(-1)?.cause)}`, NO_ADDRESS, path)
  }
  // The log has it all.
  assert.ok(gateway.log.some(({ msg }) => msg.includes('secret.sock')))
})

test('an error handler of the user is asked as ever, and sees the error whole', async () => {
  await using gateway = await startGateway(async app => {
    app.setErrorHandler((error: Error, _request, reply) => { reply.code(599).send({ mine: error.message }) })
    await app.register(scgi, { prefix: '/mount', upstreams: SOCKET })
    app.get('/handler', (_request, reply) => reply.scgi({ upstreams: SOCKET }))
  })
  for (const path of ['/mount/x', '/handler']) {
    const reply = await fetch(`${gateway.url}${path}`)
    assert.equal(reply.status, 599)
    assert.match(await reply.text(), /secret\.sock/)
  }
})
