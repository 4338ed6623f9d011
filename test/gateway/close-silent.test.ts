// app.close() does not wait for clients that wait for nothing: connections opened ahead, sessions of HTTP/2, heads that never end.
import assert from 'node:assert/strict'
import dns from 'node:dns'
import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { testCertificate } from '../helpers/tls-cert.ts'
import { eventually } from './kit.ts'
import type { FastifyInstance } from 'fastify'

type Server = 'http' | 'https' | 'http2' | 'http2 with TLS' | 'http2 with TLS and HTTP/1'
type Client = 'TCP' | 'TLS' | 'half a head' | 'HTTP/2' | 'HTTP/2 after a request'

function application (server: Server): FastifyInstance {
  const { key, cert } = testCertificate
  const made: Record<Server, () => unknown> = {
    http: () => Fastify(),
    https: () => Fastify({ https: { key, cert } }),
    http2: () => Fastify({ http2: true }),
    'http2 with TLS': () => Fastify({ http2: true, https: { key, cert } }),
    'http2 with TLS and HTTP/1': () => Fastify({ http2: true, https: { key, cert, allowHTTP1: true } }),
  }
  const app = made[server]()
  assert.ok(isInstance(app))
  return app
}

function isInstance (value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'register' in value
}

/** Connects, and waits until the server knows. */
async function connect (client: Client, port: number, secure: boolean): Promise<{ closed: Promise<unknown> }> {
  if (client === 'HTTP/2' || client === 'HTTP/2 after a request') {
    const session = http2.connect(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`, { ca: testCertificate.cert, servername: 'localhost' })
    const closed = new Promise(resolve => session.once('close', resolve))
    session.on('error', () => {})
    await once(session, 'remoteSettings')
    if (client === 'HTTP/2 after a request') {
      const stream = session.request({ ':path': '/' })
      stream.resume()
      await once(stream, 'close')
    }
    return { closed }
  }
  const socket = client === 'TLS' || (client === 'half a head' && secure)
    ? tls.connect({ port, host: '127.0.0.1', ca: testCertificate.cert, servername: 'localhost' })
    : net.connect(port, '127.0.0.1')
  const closed = new Promise(resolve => socket.once('close', resolve))
  socket.on('error', () => {})
  await once(socket, 'encrypted' in socket ? 'secureConnect' : 'connect')
  if (client === 'half a head') socket.write('GET / HTTP/1.1\r\nHost: ')
  return { closed }
}

const WAYS: readonly [Server, Client][] = [
  ['http', 'TCP'], ['http', 'half a head'],
  ['https', 'TCP'], ['https', 'TLS'], ['https', 'half a head'],
  ['http2', 'TCP'], ['http2', 'HTTP/2'], ['http2', 'HTTP/2 after a request'],
  ['http2 with TLS', 'TCP'], ['http2 with TLS', 'HTTP/2'], ['http2 with TLS', 'HTTP/2 after a request'],
  ['http2 with TLS and HTTP/1', 'TLS'], ['http2 with TLS and HTTP/1', 'HTTP/2'], ['http2 with TLS and HTTP/1', 'half a head'],
]

for (const [server, client] of WAYS) {
  test(`${server}: ${client}`, async () => {
    await using recorder = await startRecorder({ answer: 'Status: 200 OK\r\n\r\nok' })
    const app = application(server)
    const patient = client === 'half a head'
    app.register(scgi, { upstreams: recorder.address, closeTimeout: patient ? 100 : '1h' })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    let accepted = 0
    app.server.on('connection', () => { accepted += 1 })
    const { closed } = await connect(client, Number(new URL(url).port), server.includes('TLS') || server === 'https')
    await eventually(() => accepted === 1, 'the connection is accepted')
    const begun = performance.now()
    await app.close()
    const took = performance.now() - begun
    assert.ok(took < 8000, `${took} ms`)
    await closed
  })
}

test('half a second head on a connection that was kept', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 200 OK\r\nContent-Length: 2\r\n\r\nok' })
  const app = Fastify()
  app.register(scgi, { upstreams: recorder.address, closeTimeout: 100 })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const served = new Promise<net.Socket>(resolve => app.server.once('connection', resolve))
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1')
  const closed = new Promise(resolve => socket.once('close', resolve))
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'data')
  const { bytesRead } = await served
  socket.write('GET / HTTP/1.1\r\nHo')
  const accepted = await served
  await eventually(() => accepted.bytesRead > bytesRead, 'half a head has come')
  const begun = performance.now()
  await app.close()
  const took = performance.now() - begun
  assert.ok(took >= 90 && took < 8000, `${took} ms`)
  await closed
})

for (const client of ['silent', 'half a head'] as const) {
  test(`every address of localhost: ${client}`, async t => {
    // Where localhost has one address only, Fastify has one server.
    const { lookup } = dns
    t.mock.method(dns, 'lookup', (name: string, options: unknown, done: unknown) => {
      if (typeof options === 'object' && options !== null && 'all' in options && typeof done === 'function') {
        done(null, [{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }])
      } else Reflect.apply(lookup, dns, [name, options, done].filter(value => value !== undefined))
    })
    await using recorder = await startRecorder()
    const app = Fastify()
    app.register(scgi, { upstreams: recorder.address, closeTimeout: client === 'silent' ? '1h' : 100 })
    await app.listen({ port: 0, host: 'localhost' })
    const addresses = app.addresses().filter(address => typeof address === 'object')
    assert.equal(addresses.length, 2)
    const closed: Promise<unknown>[] = []
    for (const { address, port } of addresses) {
      const socket = net.connect(port, address)
      closed.push(new Promise(resolve => socket.once('close', resolve)))
      socket.on('error', () => {})
      await once(socket, 'connect')
      if (client === 'half a head') socket.write('GET / HTTP/1.1\r\nHo')
    }
    // Another connection to each is answered: those before it have been accepted.
    for (const { address, port } of addresses) {
      const reply = await fetch(`http://${address.includes(':') ? `[${address}]` : address}:${port}/`, { headers: { connection: 'close' } })
      await reply.arrayBuffer()
    }
    await app.close()
    await Promise.all(closed)
  })
}

test('a request that is under way on another route is not cut', async () => {
  await using recorder = await startRecorder()
  const app = Fastify()
  app.register(scgi, { upstreams: recorder.address, prefix: '/scgi', closeTimeout: 10 })
  let answer: (() => void) | undefined
  app.get('/slow', (_request, reply) => { answer = () => { reply.send('slow') } })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const reply = fetch(`${url}/slow`, { headers: { connection: 'close' } })
  await eventually(() => answer !== undefined, 'it is asked')
  const closing = app.close()
  await eventually(() => !app.server.listening, 'it listens no more')
  await new Promise(resolve => setTimeout(resolve, 50))
  answer?.()
  assert.equal(await (await reply).text(), 'slow')
  await closing
})
