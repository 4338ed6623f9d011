import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { interceptors, RetryAgent } from 'undici'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { startRecorder, type Exchange } from '../helpers/recorder.ts'

const GET = { origin: 'http://app.test', path: '/x', method: 'GET' } as const
const QUICK = { minTimeout: 1, maxTimeout: 5 }

test('retry after a refused connection', async () => {
  const [host, port] = ['127.0.0.1', 0]
  await using probe = await startRecorder({ listen: { host, port } })
  const address = probe.address
  await probe.close()
  let later: Awaited<ReturnType<typeof startRecorder>> | undefined
  const dispatcher = new ScgiDispatcher(address)
  let tries = 0
  const counted = dispatcher.compose(
    next => (options, handler) => {
      tries += 1
      return next(options, handler)
    },
    interceptors.retry({
      ...QUICK,
      retry: (error, { state }, callback) => {
        assert.ok('code' in error)
        assert.equal(error.code, 'ECONNREFUSED')
        assert.equal(state.counter, 1)
        startRecorder({ listen: { host, port: Number(address.split(':')[1]) } }).then(started => {
          later = started
          callback(null)
        }, callback)
      },
    }))
  try {
    const { statusCode, body } = await counted.request(GET)
    assert.equal(statusCode, 200)
    assert.equal(await body.text(), 'ok')
    assert.equal(tries, 2)
  } finally {
    await later?.close()
  }
})

test('retry by its own rules: refused, reset, closed without a reply, 503; a POST is not retried', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address).compose(interceptors.retry({ ...QUICK, maxRetries: 2 }))
  const failures = [
    (exchange: Exchange): Promise<void> => exchange.end(),
    (exchange: Exchange): void => exchange.reset(),
    (exchange: Exchange): Promise<void> => exchange.end('Status: 503\r\n\r\nx'),
  ]
  for (const fail of failures) {
    server.clear()
    server.answer = exchange => exchange.index < 2 ? fail(exchange) : exchange.end('X: 1\r\n\r\nok')
    const { body } = await dispatcher.request(GET)
    assert.equal(await body.text(), 'ok')
    assert.equal(server.requests.length, 3)
    server.clear()
    await assert.rejects(dispatcher.request({ ...GET, method: 'POST', body: 'x' }))
    assert.equal(server.requests.length, 1)
  }
  server.clear()
  server.answer = exchange => exchange.end()
  await assert.rejects(dispatcher.request(GET), { code: 'UND_ERR_SOCKET' })
  assert.equal(server.requests.length, 3)
})

test('retry resumes a reply that broke off', async () => {
  await using server = await startRecorder()
  server.answer = exchange => exchange.request.param('HTTP_RANGE') === undefined
    ? exchange.end('Content-Length: 6\r\nETag: "v1"\r\n\r\nabc')
    : exchange.end('Status: 206\r\nContent-Range: bytes 3-5/6\r\nContent-Length: 3\r\nETag: "v1"\r\n\r\ndef')
  const dispatcher = new ScgiDispatcher(server.address).compose(interceptors.retry(QUICK))
  const { body } = await dispatcher.request(GET)
  assert.equal(await body.text(), 'abcdef')
  assert.equal(server.requests[1]?.param('HTTP_RANGE'), 'bytes=3-5')
  assert.equal(server.requests[1]?.param('HTTP_IF_MATCH'), '"v1"')
})

test('RetryAgent around the dispatcher', async () => {
  await using server = await startRecorder()
  server.answer = exchange => exchange.index === 0 ? exchange.reset() : exchange.end('X: 1\r\n\r\nok')
  const agent = new RetryAgent(new ScgiDispatcher(server.address), QUICK)
  const { body } = await agent.request(GET)
  assert.equal(await body.text(), 'ok')
  await agent.close()
})

test('cache', async () => {
  await using server = await startRecorder({ answer: 'Cache-Control: max-age=60\r\nETag: "v"\r\nContent-Type: text/plain\r\n\r\ncached' })
  const dispatcher = new ScgiDispatcher(server.address).compose(interceptors.cache())
  for (let i = 0; i < 3; i++) {
    const { body, headers } = await dispatcher.request(GET)
    assert.equal(headers['content-type'], 'text/plain')
    assert.equal(await body.text(), 'cached')
  }
  assert.equal(server.requests.length, 1)
})

test('dump', async () => {
  await using server = await startRecorder({ answer: 'X: 1\r\n\r\ndumped' })
  const dispatcher = new ScgiDispatcher(server.address).compose(interceptors.dump())
  const { statusCode, body } = await dispatcher.request(GET)
  assert.equal(statusCode, 200)
  assert.equal(await body.text(), '')
  const small = new ScgiDispatcher(server.address).compose(interceptors.dump({ maxSize: 2 }))
  await assert.rejects(async () => (await small.request(GET)).body.text(), { code: 'UND_ERR_ABORTED' })
  await server.idle()
})

test('dns', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address).compose(interceptors.dns({
    lookup: (_origin, _options, callback) => callback(null, [{ address: '192.0.2.1', family: 4, ttl: 1000 }]),
  }))
  const { body } = await dispatcher.request({ ...GET, origin: 'http://app.test:81' })
  assert.equal(await body.text(), 'ok')
  assert.equal(server.requests[0]?.param('HTTP_HOST'), 'app.test:81')
  assert.equal(server.requests[0]?.param('SERVER_NAME'), 'app.test')
})

test('redirect', async () => {
  await using server = await startRecorder()
  server.answer = async exchange => {
    await exchange.body()
    const uri = exchange.request.param('REQUEST_URI')
    if (uri === '/x') await exchange.end('Status: 303\r\nLocation: /y?z\r\n\r\nmoved')
    else await exchange.end(`X: 1\r\n\r\n${exchange.request.param('REQUEST_METHOD')} ${uri}`)
  }
  const dispatcher = new ScgiDispatcher(server.address).compose(interceptors.redirect({ maxRedirections: 2 }))
  const { body } = await dispatcher.request({ ...GET, method: 'POST', body: Readable.from(['abc']) })
  assert.equal(await body.text(), 'GET /y?z')
  assert.equal(server.requests[0]?.body.toString(), 'abc')
  assert.equal(server.requests[1]?.param('CONTENT_LENGTH'), '0')
})

test('responseError, decompress and deduplicate', async () => {
  await using server = await startRecorder({ answer: 'Status: 404 Not Here\r\nContent-Type: text/plain\r\n\r\nnone' })
  await assert.rejects(new ScgiDispatcher(server.address).compose(interceptors.responseError()).request(GET), { statusCode: 404, body: 'none' })
  server.answer = Buffer.concat([Buffer.from('Content-Encoding: gzip\r\n\r\n'), gzipSync('plain')])
  const unzipped = await new ScgiDispatcher(server.address).compose(interceptors.decompress({ skipErrorResponses: false })).request(GET)
  assert.equal(await unzipped.body.text(), 'plain')
  server.clear()
  server.answer = 'X: 1\r\n\r\nonce'
  const once = new ScgiDispatcher(server.address).compose(interceptors.deduplicate())
  const replies = await Promise.all([once.request(GET), once.request(GET), once.request(GET)])
  for (const { body } of replies) assert.equal(await body.text(), 'once')
  assert.equal(server.requests.length, 1)
})
