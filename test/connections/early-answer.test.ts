// A server that answers and closes at once, while the request is still on its way: its answer is read before the reset is believed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { tempDir } from '../helpers/temp.ts'
import { testCertificate } from '../helpers/tls-cert.ts'
import { bytes } from '../gateway/kit.ts'

const BODY = Buffer.alloc(3_000_000, 'x')
const TRIES = 15

const HEADS = {
  'Content-Length': 'Status: 401 No\r\nContent-Length: 6\r\n\r\ndenied',
  'no length': 'Status: 401 No\r\n\r\ndenied',
}

for (const transport of ['TCP', 'unix'] as const) {
  for (const [name, head] of Object.entries(HEADS)) {
    test(`SCGI over ${transport}, ${name}`, async () => {
      await using dir = await tempDir()
      const server = net.createServer(socket => {
        socket.on('error', () => {})
        // The first piece is enough, and what comes after it is never read: the kernel resets the connection.
        socket.once('data', () => {
          socket.pause()
          socket.write(head, () => socket.destroy())
        })
      })
      if (transport === 'TCP') server.listen(0, '127.0.0.1')
      else server.listen(dir.socket())
      await once(server, 'listening')
      const address = server.address()
      const upstreams = typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : `unix:${address}`
      {
        await using gateway = await startGateway({ upstreams, requestBuffering: false, bodyLimit: '1g', nextUpstream: false })
        for (let n = 0; n < TRIES; n++) {
          const reply = await rawRequest(gateway, bytes(['POST / HTTP/1.1', 'Host: x', `Content-Length: ${BODY.length}`], BODY))
          assert.deepEqual([reply.statusCode, reply.body.toString(), reply.cut], [401, 'denied', false], `try ${n}`)
        }
      }
      server.close()
    })
  }
}

for (const [scheme, length] of [['http', 'content-length: 6\r\n'], ['http', ''], ['https', 'content-length: 6\r\n']]) {
  test(`an ${scheme} server, ${length === '' ? 'no length' : 'Content-Length'}`, async () => {
    const answer = (socket: net.Socket): void => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.pause()
        socket.write(`HTTP/1.1 401 No\r\n${length}connection: close\r\n\r\ndenied`, () => socket.destroy())
      })
    }
    const server = scheme === 'https' ? tls.createServer(testCertificate, answer) : net.createServer(answer)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    {
      await using gateway = await startGateway({
        upstreams: [{
          address: `${scheme}://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
          ...(scheme === 'https' ? { tls: { ca: testCertificate.cert } } : undefined),
        }],
        requestBuffering: false,
        bodyLimit: '1g',
        nextUpstream: false,
      })
      for (let n = 0; n < TRIES; n++) {
        const reply = await rawRequest(gateway, bytes(['POST / HTTP/1.1', 'Host: x', `Content-Length: ${BODY.length}`], BODY))
        assert.deepEqual([reply.statusCode, reply.body.toString(), reply.cut], [401, 'denied', false], `try ${n}`)
      }
    }
    server.close()
  })
}

test('a server that takes no more and says nothing is an error as ever', async () => {
  const server = net.createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  for (const upstreams of [`127.0.0.1:${port}`, `http://127.0.0.1:${port}`]) {
    await using gateway = await startGateway({ upstreams: [upstreams], requestBuffering: false, bodyLimit: '1g', nextUpstream: false })
    const reply = await rawRequest(gateway, bytes(['POST / HTTP/1.1', 'Host: x', `Content-Length: ${BODY.length}`], BODY))
    assert.equal(reply.statusCode, 502)
  }
  server.close()
})
