// What bounds the way from server to server: tries, time, servers that are left, the body, the client.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { startPassing, trail } from '../helpers/passing.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import type { Script } from '../helpers/recorder.ts'

const silent: Script = async (x) => { await x.closed }
const closes: Script = async (x) => { await x.body(); await x.end() }

test('tries: so many attempts in all, 0 is without limit', async () => {
  const servers = [await refusedAddress(), await refusedAddress(), await refusedAddress()]
  await using last = await startRecorder()
  await using gateway = await startPassing([0, 1, 2, 3, 4, 9].map((tries) => ({
    prefix: `/${tries}`,
    upstreams: { name: `g${tries}`, servers: [...servers, last.address] },
    nextUpstream: { tries },
  })))
  for (const tries of [0, 1, 2, 3, 4, 9]) {
    const { response, scgi } = await gateway.send('GET', `/${tries}/`)
    const attempts = tries === 0 || tries > 3 ? 4 : tries
    assert.deepEqual(trail(scgi.attempts), [...servers.map((server) => `${server} 502`), `${last.address} 200`].slice(0, attempts))
    assert.equal(response.statusCode, attempts === 4 ? 200 : 502)
    assert.deepEqual(gateway.servers(`g${tries}`).map(({ fails }) => fails), [0, 1, 2, 3].map((n) => n < attempts && n < 3 ? 1 : 0))
  }
})

test('tries: the 500 of the last attempt is the answer and does not count', async () => {
  await using one = await startRecorder({ answer: 'Status: 500\r\nContent-Length: 3\r\n\r\none' })
  await using two = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [one.address, two.address] },
    nextUpstream: { on: ['http_500'], tries: 1 },
  })
  const { response, scgi } = await gateway.send('GET', '/')
  assert.deepEqual([response.statusCode, response.body.toString()], [500, 'one'])
  assert.equal(scgi.attempts.length, 1)
  assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [0, 0])
})

test('timeout: no further attempt once it has passed, and the one that runs is not cut short', async (t) => {
  await using one = await startRecorder({ answer: silent })
  // Slower than nextUpstream.timeout, faster than readTimeout.
  let answerNow = (): void => {}
  await using two = await startRecorder({
    answer: async (x) => {
      await new Promise<void>((resolve) => { answerNow = resolve })
      await x.end('Content-Length: 4\r\n\r\nslow')
    },
  })
  await using gateway = await startPassing([
    { prefix: '/over', upstreams: { name: 'over', servers: [one.address, two.address] }, readTimeout: 100, nextUpstream: { timeout: 50 } },
    { prefix: '/slow', upstreams: [two.address], nextUpstream: { timeout: 1 } },
    { prefix: '/left', upstreams: { name: 'left', servers: [one.address, await refusedAddress()] }, readTimeout: 60, nextUpstream: { timeout: 60000 } },
  ])
  const over = await gateway.send('GET', '/over/')
  assert.equal(over.response.statusCode, 504)
  assert.deepEqual(trail(over.scgi.attempts), [`${one.address} 504`])
  assert.deepEqual(gateway.servers('over').map(({ fails }) => fails), [1, 0])

  let time = performance.now()
  t.mock.method(performance, 'now', () => time)
  const slow = gateway.send('GET', '/slow/')
  await two.received(1)
  time += 20
  answerNow()
  assert.equal((await slow).response.body.toString(), 'slow')

  const left = await gateway.send('GET', '/left/')
  assert.equal(left.response.statusCode, 502)
  assert.equal(left.scgi.attempts.length, 2)
})

test('timeout: a listed status is the answer once it has passed', async (t) => {
  let time = performance.now()
  t.mock.method(performance, 'now', () => time)
  let answerNow = (): void => {}
  await using one = await startRecorder({
    answer: async (x) => {
      await new Promise<void>((resolve) => { answerNow = resolve })
      await x.end('Status: 503\r\nContent-Length: 3\r\n\r\none')
    },
  })
  await using two = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [one.address, two.address] },
    nextUpstream: { on: ['http_503'], timeout: 10 },
  })
  const sent = gateway.send('GET', '/')
  await one.received(1)
  time += 10
  answerNow()
  const { response, scgi } = await sent
  assert.deepEqual([response.statusCode, response.body.toString(), scgi.attempts.length], [503, 'one', 1])
  assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [0, 0])
})

