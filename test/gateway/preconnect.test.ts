// Connections opened ahead of the requests.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startPassing, trail, turnsUntil } from '../helpers/passing.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { Recorder } from '../helpers/recorder.ts'

function connections ({ requests }: Recorder): number[] {
  return requests.map(({ connection }) => connection)
}

/** Waits for the recorder to have accepted so many in all. */
async function accepted (recorder: Recorder, count: number): Promise<void> {
  await turnsUntil(() => recorder.accepted === count, `${count} connections, there are ${recorder.accepted}`)
}

// One of them waits for two seconds.
describe('preconnect', { concurrency: 3 }, () => {
  for (const listen of ['tcp', 'unix'] as const) {
    test(`so many stand ready after the first request, and one that is used is replaced (${listen})`, async () => {
      await using dir = await tempDir()
      await using one = await startRecorder({ listen: listen === 'tcp' ? 'tcp' : { path: dir.socket() } })
      await using gateway = await startPassing({ upstreams: [{ address: one.address, preconnect: 3 }] })
      assert.equal(one.accepted, 0, 'none before the first request')
      await gateway.send('GET', '/')
      await accepted(one, 4)
      for (let i = 0; i < 5; i++) {
        const before = one.accepted
        const { response, scgi } = await gateway.send('POST', '/', `body ${i}`)
        assert.equal(response.statusCode, 200)
        assert.ok((one.requests.at(-1)?.connection ?? Infinity) < before, 'it went over a connection that stood')
        assert.equal(scgi.attempts[0]?.bytesSent, one.requests.at(-1)?.raw.length)
        await accepted(one, before + 1)
      }
      await turnsUntil(() => one.open === 3, 'three idle connections')
      assert.equal(new Set(connections(one)).size, 6, 'none is used twice')
      assert.equal(one.requests[0]?.param('SCGI_KEEPALIVE'), undefined)
    })
  }

  test('together with keepalive a kept connection goes first', async () => {
    await using one = await startRecorder({ answer: (x) => x.write('SCGI-Keepalive: 1\r\nContent-Length: 2\r\n\r\nok') })
    await using gateway = await startPassing({ upstreams: [{ address: one.address, preconnect: 1, keepalive: 1 }] })
    for (let i = 0; i < 3; i++) {
      await gateway.send('GET', '/')
      await accepted(one, 2)
    }
    assert.deepEqual(connections(one), [0, 0, 0])
  })

  test('they are closed after two seconds, and the next request opens new ones', async () => {
    await using one = await startRecorder()
    await using gateway = await startPassing({ upstreams: [{ address: one.address, preconnect: 2 }] })
    await gateway.send('GET', '/')
    await accepted(one, 3)
    const begun = performance.now()
    await one.idle()
    const age = performance.now() - begun
    assert.ok(age > 1800 && age < 4000, `${age} ms`)
    await gateway.send('GET', '/')
    assert.deepEqual(connections(one), [0, 3])
    await accepted(one, 6)
  })

  test('app.close() closes them', async () => {
    await using one = await startRecorder()
    const gateway = await startPassing({ upstreams: [{ address: one.address, preconnect: 2 }] })
    await gateway.send('GET', '/')
    await accepted(one, 3)
    await gateway.close()
    await one.idle()
  })

  test('one that the server has closed is not used', async () => {
    await using one = await startRecorder()
    await using gateway = await startPassing({ upstreams: [{ address: one.address, preconnect: 2 }] })
    one.accept = (connection) => connection === 1 || connection === 2 ? 'close' : 'serve'
    await gateway.send('GET', '/')
    await accepted(one, 3)
    await one.idle()
    await gateway.send('GET', '/')
    assert.deepEqual(connections(one), [0, 3])
  })

  describe('one that dies under its request', () => {
    for (const [method, status] of [['GET', 200], ['PUT', 200], ['POST', 502]] as const) {
      test(`${method}: ${status === 200 ? 'it is replaced, without a try and without a failure' : '502, without a failure'}`, async () => {
        await using one = await startRecorder({ answer: async (x) => { await x.body(); if (x.index === 1) x.reset(); else await x.end('Content-Length: 2\r\n\r\nok') } })
        await using gateway = await startPassing({ upstreams: { name: 'g', servers: [{ address: one.address, preconnect: 1 }, { address: one.address, backup: true }] } })
        await gateway.send('GET', '/')
        await accepted(one, 2)
        const { response, scgi } = await gateway.send(method, '/', method === 'GET' ? '' : 'the body')
        assert.equal(response.statusCode, status)
        assert.deepEqual(trail(scgi.attempts), [`${one.address} ${status}`])
        assert.deepEqual(gateway.servers('g').map(({ fails }) => fails), [0, 0])
        // The replacement is a connection of its own, not another of those that stand.
        assert.equal(one.requests.length, status === 200 ? 3 : 2)
        if (status === 200) assert.equal(one.requests[2]?.body.toString(), method === 'GET' ? '' : 'the body')
      })
    }
  })
})
