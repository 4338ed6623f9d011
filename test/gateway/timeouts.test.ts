// The time limits of an exchange, with nginx's meaning of each. The times are real and short: they are those of sockets, which no mock
// of timers reaches.
import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as later } from 'node:timers/promises'
import { Connection } from '../../lib/connections/scgi/connection.ts'
import { fullBacklog } from '../helpers/full-backlog.ts'
import { startPassing, trail, turnsUntil } from '../helpers/passing.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually, within } from './kit.ts'
import type { Socket } from 'node:net'
import type { Exchange, Recorder, Script } from '../helpers/recorder.ts'

/** More than a unix socket holds for a server that does not read. */
const LARGE = Buffer.alloc(1_000_000, 'large ')

const silent: Script = async (x) => { await x.closed }

/** Writes pieces with a pause before each, until the gateway has closed. */
async function dribble (x: Exchange, pieces: Iterable<string>, pause: number): Promise<void> {
  for (const piece of pieces) {
    await Promise.race([later(pause), x.closed])
    await x.write(piece)
  }
}

const opened = mock.method(Connection, 'open')

/** The gateway's end of its last connection to this server. */
function gatewayEnd ({ address }: Recorder): Socket {
  const call = opened.mock.calls.findLast(({ arguments: [{ name }] }) => name === address)
  return call?.result?.socket ?? assert.fail(`no connection to ${address}`)
}

async function timed<T> (work: () => Promise<T>): Promise<[T, number]> {
  const begun = performance.now()
  return [await work(), performance.now() - begun]
}

