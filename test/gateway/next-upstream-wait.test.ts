// nextUpstream.wait: requests are held while no server can be had.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { startPassing, trail, type PassingGateway } from '../helpers/passing.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { freePort } from '../helpers/ready.ts'
import { Recorder, startRecorder } from '../helpers/recorder.ts'
import type { FastifyScgiOptions, NextUpstreamOptions } from '../../types/index.ts'

/** A gateway, and what is fulfilled when a first request has come to it and found no server. */
async function startHolding (options: FastifyScgiOptions): Promise<PassingGateway & { tried: Promise<void> }> {
  let come = (): void => {}
  const tried = new Promise<void>(resolve => { come = resolve })
  const gateway = await startPassing({ preHandler: (_request, _reply, done) => { come(); done() }, ...options })
  return Object.assign(gateway, { tried: tried.then(() => nextTurn()) })
}

for (const method of ['GET', 'POST']) {
  test(`an only server that restarts: ${method} waits for it`, async () => {
    const port = await freePort()
    await using gateway = await startHolding({ upstreams: `127.0.0.1:${port}`, nextUpstream: { wait: '20s', interval: '20ms' } })
    const sent = gateway.send(method, '/', method === 'POST' ? 'a=b' : undefined)
    await gateway.tried
    await using recorder = await startRecorder({ listen: { host: '127.0.0.1', port } })
    const { response, scgi } = await sent
    assert.equal(response.statusCode, 200)
    assert.deepEqual(trail(scgi.attempts).at(-1), `127.0.0.1:${port} 200`)
    assert.equal(recorder.requests.length, 1)
  })
}

test('a server that is out by an edit, by its session or by its load counts as none', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startHolding({ upstreams: { name: 'g', servers: [recorder.address] }, nextUpstream: { on: [], wait: '20s', interval: 10 } })
  const group = gateway.app.scgi.groups.get('g')
  group?.disable(recorder.address)
  const sent = gateway.send('GET', '/')
  await gateway.tried
  assert.equal(recorder.requests.length, 0)
  group?.enable(recorder.address)
  const { response, scgi } = await sent
  assert.deepEqual([response.statusCode, trail(scgi.attempts)], [200, [`${recorder.address} 200`]])
})

test('the wait has an end, with the last error; tries and timeout bound it, too', async () => {
  const address = `127.0.0.1:${await freePort()}`
  const cases: [NextUpstreamOptions, [number, number]][] = [
    [{ wait: 150, interval: 20 }, [3, 9]], [{ wait: '20s', interval: 1, tries: 3 }, [3, 3]], [{ wait: '20s', interval: 1, timeout: 100 }, [2, 101]],
    [{ wait: 0 }, [1, 1]], [{ on: [], wait: '20s' }, [1, 1]],
  ]
  for (const [nextUpstream, attempts] of cases) {
    await using gateway = await startPassing({ upstreams: address, nextUpstream })
    const { response, error, scgi } = await gateway.send('GET', '/')
    assert.deepEqual([response.statusCode, error?.code], [502, 'FST_SCGI_CONNECT'])
    assert.ok(scgi.attempts.length >= attempts[0] && scgi.attempts.length <= attempts[1], `${JSON.stringify(nextUpstream)}: ${scgi.attempts.length}`)
  }
})

test('a request that may not be sent twice is not held', async () => {
  await using recorder = await startRecorder({ answer: '' })
  await using gateway = await startPassing({ upstreams: recorder.address, nextUpstream: { wait: '20s', interval: 5 } })
  assert.equal((await gateway.send('POST', '/', 'a=b')).response.statusCode, 502)
  assert.equal(recorder.requests.length, 1)
})

test('a client that leaves is waited for no longer', async () => {
  const port = await freePort()
  await using gateway = await startHolding({ upstreams: `127.0.0.1:${port}`, nextUpstream: { wait: '20s', interval: 10 } })
  const over = gateway.finished('/')
  const client = await RawClient.connect({ host: '127.0.0.1', port: gateway.port })
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await gateway.tried
  client.destroy()
  const { scgi } = await over
  const { length } = scgi.attempts
  await using recorder: Recorder = await startRecorder({ listen: { host: '127.0.0.1', port } })
  await gateway.send('GET', '/other')
  assert.deepEqual([scgi.attempts.length, recorder.requests.length], [length, 1])
})

test('without wait an interval has no meaning', async () => {
  await assert.rejects(startPassing({ upstreams: '127.0.0.1:1', nextUpstream: { interval: 5 } }), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
})
