// What is remembered of a connection and of the request before it is never another request's.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { scgiServerFactory } from '../../lib/server/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { Client, encode } from '../server/scgi-client.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, only, pick } from './kit.ts'

const TARGETS: [target: string, host: string, pathInfo: string, serverName: string][] = [
  ['/a/b', 'One.test', '/a/b', 'one.test'],
  ['/a/b', 'One.test', '/a/b', 'one.test'],
  ['/a/b?q=/../x', 'One.test:81', '/a/b', 'one.test'],
  ['/a/b%2e', 'two.test', '/a/b.', 'two.test'],
  ['/a/b', 'two.test', '/a/b', 'two.test'],
  ['/a/b?', 'TWO.test', '/a/b', 'two.test'],
  ['/a/b?#', 'two.test', '/a/b', 'two.test'],
  ['/a/', '[::1]', '/a/', '[::1]'],
  ['/a/b', 'One.test', '/a/b', 'one.test'],
]

test('requests of two connections in turn have their own path, host, and ends', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using one = await RawClient.connect(gateway)
  await using two = await RawClient.connect(gateway)
  for (const [target, host, pathInfo, serverName] of TARGETS) {
    for (const client of [one, two]) {
      const { statusCode } = await client.request(bytes([`GET ${target} HTTP/1.1`, `Host: ${host}`]))
      assert.equal(statusCode, 200)
      const names = ['REQUEST_URI', 'PATH_INFO', 'SERVER_NAME', 'REMOTE_ADDR', 'REMOTE_PORT', 'SERVER_ADDR', 'SERVER_PORT']
      const { localPort } = client.socket
      assert.deepEqual(pick(only(recorder), ...names),
        [target, pathInfo, serverName, '127.0.0.1', String(localPort), '127.0.0.1', String(gateway.port)])
    }
  }
})

test('a host that is none is refused, whichever was good before it', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  for (const host of ['a<b', 'one.test', 'a<b', 'one.test', 'one.test/x', 'a<b']) {
    await using client = await RawClient.connect(gateway)
    const { statusCode } = await client.request(bytes(['GET / HTTP/1.1', `Host: ${host}`]))
    assert.equal(statusCode, host === 'one.test' ? 200 : 400, host)
  }
})

test('requests of several clients over one connection of a gateway in front have each client\'s address and port', async () => {
  await using recorder = await startRecorder()
  const dir = await tempDir()
  const app = Fastify({ serverFactory: scgiServerFactory() })
  app.register(scgi, recorder.address)
  try {
    const path = dir.socket()
    await app.listen({ path })
    const socket = net.connect(path)
    await once(socket, 'connect')
    await using client = new Client(socket)
    for (const [address, port] of [['192.0.2.1', '5001'], ['192.0.2.2', '5002'], ['192.0.2.2', ''], ['2001:db8::1', '5003']] as const) {
      client.write(encode({ SCGI_KEEPALIVE: '1', REQUEST_URI: '/a', HTTP_HOST: 'a.test', REMOTE_ADDR: address, REMOTE_PORT: port }))
      assert.match((await client.next()).statusLine, / 200 /)
      assert.deepEqual(pick(only(recorder), 'REMOTE_ADDR', 'REMOTE_PORT'), [address, port === '' ? undefined : port])
    }
  } finally {
    await app.close()
    await dir.remove()
  }
})
