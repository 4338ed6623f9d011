// What the cache answers costs nothing that only a server needs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCache } from '../../lib/index.ts'
import { createScgiServer } from '../../lib/server/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { once } from 'node:events'

test('the function of bind is asked for what goes to a server, not for a hit', async () => {
  const server = createScgiServer((_request, response) => response.end('reply')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const asked: string[] = []
  await using gateway = await startGateway({
    upstreams: `127.0.0.1:${address.port}`,
    cache: { zone: createCache({ name: 'hits' }), valid: '1m', statusHeader: 'x-cache-status' },
    bind: request => {
      asked.push(request.url)
      return '127.0.0.1'
    },
  })
  const statuses: (string | null)[] = []
  for (let i = 0; i < 3; i++) {
    const response = await fetch(`${gateway.url}/a`)
    assert.equal(await response.text(), 'reply')
    statuses.push(response.headers.get('x-cache-status'))
  }
  server.close()
  assert.deepEqual(statuses, ['MISS', 'HIT', 'HIT'])
  assert.deepEqual(asked, ['/a'])
})

test('a function of bind that throws is answered as any other failure', async () => {
  await using gateway = await startGateway({
    upstreams: '127.0.0.1:1',
    bind: () => { throw new Error('no address for you') },
    onError: (reply, { error }) => { reply.code(500).send(`hook: ${error.message}`) },
  })
  const response = await fetch(`${gateway.url}/a`)
  assert.equal(response.status, 500)
  assert.equal(await response.text(), 'hook: no address for you')
})
