// What a pass enters in the accounts of its servers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hash } from '../../lib/balancer/hash.ts'
import { leastTime } from '../../lib/balancer/least-time.ts'
import { select } from '../../lib/balancer/select.ts'
import type { Endpoint } from '../../lib/connections/protocol.ts'
import { playedGroup } from '../group/played.ts'
import type { HeldServer, PlayedGroup } from '../group/played.ts'

function server ({ servers }: PlayedGroup, index = 0): HeldServer {
  const found = servers[index]
  assert(found)
  return found
}

test('served, failed, bytes, times, the last error', () => {
  const played = playedGroup([{}, {}])
  const [a, b] = played.group.servers
  played.send()
  server(played).last.reply()
  played.send()
  server(played, 1).last.refuse()
  server(played).last.reply()
  assert.deepEqual([a?.served, a?.failures, a?.bytesSent, a?.bytesReceived, a?.lastError], [2, 0, 200, 20, undefined])
  assert.deepEqual([b?.served, b?.failures, b?.bytesSent, b?.bytesReceived, b?.headerTime], [0, 1, 0, 0, undefined])
  assert.match(b?.lastError?.message ?? '', /refused/)
  assert(a?.headerTime !== undefined && a.responseTime !== undefined && a.responseTime >= a.headerTime)
})

test('a reply that was cut, or whose client went, tells nothing of the time of its last byte', () => {
  for (const end of ['abort', 'error'] as const) {
    const played = playedGroup([{}, {}])
    const request = played.send()
    server(played).last.head(200)
    if (end === 'abort') request.pass.abort()
    else server(played).last.refuse()
    const [a] = played.group.servers
    assert.deepEqual([a?.served, a?.fails, a?.responseTime], [1, 0, undefined])
    assert.notEqual(a?.headerTime, undefined)
    assert.equal(a?.lastError === undefined, end === 'abort')
  }
})

test('failOnStatus: the client gets the reply, the server is blamed', () => {
  const played = playedGroup([{}, {}], { failOnStatus: new Set([200, 503]) })
  const request = played.send()
  server(played).last.head(503)
  assert.equal(played.group.servers[0]?.fails, 0)
  server(played).last.handler.onEnd()
  assert.deepEqual([request.status, request.error, request.attempts.length], [503, undefined, 1])
  assert.deepEqual([played.group.servers[0]?.state, played.group.servers[0]?.failures], ['failed', 1])
  played.send()
  server(played, 1).last.reply(404)
  assert.deepEqual([played.group.servers[1]?.state, played.group.servers[1]?.failures], ['up', 0])
})

test('failOnStatus: also of a status that passes the request on, which would not be a failure else', () => {
  for (const failOnStatus of [undefined, new Set([404])]) {
    const played = playedGroup([{}, {}], { failOnStatus })
    const request = played.send({ on: ['http_404'] })
    server(played).last.head(404)
    server(played, 1).last.reply()
    assert.equal(request.status, 200)
    assert.equal(played.group.servers[0]?.fails, failOnStatus === undefined ? 0 : 1)
  }
})

test('failOnStatus: a client that goes after the head does not change what the head said', () => {
  const played = playedGroup([{}, {}], { failOnStatus: new Set([500]) })
  const request = played.send()
  server(played).last.head(500)
  request.pass.abort()
  assert.equal(played.group.servers[0]?.fails, 1)
})

test('a method sees the request and its client', () => {
  const asked: unknown[] = []
  const method = select<Endpoint>(({ request, clientAddress, servers }) => {
    asked.push([request, clientAddress])
    return servers[1]
  })
  const played = playedGroup([{}, {}], { method })
  played.send({ source: 'the request', clientAddress: '10.0.0.1' })
  assert.deepEqual(asked, [['the request', '10.0.0.1']])
  assert.equal(server(played, 1).exchanges.length, 1)
})

test('a function of the user\'s that throws: its error is the answer, and nobody is blamed', () => {
  const error = new TypeError('no such header')
  const played = playedGroup([{}, {}], { method: hash(() => { throw error }), queue: { size: 1, timeout: 1000 } })
  const request = played.send()
  assert.deepEqual([request.error, request.ended, request.attempts.length], [error, 1, 0])
  request.pass.abort()
  assert.deepEqual(played.group.servers.map(({ active, fails }) => [active, fails]), [[0, 0], [0, 0]])
})

test('least_time with inflight: from the head on the attempt is not in flight', () => {
  const played = playedGroup([{}, {}], { method: leastTime({ time: 'header', inflight: true }) })
  const request = played.send()
  const [a] = played.group.servers
  assert.equal(a?.begunCount, 1)
  server(played).last.head(200)
  assert.deepEqual([a.begunCount, a.begunSum, a.active], [0, 0, 1])
  server(played).last.handler.onEnd()
  assert.deepEqual([a.begunCount, a.active, request.ended], [0, 0, 1])
})
