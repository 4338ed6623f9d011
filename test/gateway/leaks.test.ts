// A hundred of everything that can go wrong leaves no more descriptors, handles, listeners and files than before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import net from 'node:net'
import { once } from 'node:events'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { assertNoGrowth } from '../helpers/resources.ts'
import { bytes, get } from './kit.ts'
import type { Gateway } from '../helpers/gateway.ts'
import type { Script } from '../helpers/recorder.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\n'
const AT_ONCE = 20
const ROUNDS = 100 / AT_ONCE

type Options = Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'>

/** Runs `round` 100 times, twenty at a time, against an application that answers like this. */
async function noLeak (
  answer: string | Script, options: Options, round: (gateway: Gateway) => Promise<unknown>, address?: string
): Promise<void> {
  await using recorder = await startRecorder({ answer })
  await using gateway = await startGateway({ ...options, upstreams: { name: 'g', servers: [address ?? recorder.address] } }, { logger: false })
  await assertNoGrowth(async () => {
    await Promise.all(Array.from({ length: AT_ONCE }, () => round(gateway)))
    await recorder.idle()
  }, { rounds: ROUNDS, warmup: 3 })
  assert.equal(gateway.app.scgi.groups.get('g')?.servers[0]?.active, 0)
  assert.equal(gateway.app.server.listening, true)
}

/** Expects this status, and a connection that is cut or not. */
function answered (status: number, cut = false, request = get('/', 'Connection: close')) {
  return async (gateway: Gateway): Promise<void> => {
    const response = await rawRequest(gateway, request)
    // A slow machine may see the time limit before the head.
    const late = cut && status === 200 && response.statusCode === 504
    if (!late) assert.deepEqual([response.statusCode, response.cut], [status, cut])
  }
}

const silent: Script = async x => { await x.closed }

test('a malformed head', () => noLeak('no head\r\n\r\n', {}, answered(502)))
test('a NUL in the head', () => noLeak(`${HEAD}X: a\0b\r\n\r\n`, {}, answered(502)))
test('an oversized head', () => noLeak(`${HEAD}X: ${'x'.repeat(2000)}\r\n\r\n`, { buffering: { bufferSize: '1k' } }, answered(502)))
test('a Content-Length that promises too much', () => noLeak(`${HEAD}Content-Length: 10\r\n\r\nhello`, {}, answered(200, true)))
test('a Content-Length that promises too little', () => noLeak(`${HEAD}Content-Length: 2\r\n\r\nhello`, {}, answered(200)))
test('a silent application', () => noLeak(silent, { readTimeout: 20 }, answered(504)))
test('an application that stops in the head', () => noLeak(async x => { await x.write('Status: 2'); await x.closed }, { readTimeout: 20 }, answered(504)))
test('an application that stops in the body', () => noLeak(async x => { await x.write(`${HEAD}\r\nbegun`); await x.closed }, { readTimeout: 20 }, answered(200, true)))
test('a refused socket', async () => noLeak('', {}, answered(502), await refusedAddress()))
test('a closed connection', () => noLeak('', {}, answered(502)))
test('a body over the limit', () => noLeak('', { bodyLimit: 10 }, answered(413, false, bytes(['POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked'], 'b\r\nhello hello\r\n0\r\n\r\n'))))
test('a client that stops in its body', () => noLeak('', { clientBodyTimeout: 20, requestBuffering: { memory: 0 } },
  answered(408, false, bytes(['POST / HTTP/1.1', 'Host: x', 'Content-Length: 10'], 'x'))))
test('a temporary directory that is not there', () => noLeak('', { requestBuffering: { memory: 0, tempPath: '/nonexistent' } },
  answered(500, false, bytes(['POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked'], '1\r\nx\r\n0\r\n\r\n'))))
test('hooks that throw', () => noLeak(async x => { await x.write(`${HEAD}\r\nbegun`); await x.closed }, { rewriteHeaders: () => { throw new Error('hook') } }, answered(500)))

/** Sends and is gone: at once, or once something has come back. */
function vanishes (request: Buffer, after: 'sending' | 'head') {
  return async (gateway: Gateway): Promise<void> => {
    if (after === 'head') {
      await using client = await RawClient.connect(gateway)
      client.expect('GET')
      await client.write(request)
      await client.until(({ head }) => head !== undefined)
      return
    }
    const socket = net.connect(gateway.port, '127.0.0.1')
    await once(socket, 'connect')
    await new Promise(resolve => socket.write(request, resolve))
    socket.resetAndDestroy()
    await once(socket, 'close')
  }
}

const UPLOAD = ['POST / HTTP/1.1', 'Host: x', 'Content-Length: 100000']

for (const ignoreClientAbort of [false, true]) {
  const options: Options = { ignoreClientAbort, readTimeout: ignoreClientAbort ? 300 : 10_000 }
  const suffix = `ignoreClientAbort ${ignoreClientAbort}`
  test(`a client that vanishes in its body, ${suffix}`, () => noLeak(silent, options, vanishes(bytes(UPLOAD, 'x'.repeat(10)), 'sending')))
  test(`a client that vanishes while its body is spooled, ${suffix}`, () => noLeak(silent, options, vanishes(bytes(UPLOAD, 'x'.repeat(50_000)), 'sending')))
  test(`a client that vanishes while its body is streamed, ${suffix}`, () => noLeak(silent, { ...options, requestBuffering: false },
    vanishes(bytes(UPLOAD, 'x'.repeat(50_000)), 'sending')))
  test(`a client that vanishes after its upload, ${suffix}`, () => noLeak(silent, options, vanishes(bytes(UPLOAD, 'x'.repeat(100_000)), 'sending')))
  test(`a client that vanishes before the head, ${suffix}`, () => noLeak(silent, options, vanishes(get('/'), 'sending')))
  test(`a client that vanishes with requests in its pipe, ${suffix}`, () => noLeak(silent, options, vanishes(Buffer.concat([get('/'), get('/'), get('/')]), 'sending')))
  test(`a client that vanishes in the body, ${suffix}`, () => noLeak(async x => {
    await x.write(`${HEAD}\r\n${'x'.repeat(140_000)}`)
    await x.closed
  }, options, vanishes(get('/'), 'head')))
}
