// Reuse of connections, where the server agrees to it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { Connection } from '../../lib/connections/scgi/connection.ts'
import { startPassing, trail, turnsUntil } from '../helpers/passing.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { Exchange, Script } from '../helpers/recorder.ts'
import type { NextUpstreamCondition } from '../../types/index.ts'

const KEEP = 'SCGI-Keepalive: 1\r\n'

/** Answers every request, and leaves the connection open. */
const keeps: Script = async (x) => { await x.body(); await x.write(`Status: 200\r\n${KEEP}Content-Length: 2\r\n\r\nok`) }

/** Number of the connection that each request came on. */
function connections (requests: readonly { connection: number }[]): number[] {
  return requests.map(({ connection }) => connection)
}

for (const listen of ['tcp', 'unix'] as const) {
  test(`requests one after the other use one connection (${listen})`, async () => {
    await using dir = await tempDir()
    await using one = await startRecorder({ answer: keeps, listen: listen === 'tcp' ? 'tcp' : { path: dir.socket() } })
    await using gateway = await startPassing({ upstreams: [{ address: one.address, keepalive: 2 }] })
    for (let i = 0; i < 5; i++) {
      const { response, scgi } = await gateway.send(i % 2 === 0 ? 'GET' : 'POST', '/', i % 2 === 0 ? '' : `body ${i}`)
      assert.deepEqual([response.statusCode, response.body.toString()], [200, 'ok'])
      assert.equal(response.headers.some(([name]) => name.toLowerCase() === 'scgi-keepalive'), false)
      assert.equal(Number(scgi.upstreamBytesSent), one.requests[i]?.raw.length)
      assert.equal(Number(scgi.upstreamBytesReceived), `Status: 200\r\n${KEEP}Content-Length: 2\r\n\r\nok`.length)
    }
    assert.deepEqual(connections(one.requests), [0, 0, 0, 0, 0])
    assert.ok(one.requests.every((request) => request.param('SCGI_KEEPALIVE') === '1'))
  })
}

test('without keepalive nothing is offered, and a server that agrees unasked is closed', async () => {
  await using one = await startRecorder({ answer: keeps })
  await using gateway = await startPassing({ upstreams: [one.address] })
  for (let i = 0; i < 2; i++) await gateway.send('GET', '/')
  await one.idle()
  assert.deepEqual(connections(one.requests), [0, 1])
  assert.equal(one.requests[0]?.param('SCGI_KEEPALIVE'), undefined)
})

test('a client cannot offer it', async () => {
  await using one = await startRecorder()
  await using gateway = await startPassing({ upstreams: [one.address] })
  await gateway.send('GET', '/', '', ['SCGI-Keepalive: 1'])
  assert.deepEqual([one.requests[0]?.param('SCGI_KEEPALIVE'), one.requests[0]?.param('HTTP_SCGI_KEEPALIVE')], [undefined, undefined])
})

