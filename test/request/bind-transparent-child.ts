// Run by bind-transparent.test.ts as a process of its own, in a network of its own that has all addresses of 203.0.113.0/24 and 2001:db8::/32
// routed to it but to no interface: from there only a transparent socket can be bound. Tells what the servers saw.
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify from 'fastify'
import scgi, { ScgiClient } from '../../lib/index.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { refusedAddress, startRecorder, type Recorder, type Script } from '../helpers/recorder.ts'
import { testCertificate } from '../helpers/tls-cert.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const ADDRESS = '203.0.113.7'
const ADDRESS6 = '2001:db8::7'
const TRANSPARENT = { address: ADDRESS, transparent: true }

/** Answers with the address that the connection came from, and the number of the request on it. */
const counts = new WeakMap<object, number>()
const whence: Script = async x => {
  await x.body()
  const count = (counts.get(x.socket) ?? 0) + 1
  counts.set(x.socket, count)
  const text = `${x.socket.remoteAddress} #${count}`
  await x.write(`SCGI-Keepalive: 1\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
}
const whenceHttp: RequestListener = (request, response) => {
  const { socket } = request
  const count = (counts.get(socket) ?? 0) + 1
  counts.set(socket, count)
  response.end(`${socket.remoteAddress} #${count}`)
}

function portOf (server: Server): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address')
  return address.port
}

async function listen (server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return portOf(server)
}

/** What the client of a mount gets, for each path in turn. */
async function ask (options: FastifyScgiOptions, headers: Record<string, string>[] = [{}], trustProxy = false): Promise<string[]> {
  await using app = Fastify({ trustProxy })
  app.register(scgi, { ...options, replyFrom: true })
  app.get('/from', (_request, reply) => reply.from('/there'))
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const answers: string[] = []
  for (const { path = '/', ...given } of headers) {
    const response = await fetch(`${url}${path}`, { headers: { ...given, connection: 'close' } })
    answers.push(`${response.status} ${await response.text()}`)
    await nextTurn()
  }
  return answers
}

async function failures (recorder: Recorder, options: FastifyScgiOptions): Promise<string[]> {
  const told: string[] = []
  const { requests } = recorder
  const before = requests.length
  await using app = Fastify()
  app.register(scgi, options)
  app.setErrorHandler((error: Error, request, reply) => {
    told.push(error.message.replaceAll(/:\d+/g, ':PORT'))
    reply.code(500).send(`${request.scgi?.attempts.length} attempts`)
  })
  const { payload } = await app.inject('/')
  return [...told, payload, `${requests.length - before} reached a server`]
}

const results: Record<string, unknown> = {}

async function run (): Promise<void> {
  await using one = await startRecorder({ answer: whence })
  await using two = await startRecorder({ answer: whence })
  await using six = await startRecorder({ answer: whence, listen: { host: '::1' } })
  const { key, cert } = testCertificate
  const http = createHttpServer(whenceHttp)
  const https = createHttpsServer({ key, cert }, whenceHttp)
  const httpAt = `http://127.0.0.1:${await listen(http)}`
  const httpsAt = `https://localhost:${await listen(https)}`
  const fromHeader: FastifyScgiOptions['bind'] = ({ headers }) => ({ address: String(headers['x-from']), transparent: true })
  const tls = { ca: cert }

  results['without transparent'] = await ask({ upstreams: one.address, bind: ADDRESS })
  results['an address'] = await ask({ upstreams: one.address, bind: TRANSPARENT }, [{}, { path: '/from' }])
  results['an address and a port'] = await ask({ upstreams: one.address, bind: { address: `${ADDRESS}:40001`, transparent: true } })
  results['IPv6'] = await ask({ upstreams: six.address, bind: { address: ADDRESS6, transparent: true } })
  results['an IPv4 address in IPv6 form'] = await ask({ upstreams: one.address, bind: { address: `::ffff:${ADDRESS}`, transparent: true } })
  results['transparent: false'] = await ask({ upstreams: one.address, bind: { address: '127.0.0.9', transparent: false } })
  results['the client'] = await ask(
    { upstreams: one.address, bind: request => ({ address: request.ip, transparent: true }) },
    [{}, { 'x-forwarded-for': '203.0.113.20' }, { 'x-forwarded-for': '203.0.113.21', path: '/from' }], true)
  const alternating = [ADDRESS, '203.0.113.8', ADDRESS, '203.0.113.8'].map(from => ({ 'x-from': from }))
  results['kept connections'] = await ask({ upstreams: [{ address: one.address, keepalive: 4 }], bind: fromHeader }, alternating)
  results['preconnected ones'] = await ask({ upstreams: [{ address: one.address, preconnect: 1 }], bind: fromHeader }, alternating)
  results['kept, with and without transparent'] = await ask(
    { upstreams: [{ address: one.address, keepalive: 4 }], bind: ({ headers }) => headers['x-from'] === undefined ? '127.0.0.9' : { address: '127.0.0.9', transparent: true } },
    [{}, { 'x-from': 'x' }, {}, { 'x-from': 'x' }])
  results['HTTP'] = await ask({ upstreams: [{ address: httpAt, keepalive: 4 }], bind: fromHeader }, alternating)
  results['HTTPS'] = await ask({ upstreams: [{ address: httpsAt, keepalive: 4, tls }], bind: fromHeader }, alternating)
  results['the next server'] = await ask({ upstreams: [await refusedAddress(), one.address], bind: TRANSPARENT }, [{}, {}])
  results['a path'] = await ask({ upstreams: ['unix:/nowhere'], bind: TRANSPARENT })

  const client = new ScgiClient(one.address, { bind: TRANSPARENT })
  results['a client'] = await text((await client.request()).body)
  await client.close()
  const dispatcher = new ScgiDispatcher(one.address, { bind: ({ path }) => ({ address: path.slice(1), transparent: true }) })
  results['a dispatcher'] = await (await dispatcher.request({ origin: 'http://x', path: `/${ADDRESS}`, method: 'GET' })).body.text()
  await dispatcher.close()

  const servers = [one.address, two.address]
  results['fails: the other family'] = await failures(one, { upstreams: servers, bind: { address: ADDRESS6, transparent: true } })
  results['fails: HTTP, the other family'] = await failures(one, { upstreams: [httpAt, httpAt.replace('127.0.0.1', '127.0.0.2')], bind: { address: ADDRESS6, transparent: true } })
  results['fails: HTTPS, refused'] = await failures(one, { upstreams: [{ address: `https://${await refusedAddress()}`, tls }], bind: TRANSPARENT })
  results['fails: preconnected'] = await failures(one, { upstreams: [{ address: one.address, preconnect: 2 }], bind: { address: ADDRESS6, transparent: true } })
  const listener = createServer().listen(0, '127.0.0.9')
  await once(listener, 'listening')
  results['fails: taken'] = await failures(one, { upstreams: servers, bind: { address: `127.0.0.9:${portOf(listener)}`, transparent: true } })
  listener.close()
  http.close().closeAllConnections()
  https.close().closeAllConnections()
}

/** Descriptors in use. */
function descriptors (): number {
  return readdirSync('/proc/self/fd').length
}

await run()
const before = descriptors()
await run()
for (let turn = 0; turn < 20 && descriptors() > before; turn++) await nextTurn()
results['descriptors left'] = descriptors() - before
process.stdout.write(JSON.stringify(results))
