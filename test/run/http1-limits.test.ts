// Clients of HTTP/1 have the same limits at every server of the gateway.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { test } from 'node:test'
import { serverOf } from '../../lib/run/servers.ts'
import { testCertificate } from '../helpers/tls-cert.ts'

const limits = { headersTimeout: 500, connectionsCheckingInterval: 50 }

for (const [name, secure, http2] of [['http', false, false], ['https', true, false], ['http2', true, true]] as const) {
  test(`limits of HTTP/1 at a server of ${name}`, { timeout: 60_000 }, async () => {
    const server = serverOf(
      { place: { host: '127.0.0.1', port: 0, backlog: 5 }, tls: secure ? testCertificate : undefined, http2 },
      (_request, response) => { response.end('x') },
      { keepAliveTimeout: 1000, requestTimeout: 1500, maxRequestsPerSocket: 7, http: limits }
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    const said = async (request: string): Promise<string> => {
      const options = { port: address.port, host: '127.0.0.1' }
      const socket = secure ? tls.connect({ ...options, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }) : net.connect(options)
      let text = ''
      socket.on('data', piece => { text += String(piece) })
      socket.on('end', () => socket.end())
      socket.write(request)
      await once(socket, 'close')
      return text
    }
    // The server closes each of them.
    const [idle, headers, body] = await Promise.all([
      said('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
      said('GET / HTTP/1.1\r\nHost:'),
      said('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n'),
    ])
    assert.match(idle, /\r\nKeep-Alive: timeout=1, max=7\r\n/)
    assert.match(headers, /^HTTP\/1\.1 408 /)
    assert.match(body, /^HTTP\/1\.1 /)
    server.close()
    await once(server, 'close')
  })
}