describe('the connection is not kept', { concurrency: 4 }, () => {
  const cases: Record<string, { method?: string, answer: string | Script, body?: Buffer, status?: number }> = {
    'when the server does not agree': { answer: (x) => x.write('Content-Length: 2\r\n\r\nok') },
    'when the server says no': { answer: (x) => x.write('SCGI-Keepalive: 0\r\nContent-Length: 2\r\n\r\nok') },
    'when the server says it twice': { answer: (x) => x.write(`${KEEP}${KEEP}Content-Length: 2\r\n\r\nok`) },
    'without a Content-Length': { answer: (x) => x.end(`${KEEP}\r\nok`) },
    'with a chunked body': { answer: (x) => x.write(`${KEEP}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`) },
    'after HEAD': { method: 'HEAD', answer: (x) => x.write(`${KEEP}Content-Length: 2\r\n\r\n`) },
    'after 204': { answer: (x) => x.write(`Status: 204\r\n${KEEP}Content-Length: 0\r\n\r\n`), status: 204 },
    'after 304': { answer: (x) => x.write(`Status: 304\r\n${KEEP}Content-Length: 2\r\n\r\n`), status: 304 },
    'after surplus bytes': { answer: (x) => x.write(`${KEEP}Content-Length: 2\r\n\r\nokay`) },
    'after a reply before the end of the request': {
      method: 'POST',
      body: Buffer.alloc(1_000_000),
      answer: async (x) => {
        x.pause()
        await x.write(`${KEEP}Content-Length: 2\r\n\r\nok`)
      },
    },
    'after a reply that began before the end of the request': {
      method: 'POST',
      body: Buffer.alloc(1_000_000),
      answer: async (x) => {
        x.pause()
        await x.writeEach([`${KEEP}Content-Length: 4\r\n\r\nok`])
        x.resume()
        await x.body()
        await x.write('ay')
      },
    },
    'after a reply whose head began before the end of the request': {
      method: 'POST',
      body: Buffer.alloc(1_000_000),
      answer: async (x) => {
        x.pause()
        await x.writeEach([KEEP])
        x.resume()
        await x.body()
        await x.write('Content-Length: 2\r\n\r\nok')
      },
    },
  }
  for (const [name, { method = 'GET', answer, body, status = 200 }] of Object.entries(cases)) {
    test(name, async () => {
      await using dir = await tempDir()
      await using one = await startRecorder({ listen: { path: dir.socket() } })
      await using gateway = await startPassing({ upstreams: [{ address: one.address, keepalive: 2 }], bodyLimit: 1 << 22 })
      one.answer = answer
      const { response } = await gateway.send(method, '/', body)
      assert.equal(response.statusCode, status)
      assert.equal(response.cut, false)
      one.answer = keeps
      assert.equal((await gateway.send('GET', '/')).response.body.toString(), 'ok')
      assert.deepEqual(connections(one.requests), [0, 1])
    })
  }
})

