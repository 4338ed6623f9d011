// Transfer codings of a request: chunked is removed, any other is refused, and coded bytes are never a body.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { createScgiServer } from '../../lib/server/index.ts'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes } from './kit.ts'

// Where chunked is not the last coding the parser of Node.js finds a fault too, which RFC 9112 section 6.3 wants: either may come first.
const REFUSED = [400, 501]
/** Version, coding, status. */
const CODINGS: readonly [string, string, number | number[]][] = [
  ['1.1', 'chunked', 200], ['1.1', 'CHUNKED', 200],
  ['1.1', 'gzip, chunked', 501], ['1.1', 'gzip,chunked', 501], ['1.1', 'identity, chunked', 501], ['1.1', ', chunked', 501],
  ['1.1', 'gzip\r\nTransfer-Encoding: chunked', 501],
  ['1.1', 'identity', REFUSED], ['1.1', 'chunked, gzip', REFUSED], ['1.1', 'chunked, chunked', REFUSED], ['1.1', 'x-chunked', REFUSED],
  ['1.0', 'chunked', 400], ['1.0', 'gzip, chunked', 400],
]

for (const [door, target] of [['the plugin', '/scgi'], ['reply.scgi()', '/handler'], ['reply.from()', '/from']] as const) {
  for (const requestBuffering of [true, false]) {
    test(`${door}, requestBuffering ${requestBuffering}`, async () => {
      await using recorder = await startRecorder({ answer: 'Status: 200 OK\r\n\r\nok' })
      await using gateway = await startGateway(async app => {
        await app.register(scgi, { prefix: '/scgi', upstreams: recorder.address, replyFrom: true, requestBuffering })
        app.removeAllContentTypeParsers()
        app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
        app.post('/handler', (_request, reply) => reply.scgi({ upstreams: recorder.address, requestBuffering }))
        app.post('/from', (_request, reply) => reply.from('/x'))
      })
      for (const [version, coding, status] of CODINGS) {
        recorder.clear()
        await using client = await RawClient.connect(gateway)
        client.expect('POST')
        await client.write(bytes([`POST ${target} HTTP/${version}`, 'Host: x', 'Content-Type: a/b', `Transfer-Encoding: ${coding}`], '3\r\nabc\r\n0\r\n\r\n'))
        const { statusCode } = await client.response()
        assert.ok(statusCode === status || (Array.isArray(status) && status.includes(statusCode)), `${version} ${coding}: ${statusCode}`)
        assert.deepEqual(recorder.requests.map(({ body }) => body.toString()), status === 200 ? ['abc'] : [])
        if (status !== 200) await client.closed
      }
    })
  }
}

test('a gateway that passes such a body on gets 501 from createScgiServer', async () => {
  let asked = 0
  const server = createScgiServer((_request, response) => {
    asked += 1
    response.end('ok')
  }).listen(0, '127.0.0.1')
  server.on('clientError', () => {})
  await once(server, 'listening')
  const address = server.address()
  for (const [coding, status] of [['chunked', '200'], ['gzip, chunked', '501'], ['gzip', '501']]) {
    const params = ['CONTENT_LENGTH', '3', 'SCGI', '1', 'REQUEST_METHOD', 'POST', 'REQUEST_URI', '/', 'HTTP_TRANSFER_ENCODING', coding].join('\0') + '\0'
    const socket = net.connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1')
    socket.write(`${params.length}:${params},abc`)
    let answer = ''
    for await (const piece of socket) answer += String(piece)
    assert.equal(answer.slice(8, 11), status)
  }
  assert.equal(asked, 1)
  server.close()
})
