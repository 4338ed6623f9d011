import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createScgiServer } from '../../lib/server/index.ts'
import { encode, listen } from './scgi-client.ts'

const KEEP = { SCGI_KEEPALIVE: '1' }

test('close() waits for the requests under way and closes idle connections', async () => {
  const server = createScgiServer((req, res) => {
    if (req.url === '/idle') res.end('ok')
    else server.once('go', () => res.end('slow'))
  })
  await using listener = await listen(server)
  await using fresh = await listener.connect()
  await using kept = await listener.connect()
  kept.write(encode({ ...KEEP, REQUEST_URI: '/idle' }))
  await kept.next()
  await using busy = await listener.connect()
  busy.write(encode(KEEP))
  await once(server, 'request')
  let closed = false
  const done = new Promise<void>((resolve) => server.close(() => {
    closed = true
    resolve()
  }))
  await Promise.all([fresh.closed, kept.closed])
  assert.equal(closed, false)
  assert.equal(busy.socket.destroyed, false)
  server.emit('go')
  assert.equal((await busy.last()).body.toString(), 'slow')
  await done
})

test('a request that is on its way when close() is called is answered', async () => {
  const server = createScgiServer((_req, res) => { res.end('served') })
  await using listener = await listen(server)
  const accepted = once(server, 'connection')
  await using client = await listener.connect()
  await accepted
  await new Promise<void>((resolve) => client.socket.write(encode(KEEP), () => {
    server.close()
    resolve()
  }))
  assert.equal((await client.last()).body.toString(), 'served')
})

test('closeIdleConnections leaves a request alone that has begun', async () => {
  const server = createScgiServer((_req, res) => { res.end('served') })
  await using listener = await listen(server)
  const accepted = once(server, 'connection')
  await using client = await listener.connect()
  const [socket] = await accepted
  const bytes = encode()
  client.write(bytes.subarray(0, 5))
  await once(socket, 'data')
  const another = once(server, 'connection')
  await using idle = await listener.connect()
  await another
  server.closeIdleConnections()
  await idle.closed
  client.write(bytes.subarray(5))
  assert.equal((await client.last()).body.toString(), 'served')
})

test('closeAllConnections cuts what is under way', async () => {
  const server = createScgiServer((_req, res) => { res.write('a part') })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode())
  await client.until((received) => received.includes('a part'))
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await Promise.all([client.closed, closed])
})

test('a closed server can listen again, and keeps connections again', async () => {
  const server = createScgiServer((_req, res) => { res.end('ok') })
  for (let i = 0; i < 2; i++) {
    await using listener = await listen(server)
    await using client = await listener.connect()
    for (let j = 0; j < 2; j++) {
      client.write(encode(KEEP))
      assert.equal((await client.next()).body.toString(), 'ok')
    }
  }
})

test('close() of a server that does not listen says so', async () => {
  const error = await new Promise((resolve) => createScgiServer().close(resolve))
  assert.ok(error instanceof Error && 'code' in error && error.code === 'ERR_SERVER_NOT_RUNNING')
})
