// The generator of the open loop, as a program: what waits behind a server that pauses counts as slow, and no request is left out.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { test } from 'node:test'
import { openLoop, runLoad } from '../../benchmarks/load/load.ts'

const pause = 600

test('requests that were due while the server paused are counted from when they were due', async () => {
  let served = 0
  let held: ServerResponse[] | undefined
  const server = createServer((request, response) => {
    served++
    if (served === 30) {
      held = []
      setTimeout(() => {
        for (const one of held ?? []) one.end('x')
        held = undefined
      }, pause)
    }
    if (held === undefined) response.end('x')
    else held.push(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  try {
    const { requests, p50, p99, errors } = await runLoad(openLoop, `http://127.0.0.1:${address.port}/`, {
      seconds: 1, connections: 4, rate: 200, core: undefined, headers: {},
    })
    assert.deepEqual(Object.entries(errors).filter(([, count]) => count > 0), [])
    assert.ok(requests >= 199 && requests <= 201, `${requests} requests`)
    assert.ok(p99 > 0.9 * pause, `p99 ${p99}`)
    // A closed loop would have seen four slow replies, one on each connection; here more than half of the requests were due meanwhile.
    assert.ok(p50 > 50, `p50 ${p50}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