test('no live upstreams: one more entry with the name of the group, and a 504 becomes 502', async () => {
  await using one = await startRecorder({ answer: silent })
  const refused = await refusedAddress()
  await using gateway = await startPassing({
    upstreams: { name: 'shop', servers: [{ address: one.address, maxFails: 0 }, refused] },
    readTimeout: 80,
    nextUpstream: ['timeout'],
  })
  // The refused server goes out with the second request; the silent one never does.
  const first = await gateway.send('GET', '/1')
  assert.deepEqual(trail(first.scgi.attempts), [`${one.address} 504`, `${refused} 502`])
  const second = await gateway.send('GET', '/2')
  assert.equal(second.response.statusCode, 502)
  assert.equal(second.error?.code, 'FST_SCGI_NO_LIVE_UPSTREAMS')
  assert.match(second.error?.message ?? '', /No live upstreams in shop/)
  assert.deepEqual(trail(second.scgi.attempts), [`${one.address} 504`, 'shop 502'])
  assert.equal(second.scgi.upstreamAddr, `${one.address}, shop`)
  assert.equal(second.scgi.upstreamStatus, '504, 502')
  assert.match(second.scgi.upstreamConnectTime ?? '', /^0\.\d{3}, -$/)
  assert.match(second.scgi.upstreamHeaderTime ?? '', /^-, -$/)
  assert.match(second.scgi.upstreamResponseTime ?? '', /^0\.\d{3}, 0\.000$/)
  assert.match(second.scgi.upstreamBytesSent ?? '', /^\d+, 0$/)
  assert.equal(second.scgi.upstreamBytesReceived, '0, 0')
  assert.equal(second.scgi.upstreamResponseLength, '0, 0')
})

test('no live upstreams: without any attempt before, the group is the only entry', async () => {
  const servers = [await refusedAddress(), await refusedAddress()]
  await using gateway = await startPassing({ upstreams: { name: 'shop', servers } })
  const first = await gateway.send('GET', '/')
  assert.deepEqual(trail(first.scgi.attempts), servers.map((server) => `${server} 502`))
  const second = await gateway.send('GET', '/')
  assert.equal(second.response.statusCode, 502)
  assert.deepEqual(trail(second.scgi.attempts), ['shop 502'])
})

test('a server that is alone is tried once, and failures never take it out', async () => {
  const refused = await refusedAddress()
  await using gateway = await startPassing([
    { prefix: '/one', upstreams: { name: 'one', servers: [{ address: refused, maxFails: 1 }] } },
    { prefix: '/two', upstreams: { name: 'two', servers: [refused, { address: refused, down: true }] } },
  ])
  for (let i = 0; i < 3; i++) {
    const { response, scgi } = await gateway.send('POST', '/one/', 'x')
    assert.equal(response.statusCode, 502)
    assert.deepEqual(trail(scgi.attempts), [`${refused} 502`])
  }
  assert.equal(gateway.servers('one')[0]?.fails, 0)
  // A second server that is down still makes it a group, in which failures count.
  assert.deepEqual(trail((await gateway.send('GET', '/two/')).scgi.attempts), [`${refused} 502`])
  assert.deepEqual(trail((await gateway.send('GET', '/two/')).scgi.attempts), ['two 502'])
})

test('what fails after the head is neither tried again nor counted', async () => {
  const broken: Script[] = [
    (x) => x.end('Content-Length: 10\r\n\r\nshort'),
    async (x) => { await x.writeEach(['Content-Length: 10\r\n\r\nsho']); x.reset() },
    (x) => x.end('Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz'),
    async (x) => { await x.write('Content-Length: 10\r\n\r\nsho'); await x.closed },
  ]
  for (const answer of broken) {
    await using one = await startRecorder({ answer })
    await using two = await startRecorder()
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, two.address] }, readTimeout: 250 })
    const { response, scgi } = await gateway.send('GET', '/')
    assert.equal(response.statusCode, 200)
    assert.equal(response.cut, true, 'the client sees a connection that breaks off')
    assert.deepEqual(trail(scgi.attempts), [`${one.address} 200`])
    assert.deepEqual(gateway.servers('g').map(({ fails, active }) => [fails, active]), [[0, 0], [0, 0]])
    assert.equal(two.requests.length, 0)
  }
})

test('a client that has gone is not served by another server', async () => {
  await using one = await startRecorder({ answer: silent })
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, two.address] } })
  const client = await RawClient.connect(gateway)
  await client.write('GET /gone HTTP/1.1\r\nHost: a\r\n\r\n')
  await one.received(1)
  client.destroy()
  const { scgi } = await gateway.finished('/gone')
  await one.idle()
  assert.deepEqual(trail(scgi.attempts), [`${one.address} -`])
  assert.equal(two.accepted, 0)
  assert.deepEqual(gateway.servers('g').map(({ fails, active }) => [fails, active]), [[0, 0], [0, 0]])
})