// Most of their time they wait: several at once.
describe('time limits', { concurrency: 4 }, () => {
  test('connectTimeout: 504, and the server has failed', async () => {
    await using one = await fullBacklog()
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, { address: one.address, backup: true }] }, connectTimeout: 60 })
    const [{ response, error, scgi }, time] = await timed(() => gateway.send('GET', '/'))
    assert.equal(response.statusCode, 504)
    assert.equal(error?.code, 'FST_SCGI_CONNECT_TIMEOUT')
    assert.match(error?.message ?? '', /did not succeed within 60 ms \(connectTimeout\)/)
    assert.equal(scgi.upstreamStatus, '504, 504')
    assert.equal(scgi.upstreamConnectTime, '-, -')
    assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [1, 1])
    assert.ok(time > 110, `${time} ms for two attempts`)
  })

  test('readTimeout: bytes that dribble in do not extend the time for the head', async () => {
    await using one = await startRecorder({ answer: (x) => dribble(x, 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n', 20) })
    await using gateway = await startPassing({ upstreams: [one.address], readTimeout: 120 })
    const { response, error, scgi } = await gateway.send('GET', '/')
    // Extended, it would see all of the head.
    assert.equal(response.statusCode, 504)
    assert.equal(error?.code, 'FST_SCGI_READ_TIMEOUT')
    assert.match(error?.message ?? '', /sent only a part of the head of its reply within 120 ms/)
    assert.ok(Number(scgi.upstreamBytesReceived) > 0)
  })

  test('readTimeout: informational heads do not extend the time for the head', async () => {
    await using one = await startRecorder({ answer: (x) => dribble(x, Array<string>(40).fill('HTTP/1.1 103 Early Hints\r\n\r\n'), 20) })
    await using gateway = await startPassing({ upstreams: [one.address], readTimeout: 120 })
    const { response } = await gateway.send('GET', '/')
    // Extended, it would see the end of the reply, a 502.
    assert.equal(response.statusCode, 504)
  })

  test('readTimeout: a head that comes in pieces in time is taken, and the body has its own time', async () => {
    await using one = await startRecorder({
      answer: async (x) => {
        await dribble(x, ['Status: 20', '0 OK\r\n', 'Content-Length: 4\r\n\r\nb'], 80)
        await dribble(x, ['o', 'd', 'y'], 600)
      },
    })
    await using gateway = await startPassing({ upstreams: [one.address], readTimeout: 1500 })
    const { response } = await gateway.send('GET', '/')
    assert.deepEqual([response.statusCode, response.body.toString(), response.cut], [200, 'body', false])
  })

  test('readTimeout: each piece of the body extends it, silence ends it', async () => {
    await using one = await startRecorder({
      answer: async (x) => {
        await x.write('Content-Length: 100\r\n\r\n')
        await dribble(x, '12345', 120)
        await x.closed
      },
    })
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, { address: one.address, backup: true }] }, readTimeout: 450 })
    const [{ response, scgi }, time] = await timed(() => gateway.send('GET', '/'))
    assert.deepEqual([response.statusCode, response.body.toString(), response.cut], [200, '12345', true])
    assert.ok(time > 600 + 440, `${time} ms`)
    assert.deepEqual(trail(scgi.attempts), [`${one.address} 200`])
    assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [0, 0])
  })

  test('readTimeout: it does not run while the client takes nothing, and runs again when it does', async () => {
    const body = Buffer.alloc(16_000_000, 'x')
    await using one = await startRecorder({
      answer: async (x) => {
        await x.write(`Content-Length: ${body.length + 4}\r\n\r\n`)
        await x.write(body)
        await x.closed
      },
    })
    await using gateway = await startPassing({ upstreams: [one.address], readTimeout: 1000, buffering: { maxTempFileSize: 0 } })
    await using client = await RawClient.connect(gateway, { keepBodies: false })
    client.expect('GET')
    client.socket.pause()
    await client.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\n')
    await one.received(1)
    await eventually(() => gatewayEnd(one).isPaused() && gatewayEnd(one).timeout === 0, 'the application waits for the client, and has no time limit')
    assert.equal(one.open, 1)
    client.socket.resume()
    const response = await client.response()
    assert.equal(response.bodyLength, body.length)
    assert.equal(response.cut, true, 'of the last 4 bytes none comes, and the silence ends the reply')
    await one.idle()
  })

  test('readTimeout begins when the request is written, and sendTimeout waits for no client: a slow upload costs nothing', async () => {
    await using one = await startRecorder({ answer: async (x) => { const body = await x.body(); await x.end(`Content-Length: ${body.length}\r\n\r\n${body}`) } })
    await using gateway = await startPassing({ upstreams: [one.address], requestBuffering: false, readTimeout: 900, sendTimeout: 100 })
    await using client = await RawClient.connect(gateway)
    client.expect('POST')
    await client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n')
    await turnsUntil(() => one.requests.length === 1, 'the head of the request has come')
    // It takes longer than readTimeout, too.
    for (const piece of 'slow upload') {
      // The time has passed, and nothing comes of it, in the next turn, which looks once more whether something has moved.
      await within(gatewayEnd(one), 'timeout')
      await nextTurn()
      await client.write(piece)
    }
    const response = await client.response()
    assert.deepEqual([response.statusCode, response.body.toString()], [200, 'slow upload'])
  })

  for (const [name, body] of [['from memory', LARGE.subarray(0, 600_000)], ['from a file', LARGE]] as const) {
    test(`sendTimeout: a server that takes nothing, a body ${name}`, async () => {
      await using dir = await tempDir()
      await using one = await startRecorder({ listen: { path: dir.socket() }, accept: () => 'stall' })
      await using gateway = await startPassing({
        upstreams: [one.address],
        sendTimeout: 80,
        bodyLimit: 1 << 22,
        requestBuffering: name === 'from memory' ? { memory: '1m' } : true,
      })
      const { response, error, scgi } = await gateway.send('POST', '/', body)
      assert.equal(response.statusCode, 504)
      assert.equal(error?.code, 'FST_SCGI_SEND_TIMEOUT')
      assert.match(error?.message ?? '', /took nothing of the request for 80 ms \(sendTimeout\)/)
      assert.equal(scgi.upstreamStatus, '504')
    })

    test(`sendTimeout: a server that takes little at a time has all the time it needs, a body ${name}`, async () => {
      await using dir = await tempDir()
      await using one = await startRecorder({
        listen: { path: dir.socket() },
        answer: async (x) => {
          for (let i = 0; i < 8; i++) {
            x.pause()
            await later(100)
            x.resume()
            await new Promise((resolve) => setImmediate(resolve))
          }
          await x.body()
          await x.end('Content-Length: 4\r\n\r\ndone')
        },
      })
      await using gateway = await startPassing({
        upstreams: [one.address],
        sendTimeout: 600,
        bodyLimit: 1 << 22,
        requestBuffering: name === 'from memory' ? { memory: '1m' } : true,
      })
      const { response } = await gateway.send('POST', '/', body)
      assert.deepEqual([response.statusCode, response.body.toString()], [200, 'done'])
      assert.ok(one.requests[0]?.body.equals(body))
    })
  }

  test('a reply before the end of the request: from its head on readTimeout holds, which is longer', async () => {
    await using dir = await tempDir()
    await using one = await startRecorder({
      listen: { path: dir.socket() },
      answer: async (x) => {
        x.pause()
        await x.write('Status: 413\r\nContent-Length: 7\r\n\r\n')
        await eventually(() => gatewayEnd(one).timeout === 2000, 'readTimeout runs')
        await x.write('too big')
        await x.closed
      },
    })
    await using gateway = await startPassing({ upstreams: [one.address], sendTimeout: 60, readTimeout: 2000, bodyLimit: 1 << 22 })
    const { response } = await gateway.send('POST', '/', LARGE)
    assert.deepEqual([response.statusCode, response.body.toString(), response.cut], [413, 'too big', false])
  })

  test('a reply before the end of the request: from its head on readTimeout holds, which is shorter', async () => {
    await using dir = await tempDir()
    await using one = await startRecorder({
      listen: { path: dir.socket() },
      answer: async (x) => {
        x.pause()
        await x.write('Status: 413\r\nContent-Length: 7\r\n\r\ntoo')
        await x.closed
      },
    })
    await using gateway = await startPassing({ upstreams: [one.address], sendTimeout: 60_000, readTimeout: 80, bodyLimit: 1 << 22 })
    const [{ response }, time] = await timed(() => gateway.send('POST', '/', LARGE))
    assert.deepEqual([response.statusCode, response.body.toString(), response.cut], [413, 'too', true])
    assert.ok(time < 30_000, `${time} ms`)
  })

  test('0 is without limit', async () => {
    await using one = await startRecorder({
      answer: async (x) => { await dribble(x, ['Content-Length: 3\r\n', '\r\no', 'n', 'e'], 50) },
    })
    await using gateway = await startPassing({ upstreams: [one.address], connectTimeout: 0, sendTimeout: 0, readTimeout: 0 })
    assert.equal((await gateway.send('GET', '/')).response.body.toString(), 'one')
  })

  test('the limits of one request are not those of the next on an object that is used again', async () => {
    await using one = await startRecorder({ answer: async (x) => { if (x.request.param('REQUEST_URI')?.endsWith('long') === true) await later(700); await x.end('\r\nok') } })
    await using gateway = await startPassing([
      { prefix: '/short', upstreams: [one.address], readTimeout: 500, sendTimeout: 500, connectTimeout: 500 },
      { prefix: '/none', upstreams: [one.address], readTimeout: 0, sendTimeout: 0, connectTimeout: 0 },
      { prefix: '/minute', upstreams: [one.address] },
    ])
    for (const path of ['/short/', '/none/long', '/short/', '/minute/long', '/none/']) {
      assert.equal((await gateway.send('GET', path)).response.statusCode, 200)
    }
    await using stuck = await startRecorder({ answer: silent })
    await using other = await startPassing({ upstreams: [stuck.address], readTimeout: 60 })
    assert.equal((await other.send('GET', '/')).response.statusCode, 504)
  })
})
