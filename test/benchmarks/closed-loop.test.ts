// The generator of the closed loop, as a program: each request that it sent is counted, those under way at the end too.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { test } from 'node:test'
import { closedLoop, runLoad } from '../../benchmarks/load/load.ts'

test('replies under way at the end of a round are waited for, and count', async () => {
  let served = 0
  let begun = false
  const held: ServerResponse[] = []
  const server = createServer((request, response) => {
    served++
    // The first reply on each connection opens it. The others come later than the round ends.
    if (!begun) {
      response.end('x')
      return
    }
    held.push(response)
    if (held.length === 8) setTimeout(() => { for (const one of held) one.end('x') }, 1500)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  try {
    const { requests, errors, seconds } = await runLoad(closedLoop, `http://127.0.0.1:${address.port}/`, {
      seconds: 1, connections: 8, core: undefined, headers: {},
    }, () => { begun = true })
    assert.deepEqual(Object.entries(errors).filter(([, count]) => count > 0), [])
    assert.equal(served, 16)
    assert.equal(requests, 8)
    assert.ok(seconds > 1.4, `${seconds} s`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
