// Clients of HTTP/2 have connectionTimeout beside keepAliveTimeout: one ends what stalls, the other what is idle.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2, { constants } from 'node:http2'
import type { ServerResponse } from 'node:http'
import tls from 'node:tls'
import { test } from 'node:test'
import { serverOf, type ServerSettings } from '../../lib/run/servers.ts'
import { testCertificate } from '../helpers/tls-cert.ts'

interface Running extends AsyncDisposable {
  readonly port: number
  readonly responses: ServerResponse[]
}

/** It answers nothing by itself. */
async function serve (settings: ServerSettings, secure: boolean): Promise<Running> {
  const responses: ServerResponse[] = []
  const server = serverOf({ place: { host: '127.0.0.1', port: 0, backlog: 5 }, tls: secure ? testCertificate : undefined, http2: true },
    (_request, response) => { responses.push(response) }, settings)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { port: address.port, responses, async [Symbol.asyncDispose] () { await new Promise(resolve => server.close(resolve)) } }
}

for (const secure of [true, false]) {
  for (const [settings, request] of [
    [{ keepAliveTimeout: 72_000, connectionTimeout: 100 }, true],
    [{ keepAliveTimeout: 72_000, connectionTimeout: 100 }, false],
    [{ keepAliveTimeout: 0, connectionTimeout: 100 }, true],
    [{ keepAliveTimeout: 50, connectionTimeout: 100 }, true],
    [{ keepAliveTimeout: 50, connectionTimeout: 0 }, false],
  ] as const) {
    const what = request ? 'a request that nothing is heard of' : 'a client without a request'
    test(`${secure ? 'https' : 'http'}: ${what} ends by ${JSON.stringify(settings)}`, { timeout: 30_000 }, async () => {
      await using server = await serve(settings, secure)
      const client = http2.connect(`${secure ? 'https' : 'http'}://127.0.0.1:${server.port}`, { rejectUnauthorized: false })
      client.on('error', () => {})
      const closed = once(client, 'close')
      await once(client, 'connect')
      if (request) client.request({ ':path': '/' }).on('error', () => {}).end()
      await closed
    })
  }

  test(`${secure ? 'https' : 'http'}: half a reply does not look like a whole one when connectionTimeout ends it`, { timeout: 30_000 }, async () => {
    await using server = await serve({ keepAliveTimeout: 72_000, connectionTimeout: 200 }, secure)
    const client = http2.connect(`${secure ? 'https' : 'http'}://127.0.0.1:${server.port}`, { rejectUnauthorized: false })
    client.on('error', () => {})
    const stream = client.request({ ':path': '/' })
    const closed = new Promise<void>(resolve => { stream.on('error', () => {}).once('close', resolve) })
    const begun = once(stream, 'data')
    stream.end()
    await once(client, 'remoteSettings')
    while (server.responses.length === 0) await new Promise(resolve => setImmediate(resolve))
    server.responses[0]?.write('half')
    await begun
    await closed
    assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
    client.destroy()
  })

  test(`${secure ? 'https' : 'http'}: keepAliveTimeout lets a request finish, also before a longer connectionTimeout`, { timeout: 30_000 }, async () => {
    for (const connectionTimeout of [0, 20_000]) {
      await using server = await serve({ keepAliveTimeout: 300, connectionTimeout }, secure)
      const client = http2.connect(`${secure ? 'https' : 'http'}://127.0.0.1:${server.port}`, { rejectUnauthorized: false })
      const closed = once(client, 'close')
      const stream = client.request({ ':path': '/' })
      stream.resume().end()
      const headers = once(stream, 'response')
      await once(client, 'goaway')
      server.responses[0]?.end('late')
      const [{ ':status': status }] = await headers
      assert.equal(status, 200)
      await closed
    }
  })
}

test('a client of HTTP/1 at a server of HTTP/2 has connectionTimeout, too', { timeout: 30_000 }, async () => {
  await using server = await serve({ keepAliveTimeout: 72_000, connectionTimeout: 100 }, true)
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
  const closed = once(socket.on('error', () => {}).resume(), 'close')
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await closed
})
