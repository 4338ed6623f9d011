// How a request goes on after a status of the application: one test a cell of nginx's table.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { startPassing, trail } from '../helpers/passing.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { headerValue } from '../helpers/http-response.ts'
import type { NextUpstreamCondition } from '../../types/index.ts'

const METHODS = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'POST', 'PATCH', 'LOCK']
/** Methods that are not sent twice. */
const ONCE = new Set(['POST', 'PATCH', 'LOCK'])

const STATUSES: { status: number, condition: NextUpstreamCondition, counts: boolean }[] = [
  { status: 500, condition: 'http_500', counts: true },
  { status: 503, condition: 'http_503', counts: true },
  { status: 429, condition: 'http_429', counts: true },
  { status: 403, condition: 'http_403', counts: false },
  { status: 404, condition: 'http_404', counts: false },
]
const CONDITIONS = STATUSES.map(({ condition }) => condition)

for (const { status, condition, counts } of STATUSES) {
  describe(condition, { concurrency: 8 }, async () => {
    const bad = await startRecorder({
      answer: async (x) => { await x.body(); await x.end(`Status: ${status} No\r\nX-Server: bad\r\nContent-Length: 3\r\n\r\nbad`) },
    })
    const good = await startRecorder({ answer: async (x) => { await x.body(); await x.end('X-Server: good\r\nContent-Length: 4\r\n\r\ngood') } })
    const rules = [true, false].flatMap((listed) => [true, false].map((nonIdempotent) => {
      const on: NextUpstreamCondition[] = listed ? [condition] : ['error', 'timeout', ...CONDITIONS.filter((other) => other !== condition)]
      if (nonIdempotent) on.push('non_idempotent')
      return { listed, nonIdempotent, on, path: `/${listed}-${nonIdempotent}` }
    }))
    // Each cell has a group of its own, whose first turn is the failing server's.
    const cells = rules.flatMap((rule) => METHODS.map((method) => {
      return { ...rule, method, group: createUpstreams([bad.address, good.address]) }
    }))
    const gateway = await startPassing(rules.map(({ path, on }) => ({
      prefix: path,
      upstreams: (request) => cells.find((cell) => cell.path === path && cell.method === request.method)?.group ?? '',
      nextUpstream: on,
    })))
    after(async () => {
      await gateway.close()
      await Promise.all([bad.close(), good.close()])
    })

    for (const { method, listed, nonIdempotent, path, group } of cells) {
      const goesOn = listed && (nonIdempotent || !ONCE.has(method))
      test(`${method}, ${listed ? 'listed' : 'not listed'}${nonIdempotent ? ', non_idempotent' : ''}: ${goesOn ? 'next server' : status}`, async () => {
        const body = ['PUT', 'POST', 'PATCH', 'LOCK'].includes(method) ? `body of ${method}` : ''
        const { response, scgi, error } = await gateway.send(method, `${path}/${method}`, body)
        const [failed, served] = group.servers
        // What is not passed on is the application's answer, as it wrote it.
        assert.equal(response.statusCode, goesOn ? 200 : status)
        assert.equal(headerValue(response, 'x-server'), goesOn ? 'good' : 'bad')
        assert.equal(response.body.toString(), method === 'HEAD' ? '' : goesOn ? 'good' : 'bad')
        assert.equal(error, undefined)
        assert.deepEqual(trail(scgi.attempts), goesOn ? [`${bad.address} ${status}`, `${good.address} 200`] : [`${bad.address} ${status}`])
        assert.equal(failed?.fails, goesOn && counts ? 1 : 0)
        assert.equal(served?.fails, 0)
        assert.deepEqual([failed?.active, served?.active], [0, 0])
        const arrived = good.requests.filter((request) => request.param('REQUEST_URI') === `${path}/${method}`)
        assert.equal(arrived.length, goesOn ? 1 : 0)
        if (goesOn) assert.equal(arrived[0]?.body.toString(), body)
      })
    }
  })
}

test('statuses that have no condition are the answer, even with every condition listed', async () => {
  const on: NextUpstreamCondition[] = ['error', 'timeout', 'invalid_header', ...CONDITIONS, 'non_idempotent']
  await using one = await startRecorder({ answer: (x) => x.end(`Status: ${x.request.param('QUERY_STRING')}\r\nContent-Length: 0\r\n\r\n`) })
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, two.address] }, nextUpstream: on })
  for (const status of [501, 502, 504, 400, 401, 418]) {
    // Each second request is the other server's turn.
    const sent = [await gateway.send('GET', `/?${status}`), await gateway.send('GET', `/?${status}`)]
    assert.deepEqual(sent.map(({ response }) => response.statusCode), [status, 200])
    assert.deepEqual(sent.map(({ scgi }) => scgi.attempts.length), [1, 1])
  }
  assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [0, 0])
})

test('the last server\'s 500 is the answer, and is not counted', async () => {
  const answer = 'Status: 500 Broken\r\nX-Server: last\r\nContent-Length: 4\r\n\r\nlast'
  await using one = await startRecorder({ answer })
  await using two = await startRecorder({ answer })
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, two.address] }, nextUpstream: ['http_500'] })
  const { response, scgi } = await gateway.send('GET', '/')
  assert.deepEqual([response.statusCode, response.reason, response.body.toString()], [500, 'Broken', 'last'])
  assert.deepEqual(trail(scgi.attempts), [`${one.address} 500`, `${two.address} 500`])
  assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [1, 0])
})

test('the 500 of a server that is alone is the answer, whatever is listed', async () => {
  await using one = await startRecorder({ answer: 'Status: 500\r\nContent-Length: 3\r\n\r\none' })
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address] }, nextUpstream: ['http_500'] })
  for (let i = 0; i < 2; i++) {
    const { response, scgi } = await gateway.send('GET', '/')
    assert.deepEqual([response.statusCode, response.body.toString()], [500, 'one'])
    assert.deepEqual(trail(scgi.attempts), [`${one.address} 500`])
  }
  assert.equal(gateway.servers('g')[0]?.fails, 0)
})

test('a listed status goes on to no live upstream where the other servers are out: 502', async () => {
  await using one = await startRecorder({ answer: 'Status: 503\r\nContent-Length: 3\r\n\r\none' })
  const refused = await refusedAddress()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [refused, { address: one.address, maxFails: 0 }] },
    nextUpstream: ['http_503'],
  })
  // The first request takes the refused server out. `error` is not listed, so it ends there.
  const first = await gateway.send('GET', '/')
  assert.deepEqual(trail(first.scgi.attempts), [`${refused} 502`])
  const second = await gateway.send('GET', '/')
  assert.equal(second.response.statusCode, 502)
  assert.deepEqual(trail(second.scgi.attempts), [`${one.address} 503`, 'g 502'])
  assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [1, 1])
})

test('the body of a reply that is not taken is not read to its end: the connection is closed', async () => {
  const closed: Promise<void>[] = []
  await using one = await startRecorder({
    answer: async (x) => {
      closed.push(x.closed)
      await x.write('Status: 500\r\n\r\n')
      await x.closed
    },
  })
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: [one.address, two.address], nextUpstream: ['http_500'] })
  const { response } = await gateway.send('GET', '/')
  assert.equal(response.statusCode, 200)
  await Promise.all(closed)
})