test('after a client has gone the connection is not kept', async () => {
  await using one = await startRecorder({ answer: async (x) => { await x.write(`${KEEP}Content-Length: 4\r\n\r\nok`); await x.closed } })
  await using gateway = await startPassing({ upstreams: [{ address: one.address, keepalive: 2 }] })
  const client = await RawClient.connect(gateway)
  await client.write('GET /gone HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(() => client.bodyLength === 2)
  client.destroy()
  await gateway.finished('/gone')
  await one.idle()
})

test('a reply that was held back for a slow client leaves a connection that reads', async (t) => {
  const open = t.mock.method(Connection, 'open')
  const body = Buffer.alloc(16_000_000, 'x')
  await using one = await startRecorder({
    answer: async (x) => {
      await x.write(`${KEEP}Content-Length: ${x.index === 0 ? body.length : 2}\r\n\r\n`)
      await x.write(x.index === 0 ? body : 'ok')
    },
  })
  await using gateway = await startPassing({ upstreams: [{ address: one.address, keepalive: 1 }], readTimeout: 2000, buffering: false })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  client.socket.pause()
  await client.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  await one.received(1)
  await turnsUntil(() => open.mock.calls[0]?.result?.socket.isPaused() === true, 'the gateway stops reading')
  client.socket.resume()
  assert.ok((await client.response()).body.equals(body))
  await gateway.finished('/slow')
  for (let i = 0; i < 2; i++) assert.equal((await gateway.send('GET', '/')).response.body.toString(), 'ok')
  assert.deepEqual(connections(one.requests), [0, 0, 0])
})

test('no more connections are kept than wanted', async () => {
  const go: (() => void)[] = []
  await using one = await startRecorder({
    answer: async (x) => {
      await new Promise<void>((resolve) => go.push(resolve))
      await keeps(x)
    },
  })
  await using gateway = await startPassing({ upstreams: [{ address: one.address, keepalive: 2 }] })
  const sent = Array.from({ length: 5 }, (_, i) => gateway.send('GET', `/${i}`))
  await one.received(5)
  for (const answer of go) answer()
  await Promise.all(sent)
  await turnsUntil(() => one.open === 2, 'two connections')
})

test('an idle connection is closed when the server says anything on it, and when the server closes', async () => {
  const held: Exchange[] = []
  await using one = await startRecorder({ answer: async (x) => { held.push(x); await keeps(x) } })
  await using gateway = await startPassing({ upstreams: [{ address: one.address, keepalive: 1 }] })
  await gateway.send('GET', '/')
  await held[0]?.write('late bytes')
  await one.idle()
  await gateway.send('GET', '/')
  held[1]?.socket.end()
  await one.idle()
  await gateway.send('GET', '/')
  assert.deepEqual(connections(one.requests), [0, 1, 2])
})

test('app.close() closes idle connections, also of a group that it shares', async () => {
  await using one = await startRecorder({ answer: keeps })
  const group = createUpstreams([{ address: one.address, keepalive: 4 }])
  const gateway = await startPassing({ upstreams: group })
  await gateway.send('GET', '/')
  assert.equal(one.open, 1)
  await gateway.close()
  await one.idle()
})

describe('a kept connection that dies under its next request', { concurrency: 4 }, () => {
  /** Keeps the first exchange's connection and ends it under the second request, as `die` says. */
  async function stale (method: string, on: NextUpstreamCondition[] | undefined, die: Script, other?: string) {
    const one = await startRecorder({
      answer: async (x) => {
        if (x.request.connection === 0 && x.index === 1) await die(x)
        else await keeps(x)
      },
    })
    const gateway = await startPassing({
      upstreams: { name: 'g', servers: [{ address: one.address, keepalive: 1 }, { address: other ?? await refusedAddress(), backup: true }] },
      ...(on === undefined ? undefined : { nextUpstream: on }),
    })
    await gateway.send('GET', '/first')
    const sent = await gateway.send(method, '/second', method === 'GET' ? '' : 'the body')
    const [server] = gateway.servers('g')
    await gateway.close()
    await one.close()
    return { ...sent, one, server }
  }
  const resets = async (x: Exchange): Promise<void> => { await x.body(); x.reset() }
  const closes = async (x: Exchange): Promise<void> => { await x.body(); await x.end() }

  for (const [how, die] of [['reset', resets], ['closed', closes]] as const) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      test(`${method}, ${how}: it is replaced, without a try and without a failure`, async () => {
        const { response, scgi, one, server } = await stale(method, undefined, die)
        assert.equal(response.statusCode, 200)
        assert.deepEqual(trail(scgi.attempts), [`${one.address} 200`])
        assert.equal(server?.fails, 0)
        assert.deepEqual(connections(one.requests), [0, 0, 1])
        assert.equal(one.requests[2]?.body.toString(), method === 'GET' ? '' : 'the body')
        assert.equal(scgi.attempts[0]?.bytesSent, one.requests[2]?.raw.length)
      })
    }
    for (const method of ['POST', 'PATCH', 'LOCK']) {
      test(`${method}, ${how}: 502, without a try and without a failure`, async () => {
        const { response, scgi, one, server } = await stale(method, undefined, die)
        assert.equal(response.statusCode, 502)
        assert.deepEqual(trail(scgi.attempts), [`${one.address} 502`])
        assert.equal(server?.fails, 0)
        assert.deepEqual(connections(one.requests), [0, 0])
      })

      test(`${method}, ${how}, non_idempotent: it is replaced`, async () => {
        const { response, scgi, one, server } = await stale(method, ['error', 'non_idempotent'], die)
        assert.equal(response.statusCode, 200)
        assert.deepEqual(trail(scgi.attempts), [`${one.address} 200`])
        assert.equal(server?.fails, 0)
        assert.equal(one.requests[2]?.body.toString(), 'the body')
      })
    }
  }

  test('after the first byte of the reply it is a failure as any other', async () => {
    await using two = await startRecorder()
    const { response, scgi, one, server } = await stale('GET', undefined, async (x) => { await x.writeEach(['Sta']); x.reset() }, two.address)
    assert.equal(response.statusCode, 200)
    assert.deepEqual(trail(scgi.attempts), [`${one.address} 502`, `${two.address} 200`])
    assert.equal(server?.fails, 1)
  })

  test('a server that dies under the fresh connection too has failed', async () => {
    await using one = await startRecorder({ answer: async (x) => { if (x.index === 0) await keeps(x); else await x.end() } })
    await using two = await startRecorder()
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [{ address: one.address, keepalive: 1 }, { address: two.address, backup: true }] } })
    await gateway.send('GET', '/')
    const { response, scgi } = await gateway.send('GET', '/')
    assert.equal(response.statusCode, 200)
    assert.deepEqual(trail(scgi.attempts), [`${one.address} 502`, `${two.address} 200`])
    assert.deepEqual(connections(one.requests), [0, 0, 1])
    assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [1, 0])
  })

  test('silence is a failure as any other', async () => {
    await using one = await startRecorder({ answer: async (x) => { if (x.index === 0) await keeps(x); else await x.closed } })
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [{ address: one.address, keepalive: 1 }, { address: one.address, down: true }] }, readTimeout: 500 })
    await gateway.send('GET', '/')
    assert.equal((await gateway.send('GET', '/')).response.statusCode, 504)
    assert.equal(gateway.servers('g')[0]?.fails, 1)
  })

  test('a body that is being streamed is not sent again: 502', async () => {
    await using one = await startRecorder({ answer: async (x) => { if (x.index === 0) await keeps(x); else x.reset() } })
    await using gateway = await startPassing({
      upstreams: { name: 'g', servers: [{ address: one.address, keepalive: 1 }, { address: one.address, backup: true }] }, requestBuffering: false,
    })
    await gateway.send('GET', '/')
    await using client = await RawClient.connect(gateway)
    client.expect('PUT')
    await client.write('PUT /s HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin')
    assert.equal((await client.response()).statusCode, 502)
    assert.deepEqual(connections(one.requests), [0, 0])
    assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [0, 0])
  })

  test('a large body goes again from its file', async () => {
    const body = Buffer.alloc(800_000, 'file ')
    await using one = await startRecorder({ answer: async (x) => { if (x.index === 1) x.reset(); else await keeps(x) } })
    await using gateway = await startPassing({ upstreams: [{ address: one.address, keepalive: 1 }] })
    await gateway.send('GET', '/')
    assert.equal((await gateway.send('PUT', '/', body)).response.statusCode, 200)
    assert.ok(one.requests[2]?.body.equals(body))
  })
})

