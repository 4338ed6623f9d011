import assert from 'node:assert/strict'
import dns from 'node:dns/promises'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import { errors } from 'undici'
import { errors as ours } from '../../lib/index.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { refusedAddress, startRecorder, type Answer } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

/** The error of a request, or of the body of its reply. */
async function failure (dispatcher: ScgiDispatcher): Promise<Error & { code?: unknown, statusCode?: unknown, address?: unknown }> {
  try {
    const { body } = await dispatcher.request({ path: '/', method: 'GET' })
    await body.text()
  } catch (error) {
    assert.ok(error instanceof Error)
    return error
  }
  return new Error('the request succeeded')
}

test("errors have undici's codes, and ours as their cause", async () => {
  await using dir = await tempDir()
  await using server = await startRecorder()
  const refused = await refusedAddress()
  const limits = { sendTimeout: 50, readTimeout: 50, bufferSize: 1024 }
  const rows: [address: string, answer: Answer, code: string, type: unknown, cause: unknown, status: number][] = [
    [refused, '', 'ECONNREFUSED', errors.SocketError, ours.FST_SCGI_CONNECT, 502],
    [`unix:${dir.file('none')}`, '', 'UND_ERR_SOCKET', errors.SocketError, ours.FST_SCGI_CONNECT, 502],
    [server.address, exchange => exchange.end(), 'UND_ERR_SOCKET', errors.SocketError, ours.FST_SCGI_PREMATURE_CLOSE, 502],
    [server.address, exchange => exchange.reset(), 'ECONNRESET', errors.SocketError, ours.FST_SCGI_PREMATURE_CLOSE, 502],
    [server.address, 'b d\r\n\r\n', 'HPE_INVALID_HEADER_TOKEN', errors.HTTPParserError, ours.FST_SCGI_INVALID_HEADER, 502],
    [server.address, `X: ${'x'.repeat(2000)}\r\n`, 'UND_ERR_HEADERS_OVERFLOW', errors.HeadersOverflowError, ours.FST_SCGI_HEADER_TOO_BIG, 502],
    [server.address, () => {}, 'UND_ERR_HEADERS_TIMEOUT', errors.HeadersTimeoutError, ours.FST_SCGI_READ_TIMEOUT, 504],
    [server.address, exchange => exchange.write('X: y\r\n\r\nabc'), 'UND_ERR_BODY_TIMEOUT', errors.BodyTimeoutError, ours.FST_SCGI_READ_TIMEOUT, 504],
    [server.address, 'Content-Length: 5\r\n\r\nabc', 'UND_ERR_SOCKET', errors.SocketError, ours.FST_SCGI_BODY_TRUNCATED, 502],
  ]
  for (const [address, answer, code, type, cause, status] of rows) {
    server.answer = answer
    const error = await failure(new ScgiDispatcher(address, limits))
    assert.equal(error.code, code, error.message)
    assert.ok(typeof type === 'function' && error instanceof type, error.name)
    assert.ok(typeof cause === 'function' && error.cause instanceof cause && error.cause instanceof Error, code)
    assert.equal(error.statusCode, status)
    assert.equal(error.address, address)
    assert.equal(error.message, error.cause.message)
  }
  await server.idle()
})

test('no live upstreams', async () => {
  const error = await failure(new ScgiDispatcher([{ address: '127.0.0.1:4000', down: true }]))
  assert.equal(error.code, 'UND_ERR_SOCKET')
  assert.ok(error.cause instanceof ours.FST_SCGI_NO_LIVE_UPSTREAMS)
})

test('an upload that the application does not take', async () => {
  await using server = await startRecorder({ answer: exchange => exchange.pause() })
  const dispatcher = new ScgiDispatcher(server.address, { sendTimeout: 100 })
  const upload = dispatcher.request({ path: '/', method: 'PUT', body: Buffer.alloc(32 * 1024 * 1024) })
  await assert.rejects(upload, (error: unknown) => {
    assert.ok(error instanceof errors.HeadersTimeoutError && error.cause instanceof ours.FST_SCGI_SEND_TIMEOUT)
    return true
  })
})

test('a name that does not resolve fails the request, and is asked for again', async () => {
  await using server = await startRecorder()
  const port = server.address.split(':')[1] ?? ''
  const { lookup } = dns
  let known = false
  Reflect.set(dns, 'lookup', async () => {
    if (!known) throw Object.assign(new Error('none'), { code: 'ENOTFOUND' })
    return [{ address: '127.0.0.1', family: 4 }]
  })
  syncBuiltinESMExports()
  try {
    const dispatcher = new ScgiDispatcher(`app.test:${port}`)
    const error = await failure(dispatcher)
    assert.equal(error.code, 'ENOTFOUND')
    assert.ok(error.cause instanceof ours.FST_SCGI_RESOLVE)
    known = true
    assert.equal((await dispatcher.request({ path: '/', method: 'GET' })).statusCode, 200)
  } finally {
    dns.lookup = lookup
    syncBuiltinESMExports()
  }
})
