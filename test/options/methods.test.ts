// The methods that pass: all that Node.js knows.
import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { bytes, startHttp2 } from '../gateway/kit.ts'

const PASSED = METHODS.filter(method => method !== 'CONNECT' && method !== 'TRACE')

function taken (recorder: Recorder): (string | undefined)[][] {
  return recorder.requests.splice(0).map(request => [request.param('REQUEST_METHOD'), request.body.toString()])
}

/** As it is sent by a client that has something to say of its body, or nothing. */
const FORMS: [string, string[], string][] = [
  ['without a body', [], ''],
  ['with a body', ['Content-Type: text/xml', 'Content-Length: 4'], '<a/>'],
  ['with a body of no type', ['Content-Length: 4'], '<a/>'],
  ['with a body of a type that is none', ['Content-Type: nothing', 'Content-Length: 4'], '<a/>'],
  ['with a body of no length', ['Content-Type: text/xml', 'Transfer-Encoding: chunked'], '4\r\n<a/>\r\n0\r\n\r\n'],
]

for (const [form, headers, body] of FORMS) {
  test(`every method of Node.js passes ${form}`, async () => {
    await using recorder = await startRecorder()
    await using gateway = await startGateway({ upstreams: recorder.address })
    for (const method of PASSED) {
      // Without a length a body of HTTP/1 is none.
      const { statusCode } = await rawRequest(gateway, bytes([`${method} /x HTTP/1.1`, 'Host: x', ...headers], body))
      assert.deepEqual([statusCode, taken(recorder)], [200, [[method, body === '' ? '' : '<a/>']]], method)
    }
  })
}

test('every method of Node.js passes to a server that speaks HTTP', async () => {
  const member = Fastify()
  member.removeAllContentTypeParsers()
  member.addContentTypeParser('*', { parseAs: 'string' }, (_request, payload, done) => done(null, payload))
  for (const method of PASSED) if (!member.supportedMethods.includes(method)) member.addHttpMethod(method, { hasBody: true })
  const seen: string[] = []
  member.all('/*', async request => {
    seen.push(`${request.method} ${String(request.body ?? '')}`)
    return ''
  })
  const address = await member.listen({ port: 0, host: '127.0.0.1' })
  await using gateway = await startGateway({ upstreams: [address] })
  for (const method of PASSED.filter(method => method !== 'GET' && method !== 'HEAD')) {
    await rawRequest(gateway, bytes([`${method} /x HTTP/1.1`, 'Host: x', 'Content-Type: text/xml', 'Content-Length: 4'], '<a/>'))
    assert.deepEqual(seen.splice(0), [`${method} <a/>`])
  }
  await member.close()
})

test('every method of Node.js passes over HTTP/2', async () => {
  await using recorder = await startRecorder()
  await using http2 = await startHttp2({ upstreams: recorder.address })
  for (const method of PASSED) {
    await http2.client.request({ ':method': method, ':path': '/x' })
    assert.deepEqual(taken(recorder), [[method, '']])
  }
})

test('TRACE passes where it is named, CONNECT never', async () => {
  await using recorder = await startRecorder()
  await using plain = await startGateway({ upstreams: recorder.address })
  await using named = await startGateway({ upstreams: recorder.address, httpMethods: ['TRACE', 'PROPFIND'] })
  const trace = bytes(['TRACE /x HTTP/1.1', 'Host: x'])
  assert.equal((await rawRequest(plain, trace)).statusCode, 404)
  assert.equal((await rawRequest(named, trace)).statusCode, 200)
  assert.equal((await rawRequest(named, bytes(['PROPFIND /x HTTP/1.1', 'Host: x']))).statusCode, 200)
  assert.equal((await rawRequest(named, bytes(['GET /x HTTP/1.1', 'Host: x']))).statusCode, 404)
  assert.deepEqual(taken(recorder).map(([method]) => method), ['TRACE', 'PROPFIND'])
})

test('only methods that are served are told to Fastify, and names of the application stay free', async () => {
  await using recorder = await startRecorder()
  const app = Fastify()
  const before = app.supportedMethods
  app.register(scgi, { upstreams: recorder.address, httpMethods: ['GET', 'PROPFIND'] })
  await app.after()
  assert.deepEqual(app.supportedMethods.filter(method => !before.includes(method)), ['PROPFIND'])
  app.register(scgi, { prefix: '/all', upstreams: recorder.address })
  await app.after()
  for (const name of ['search', 'subscribe', 'lock', 'notify', 'propfind']) app.decorate(name, 1)
  await app.ready()
  assert.equal((await app.inject({ method: 'SEARCH', url: '/all/' })).statusCode, 200)
  await app.close()
})
