// The local address of the connections to the servers.
import assert from 'node:assert/strict'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { startPassing, trail } from '../helpers/passing.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { Script } from '../helpers/recorder.ts'

/** Answers with the address that the connection came from. */
const whence: Script = (x) => {
  const { remoteAddress, remotePort } = x.socket
  const text = `${remoteAddress} ${remotePort}`
  return x.end(`Content-Length: ${text.length}\r\n\r\n${text}`)
}

const ipv6 = Object.values(networkInterfaces()).flat().some((entry) => entry?.address === '::1')

/** A port of this address that is free. */
async function freePortOf (host: string): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address')
  return address.port
}

test('an address', async () => {
  await using one = await startRecorder({ answer: whence })
  await using gateway = await startPassing({ upstreams: [one.address], bind: '127.0.0.5' })
  for (let i = 0; i < 3; i++) assert.match((await gateway.send('GET', '/')).response.body.toString(), /^127\.0\.0\.5 \d+$/)
})

test('an address and a port', async () => {
  await using one = await startRecorder({ answer: whence })
  const port = await freePortOf('127.0.0.6')
  await using gateway = await startPassing({ upstreams: [one.address], bind: `127.0.0.6:${port}` })
  assert.equal((await gateway.send('GET', '/')).response.body.toString(), `127.0.0.6 ${port}`)
})

test('an IPv6 address, with and without a port', { skip: ipv6 ? false : 'this machine has no ::1' }, async () => {
  await using one = await startRecorder({ answer: whence, listen: { host: '::1' } })
  const port = await freePortOf('::1')
  await using gateway = await startPassing([
    { prefix: '/a', upstreams: [one.address], bind: '::1' },
    { prefix: '/b', upstreams: [one.address], bind: `[::1]:${port}` },
    { prefix: '/c', upstreams: { name: 'c', servers: [one.address] }, bind: '127.0.0.1' },
  ])
  assert.match((await gateway.send('GET', '/a/')).response.body.toString(), /^::1 \d+$/)
  assert.equal((await gateway.send('GET', '/b/')).response.body.toString(), `::1 ${port}`)
  // The other family cannot be bound.
  assert.equal((await gateway.send('GET', '/c/')).response.statusCode, 500)
})

test('a function: an address for each request, or none', async () => {
  await using one = await startRecorder({ answer: whence })
  const results: Record<string, string | false | undefined> = { '/five': '127.0.0.5', '/false': false, '/empty': '', '/nothing': undefined }
  await using gateway = await startPassing({ upstreams: [one.address], bind: (request) => results[request.url] })
  assert.match((await gateway.send('GET', '/five')).response.body.toString(), /^127\.0\.0\.5 /)
  for (const path of ['/false', '/empty', '/nothing']) assert.match((await gateway.send('GET', path)).response.body.toString(), /^127\.0\.0\.1 /)
  assert.deepEqual(gateway.log.filter(({ level }) => level >= 40), [])
})

test('a function: what is no address is ignored, with a warning', async () => {
  await using one = await startRecorder({ answer: whence })
  const results = ['localhost', '127.0.0.1:0', '127.0.0.1:65536', '[127.0.0.1]', '127.0.0.1:', '300.0.0.1', 'eth0']
  await using gateway = await startPassing({ upstreams: [one.address], bind: (request) => results[Number(request.url.slice(1))] })
  for (const [index, result] of results.entries()) {
    const { response } = await gateway.send('GET', `/${index}`)
    assert.match(response.body.toString(), /^127\.0\.0\.1 /)
    const warnings = gateway.log.splice(0).filter(({ level }) => level === 40)
    assert.deepEqual(warnings.map(({ msg }) => msg), [`the function 'bind' gave "${result}", which is no local address: ignored`])
  }
})

test('an address that this machine does not have: 500, no other server is tried, no server has failed', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  // TEST-NET-1: an address that nobody has.
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, two.address] }, bind: '192.0.2.1' })
  const { response, scgi, error } = await gateway.send('GET', '/')
  assert.equal(response.statusCode, 500)
  assert.equal(error?.code, 'FST_SCGI_LOCAL')
  assert.match(error?.message ?? '', /Cannot open a socket to 127\.0\.0\.1:\d+: bind\(\) .*EADDRNOTAVAIL.*192\.0\.2\.1/)
  assert.deepEqual(trail(scgi.attempts), [`${one.address} -`])
  assert.deepEqual([scgi.upstreamStatus, scgi.upstreamConnectTime, scgi.upstreamBytesSent], ['-', '-', '0'])
  assert.deepEqual(gateway.servers('g').map(({ fails, active }) => [fails, active]), [[0, 0], [0, 0]])
  assert.deepEqual([one.accepted, two.accepted], [0, 0])
})

test('a port that is taken: 500', async () => {
  await using one = await startRecorder()
  const taken = net.createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.7', resolve))
  const address = taken.address()
  assert.ok(typeof address === 'object' && address !== null)
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, one.address] }, bind: `127.0.0.7:${address.port}` })
  const { response, error, scgi } = await gateway.send('GET', '/')
  taken.close()
  assert.deepEqual([response.statusCode, error?.code], [500, 'FST_SCGI_LOCAL'])
  assert.match(error?.message ?? '', /EADDRINUSE/)
  assert.equal(scgi.attempts.length, 1)
  assert.equal(gateway.servers('g')[0]?.fails, 0)
})

test('a unix socket has no local address: it is ignored', async () => {
  await using dir = await tempDir()
  await using one = await startRecorder({ listen: { path: dir.socket() } })
  await using gateway = await startPassing([
    { prefix: '/a', upstreams: [one.address], bind: '192.0.2.1' },
    { prefix: '/b', upstreams: [{ address: one.address, preconnect: 1 }], bind: '127.0.0.1:4' },
  ])
  for (const path of ['/a/', '/b/']) assert.equal((await gateway.send('GET', path)).response.statusCode, 200)
})

test('false and the empty string are no address', async () => {
  await using one = await startRecorder({ answer: whence })
  await using gateway = await startPassing([
    { prefix: '/a', upstreams: [one.address], bind: false },
    { prefix: '/b', upstreams: [one.address], bind: '' },
  ])
  for (const path of ['/a/', '/b/']) assert.match((await gateway.send('GET', path)).response.body.toString(), /^127\.0\.0\.1 /)
})

test('a string that is no address is refused at register', async () => {
  for (const bind of ['localhost', '127.0.0.1:0', '127.0.0.1:99999', '[::1]:0', '[::1', '127.0.0.1 ']) {
    const app = Fastify()
    app.register(scgi, { upstreams: '127.0.0.1:4000', bind })
    await assert.rejects(async () => { await app.ready() }, (error: Error) => {
      assert.ok('code' in error)
      assert.equal(error.code, 'FST_SCGI_OPT_INVALID', bind)
      assert.match(error.message, /option 'bind'/)
      return true
    })
    await app.close()
  }
})