test('connections of different local addresses are kept apart', async () => {
  await using one = await startRecorder({ answer: keeps })
  await using gateway = await startPassing({
    upstreams: [{ address: one.address, keepalive: 4 }],
    bind: (request) => request.url.slice(1),
  })
  const from = ['127.0.0.2', '127.0.0.3', '127.0.0.2', '127.0.0.3']
  for (const address of from) {
    const { port } = gateway
    assert.equal((await rawRequest({ port }, `GET /${address} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)).statusCode, 200)
  }
  assert.deepEqual(connections(one.requests), [0, 1, 0, 1])
})

test('many requests at once over few connections get each their own reply', async () => {
  await using one = await startRecorder({
    answer: async (x) => {
      const body = await x.body()
      const text = `${x.request.param('REQUEST_URI')} ${body}`
      await x.write(`${KEEP}Content-Length: ${text.length}\r\n\r\n${text}`)
    },
  })
  await using gateway = await startPassing({ upstreams: [{ address: one.address, keepalive: 4 }] })
  await Promise.all(Array.from({ length: 8 }, async (_, n) => {
    await using client = await RawClient.connect(gateway)
    for (let i = 0; i < 25; i++) {
      const body = 'x'.repeat(n * i)
      const { statusCode, body: reply } = await client.request(`POST /${n}/${i} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      assert.deepEqual([statusCode, reply.toString()], [200, `/${n}/${i} ${body}`])
    }
  }))
  assert.ok(one.accepted < 120, `${one.accepted} connections for 200 requests`)
})
