// What counts the instructions of a request: the file of callgrind, and the client that sends a given number of requests.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { readCount } from '../../benchmarks/lib/callgrind.ts'
import { Client } from '../../benchmarks/load/client.ts'

test('the sum in a file of callgrind', () => {
  assert.equal(readCount('# callgrind format\nversion: 1\nevents: Ir\nsummary: 123456789012\n\nfn=(1) main\n1 20\n\ntotals: 123456789012\n'), 123456789012)
  assert.equal(readCount('events: Ir\nfn=(1) main\n1 20\ntotals: 20\n'), 20)
  assert.throws(() => readCount('events: Ir\nfn=(1) summary: 3\n'), /has no sum/)
})

test('the client sends as many requests as it is told, and fails where one fails', async () => {
  let served = 0
  const server = createServer((request, response) => {
    served++
    if (request.url === '/lost') request.socket.destroy()
    response.statusCode = request.url === '/none' ? 404 : 200
    response.end('hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  try {
    for (const [connections, total] of [[4, 103], [4, 3], [1, 2]] as const) {
      using client = new Client(address.port, connections)
      await client.open()
      served = 0
      await client.send('/', total)
      await client.send('/', total)
      assert.equal(served, 2 * total)
    }
    for (const [path, message] of [['/none', /status 404 for \/none/], ['/lost', /a connection was lost at \/lost/]] as const) {
      using client = new Client(address.port, 2)
      await client.open()
      await assert.rejects(client.send(path, 10), message)
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
