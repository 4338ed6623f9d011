// Rates, towards the client and from the application, and X-Accel-Charset. The figures themselves are those of the filters' tests.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { compileResponse } from '../../lib/exchange/response-options.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, eventually, get, within } from '../gateway/kit.ts'
import type { Socket } from 'node:net'

const BODY = Buffer.alloc(60_000, 'rate')
const reply = (...lines: string[]): Buffer => bytes(['Status: 200', ...lines, `Content-Length: ${BODY.length}`], BODY)

/** How long a request takes, in milliseconds. */
async function timed (ask: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await ask()
  return performance.now() - begun
}

test('X-Accel-Limit-Rate slows the client down, not the application, and keeps the length', async () => {
  await using recorder = await startRecorder({ answer: reply('X-Accel-Limit-Rate: 100000', 'Content-Type: a/b') })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  const begun = performance.now()
  const response = client.request(get('/'))
  await recorder.received(1)
  await recorder.idle()
  await client.until(({ bodyLength }) => bodyLength > 0)
  assert.ok(client.bodyLength < 30_000, `${client.bodyLength} bytes at once`)
  const { body, framing } = await response
  assert.ok(body.equals(BODY))
  assert.equal(framing, 'length')
  assert.ok(performance.now() - begun > 450)
})

test('clientLimitRate; X-Accel-Limit-Rate goes before it, also where it is 0 or is ignored', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(async app => {
    const scgi = (await import('../../lib/index.ts')).default
    const upstreams = recorder.address
    app.register(scgi, { prefix: '/slow', upstreams, clientLimitRate: '100k' })
    app.register(scgi, { prefix: '/after', upstreams, clientLimitRate: () => 1000, clientLimitRateAfter: '60k' })
    app.register(scgi, { prefix: '/ignored', upstreams, ignoreHeaders: ['X-Accel-Limit-Rate'] })
    app.register(scgi, { prefix: '/unbuffered', upstreams, buffering: false, clientLimitRate: 1000 })
    app.register(scgi, { prefix: '/throws', upstreams, limitRate: () => { throw new Error('no rate') } })
  })
  const ask = async (path: string): Promise<number> => await timed(async () => {
    assert.equal((await rawRequest(gateway, get(path))).body.length, BODY.length)
  })
  recorder.answer = reply()
  assert.ok(await ask('/slow') > 400)
  assert.ok(await ask('/after') < 5000)
  assert.ok(await ask('/unbuffered') < 5000)
  recorder.answer = reply('X-Accel-Limit-Rate: 0')
  assert.ok(await ask('/slow') < 5000)
  recorder.answer = reply('X-Accel-Limit-Rate: 1')
  assert.ok(await ask('/ignored') < 5000)
  recorder.answer = reply('X-Accel-Limit-Rate: 1k')
  assert.ok(await ask('/ignored') < 5000, 'no number')
  assert.equal((await rawRequest(gateway, get('/throws'))).statusCode, 500)
})

test('a function that gives a rate: none, and the edges of numbers', async () => {
  await using recorder = await startRecorder({ answer: reply() })
  const rates: readonly [given: unknown, bytes: number | RegExp][] = [
    [Infinity, 0], [0, 0], [undefined, 0], [0.5, 1], [1.9, 1], [1e300, 1e300],
    [NaN, /gave NaN/], [-1, /gave -1/], ['1k', /gave "1k"/],
  ]
  const seen: unknown[] = []
  await using gateway = await startGateway(async app => {
    const scgi = (await import('../../lib/index.ts')).default
    for (const option of ['limitRate', 'clientLimitRate'] as const) {
      app.register(scgi, { prefix: `/${option}`, upstreams: recorder.address, [option]: () => Infinity })
      app.get(`/compiled/${option}`, request => {
        for (const [given, bytes] of rates) {
          const options: object = { [option]: () => given }
          const rate = compileResponse(options)[option] ?? assert.fail()
          if (typeof bytes === 'number') assert.equal(rate(request), bytes, `${option}: ${String(given)}`)
          else assert.throws(() => rate(request), bytes)
          seen.push(given)
        }
        return ''
      })
    }
  })
  for (const option of ['limitRate', 'clientLimitRate']) {
    assert.equal((await rawRequest(gateway, get(`/compiled/${option}`))).statusCode, 200)
    const { statusCode, body } = await rawRequest(gateway, get(`/${option}`))
    assert.deepEqual([statusCode, body.length], [200, BODY.length], option)
  }
  assert.equal(seen.length, 2 * rates.length)
})