for (const [size, where] of [[1000, 'memory'], [20_000, 'memory and file'], [3_000_000, 'the file']] as const) {
  test(`a body of ${size} bytes is sent again from ${where}, to a third server too`, async () => {
    const body = randomBytes(size)
    await using one = await startRecorder({ answer: closes })
    // It takes a part of the body only: what is left of that sending must not get into the next.
    await using two = await startRecorder({ answer: async (x) => { x.pause(); x.reset() } })
    await using three = await startRecorder()
    await using gateway = await startPassing({ upstreams: [one.address, two.address, three.address], bodyLimit: 1 << 22 })
    const { response, scgi } = await gateway.send('PUT', '/', body)
    assert.equal(response.statusCode, 200)
    assert.deepEqual(trail(scgi.attempts), [`${one.address} 502`, `${two.address} 502`, `${three.address} 200`])
    assert.ok(one.requests[0]?.body.equals(body))
    assert.ok(three.requests[0]?.body.equals(body))
    assert.equal(three.requests[0]?.param('CONTENT_LENGTH'), String(size))
  })
}

test('a chunked body is collected and sent again', async () => {
  await using one = await startRecorder({ answer: closes })
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: [one.address, two.address], requestBuffering: false })
  await using client = await RawClient.connect(gateway)
  const response = await client.request('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n')
  assert.equal(response.statusCode, 200)
  assert.equal(one.requests[0]?.body.toString(), 'abcdefg')
  assert.equal(two.requests[0]?.body.toString(), 'abcdefg')
})

test('requestBuffering off: a body that is streamed is sent once', async () => {
  await using one = await startRecorder({ answer: async (x) => { x.reset() } })
  await using two = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [one.address, two.address] }, requestBuffering: false, nextUpstream: ['error', 'non_idempotent'],
  })
  await using client = await RawClient.connect(gateway)
  client.expect('PUT')
  await client.write('PUT /s HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\nbegin')
  const response = await client.response()
  assert.equal(response.statusCode, 502)
  const { scgi } = await gateway.finished('/s')
  assert.deepEqual(trail(scgi.attempts), [`${one.address} 502`])
  assert.equal(two.accepted, 0)
  assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [1, 0])
})

test('requestBuffering off: a listed status is the answer once the body is being streamed', async () => {
  await using one = await startRecorder({ answer: async (x) => { await x.body(); await x.end('Status: 503\r\nContent-Length: 3\r\n\r\none') } })
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: [one.address, two.address], requestBuffering: false, nextUpstream: ['http_503'] })
  await using client = await RawClient.connect(gateway)
  client.expect('PUT')
  await client.write('PUT /s HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nbeg')
  while (one.requests[0]?.bodyLength !== 3) await new Promise((resolve) => setImmediate(resolve))
  await client.write('end')
  const response = await client.response()
  assert.deepEqual([response.statusCode, response.body.toString()], [503, 'one'])
  assert.equal(two.accepted, 0)
})

test('requestBuffering off: a connection that fails costs the body nothing', async () => {
  const refused = await refusedAddress()
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: [refused, two.address], requestBuffering: false })
  await using client = await RawClient.connect(gateway)
  client.expect('POST')
  const body = randomBytes(200_000)
  await client.write('POST /s HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n')
  await client.write(body.subarray(0, 100_000))
  while (two.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await client.write(body.subarray(100_000))
  assert.equal((await client.response()).statusCode, 200)
  const { scgi } = await gateway.finished('/s')
  assert.deepEqual(trail(scgi.attempts), [`${refused} 502`, `${two.address} 200`])
  assert.ok(two.requests[0]?.body.equals(body))
})

test('requestBuffering off: a small body that came with the head is as good as collected', async () => {
  await using one = await startRecorder({ answer: closes })
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: [one.address, two.address], requestBuffering: false })
  const { response, scgi } = await gateway.send('PUT', '/s', 'small body')
  assert.equal(response.statusCode, 200)
  assert.deepEqual(trail(scgi.attempts), [`${one.address} 502`, `${two.address} 200`])
  assert.equal(one.requests[0]?.body.toString(), 'small body')
  assert.equal(two.requests[0]?.body.toString(), 'small body')
})
