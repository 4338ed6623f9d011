// What a client is told of an error, and what the operator.
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

test('the client learns the status, the log has server and reason, in one line', async () => {
  await using dir = await tempDir()
  const lines: string[] = []
  const stream = new Writable({
    write (chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  await using gateway = await startGateway(app => {
    app.register(scgi, { upstreams: `unix:${dir.file('none.sock')}` })
  }, { logger: { level: 'warn', stream } })
  const response = await rawRequest(gateway, GET)
  assert.equal(response.statusCode, 502)
  assert.deepEqual(JSON.parse(response.body.toString()), {
    statusCode: 502, code: 'FST_SCGI_CONNECT', error: 'Bad Gateway', message: 'Bad Gateway',
  })
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /none\.sock failed: ENOENT, there is no such socket/)
})

test("a client's mistake is told to the client", async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  const response = await rawRequest(gateway, 'GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=1-\r\nRange: bytes=2-\r\nConnection: close\r\n\r\n')
  assert.equal(response.statusCode, 400)
  assert.match(JSON.parse(response.body.toString()).message, /range/i)
})

test("the user's error handler gets the error as it is, set before or after", async () => {
  for (const before of [true, false]) {
    await using dir = await tempDir()
    await using gateway = await startGateway(app => {
      const set = (): void => {
        app.setErrorHandler((error, _request, reply) => {
          reply.code(599).send(error instanceof Error ? error.message : '')
        })
      }
      if (before) set()
      app.register(scgi, { upstreams: `unix:${dir.file('none.sock')}` })
      if (!before) set()
    })
    const response = await rawRequest(gateway, GET)
    assert.equal(response.statusCode, 599, `set ${before ? 'before' : 'after'}`)
    assert.match(response.body.toString(), /none\.sock failed/)
  }
})

test('requestBuffering off: a client that writes all before it reads gets the answer of a server that failed', async () => {
  await using recorder = await startRecorder({ answer: exchange => exchange.reset() })
  await using gateway = await startGateway({ upstreams: recorder.address, requestBuffering: false, bodyLimit: 1 << 30 })
  await using client = await RawClient.connect(gateway)
  const half = Buffer.alloc(10_000_000)
  client.expect('PUT')
  await client.write(`PUT /s HTTP/1.1\r\nHost: a\r\nContent-Length: ${half.length * 2}\r\n\r\n`)
  await client.write(half)
  await client.write(half)
  assert.equal((await client.response()).statusCode, 502)
  client.expect('GET')
  await client.write('GET /n HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.equal((await client.response()).statusCode, 502)
})