test('limitRate holds the application back', async () => {
  const big = Buffer.alloc(3_000_000)
  let written = 0
  await using recorder = await startRecorder({
    answer: async exchange => {
      await exchange.write('Content-Type: a/b\r\n\r\n')
      for (let i = 0; i < big.length; i += 100_000) {
        await exchange.write(big.subarray(i, i + 100_000))
        written = i
      }
      await exchange.end()
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address, limitRate: 100_000 })
  await using client = await RawClient.connect(gateway, { keepBodies: false })
  client.socket.write(get('/'))
  await client.until(({ bodyLength }) => bodyLength > 50_000)
  assert.ok(client.bodyLength < 1_000_000)
  assert.ok(written < big.length)
  client.socket.destroy()
  await recorder.idle()
})

test('X-Accel-Charset', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  const type = async (...lines: string[]): Promise<string | undefined> => {
    recorder.answer = `${lines.join('\r\n')}\r\nContent-Length: 2\r\n\r\nok`
    return headerValue(await rawRequest(gateway, get('/')), 'content-type')
  }
  assert.equal(await type('X-Accel-Charset: KOI8-R', 'Content-Type: text/html'), 'text/html; charset=KOI8-R')
  assert.equal(await type('X-Accel-Charset: nonsense', 'Content-Type: text/html'), 'text/html')
  assert.equal(await type('X-Accel-Charset: utf-8', 'Content-Type: text/html; charset=koi8-r'), 'text/html; charset=koi8-r')
})

test('clientSendTimeout ends a client that takes nothing, and leaves one alone that waits', async () => {
  await using recorder = await startRecorder({
    answer: async exchange => {
      if (exchange.request.param('PATH_INFO') === '/wait') {
        await exchange.write('Content-Type: a/b\r\n\r\nbegun')
        // The time is over, and begins anew, while there is nothing that the client could take.
        for (let n = 0; n < 2; n++) await within(served(), 'timeout')
        await exchange.end('done')
      } else {
        await exchange.end(Buffer.concat([Buffer.from('Content-Type: a/b\r\n\r\n'), Buffer.alloc(20_000_000)])).catch(() => {})
      }
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address, clientSendTimeout: 150 })
  const sockets: Socket[] = []
  gateway.app.server.on('connection', socket => sockets.push(socket))
  const served = (): Socket => sockets[0] ?? assert.fail('no connection')
  assert.equal((await rawRequest(gateway, get('/wait'))).body.toString(), 'begundone')
  await using client = await RawClient.connect(gateway, { keepBodies: false })
  client.socket.write(get('/big'))
  await client.until(({ bodyLength }) => bodyLength > 0)
  client.socket.pause()
  await eventually(() => gateway.log.some(line => line.msg === 'client timed out'), 'the client timed out')
})

test('limitRate as a function is asked when the head is there; without buffering it is refused at register', async () => {
  await using recorder = await startRecorder({ answer: 'Content-Type: text/plain\r\nX-Rate: 7\r\n\r\nok' })
  const seen: unknown[] = []
  await using gateway = await startGateway({
    upstreams: recorder.address,
    limitRate: ({ scgi }) => {
      seen.push(scgi?.header('x-rate'), scgi?.head?.statusCode)
      return 1e6
    },
  })
  assert.equal((await rawRequest(gateway, get('/'))).body.toString(), 'ok')
  assert.deepEqual(seen, ['7', 200])
  for (const limitRate of [1000, () => 1000]) {
    for (const never of [{ buffering: false }, { buffering: { enabled: false }, ignoreHeaders: ['X-Accel-Buffering'] }]) {
      await assert.rejects(
        startGateway({ upstreams: recorder.address, ...never, limitRate }), { code: 'FST_SCGI_OPT_UNSUPPORTED', message: /limitRate.*buffering/ }
      )
    }
  }
})

test('a head counts in clientLimitRate, and goes at once, before the body that waits for it', async () => {
  const filler = `X-Filler: ${'x'.repeat(10_000)}`
  const body = Buffer.alloc(3000, 'b')
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, clientLimitRate: 20_000 })
  for (const length of [[`Content-Length: ${body.length}`], []]) {
    recorder.answer = bytes(['Status: 200', 'Content-Type: a/b', filler, ...length], body)
    await using client = await RawClient.connect(gateway)
    let received = ''
    client.socket.on('data', (chunk: Buffer) => { received += chunk.toString('latin1') })
    const begun = performance.now()
    const response = client.request(get('/'))
    while (!received.includes('\r\n\r\n')) await once(client.socket, 'data')
    assert.ok(received.endsWith('\r\n\r\n'), 'a piece of the body came with the head')
    assert.ok(performance.now() - begun < 400, 'the head was held back')
    assert.ok((await response).body.equals(body))
    assert.ok(performance.now() - begun > 500, 'the head did not count')
  }
})
