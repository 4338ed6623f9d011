// What is remembered of a connection and of the request before it is never another request's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
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
