// Where a request body waits: memory, an unlinked file, nowhere.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmodSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { resources } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, eventually, get, only } from './kit.ts'

const BODY = randomBytes(300_000)

function upload (path: string, body = BODY): Buffer {
  return bytes([`POST ${path} HTTP/1.1`, 'Host: x', `Content-Length: ${body.length}`], body)
}

test('on: no server is chosen before the body is there; beyond memory it is in a file without a name', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, requestBuffering: { memory: '8k', tempPath: dir.path } })
  await using client = await RawClient.connect(gateway)
  const before = resources()['fd unlinked file'] ?? 0
  const unlinked = (): number => (resources()['fd unlinked file'] ?? 0) - before
  client.expect('POST')
  const request = upload('/')
  await client.write(request.subarray(0, 200_000))
  await eventually(() => unlinked() === 1, 'an unlinked file is open')
  assert.deepEqual(readdirSync(dir.path), [])
  assert.equal(recorder.accepted, 0)
  await client.write(request.subarray(200_000))
  assert.equal((await client.response()).statusCode, 200)
  assert.deepEqual(only(recorder).body, BODY)
  await eventually(() => unlinked() === 0, 'the file is closed')
})

test('on: what fits in memory uses no file', async () => {
  await using recorder = await startRecorder()
  // A directory that is not there would tell.
  await using gateway = await startGateway({ upstreams: recorder.address, requestBuffering: { memory: '300k', tempPath: '/nonexistent' } })
  assert.equal((await rawRequest(gateway, upload('/'))).statusCode, 200)
  assert.deepEqual(only(recorder).body, BODY)
})

test('a temporary directory that cannot be written: 500 with FST_SCGI_TEMP_FILE, and nothing else suffers', async () => {
  await using dir = await tempDir()
  chmodSync(dir.path, 0o500)
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/bad', upstreams: recorder.address, requestBuffering: { tempPath: dir.file('none') } })
    app.register(scgi, { prefix: '/good', upstreams: recorder.address })
  })
  const [bad, small, good] = await Promise.all([
    rawRequest(gateway, upload('/bad/')), rawRequest(gateway, upload('/bad/', BODY.subarray(0, 100))), rawRequest(gateway, upload('/good/')),
  ])
  assert.deepEqual([bad.statusCode, JSON.parse(bad.body.toString()).code], [500, 'FST_SCGI_TEMP_FILE'])
  // Where its files are is for the log.
  assert.equal(JSON.parse(bad.body.toString()).message, 'Internal Server Error')
  assert.deepEqual([small.statusCode, good.statusCode], [200, 200])
  assert.deepEqual(recorder.requests.map(request => request.body.length).sort((a, b) => a - b), [100, BODY.length])
  assert.equal((await rawRequest(gateway, get('/bad/'))).statusCode, 200)
})

test('off: the application sees the beginning before the end is sent', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, requestBuffering: false })
  await using client = await RawClient.connect(gateway)
  client.expect('POST')
  const request = upload('/')
  await client.write(request.subarray(0, 100_000))
  await eventually(() => (recorder.requests[0]?.bodyLength ?? 0) > 90_000, 'the application has what was sent so far')
  assert.equal(recorder.requests[0]?.contentLength, BODY.length)
  await client.write(request.subarray(100_000))
  assert.equal((await client.response()).statusCode, 200)
  assert.deepEqual(only(recorder).body, BODY)
})

test('off: a body of unknown length is collected all the same, for SCGI needs its length', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, requestBuffering: false })
  await using client = await RawClient.connect(gateway)
  client.expect('POST')
  await client.write(bytes(['POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n'))
  assert.equal(recorder.accepted, 0)
  await client.write('0\r\n\r\n')
  assert.equal((await client.response()).statusCode, 200)
  assert.deepEqual(only(recorder).body.toString(), 'hello')
})

test('off: the answer may come before the upload ends', async () => {
  await using recorder = await startRecorder({ answer: async x => { await x.end('Status: 403\r\nContent-Length: 2\r\n\r\nno') } })
  await using gateway = await startGateway({ upstreams: recorder.address, requestBuffering: false })
  await using client = await RawClient.connect(gateway)
  client.expect('POST')
  await client.write(upload('/').subarray(0, 100_000))
  const { statusCode, body } = await client.response()
  assert.deepEqual([statusCode, body.toString()], [403, 'no'])
  await recorder.idle()
})

test('on: the body is sent again to the next server, from memory and from a file', async () => {
  await using first = await startRecorder({ answer: async x => { await x.body(); await x.end('Status: 503\r\n\r\n') } })
  await using second = await startRecorder()
  await using gateway = await startGateway({
    upstreams: [{ address: first.address, maxFails: 0 }, { address: second.address, backup: true }],
    nextUpstream: ['http_503', 'non_idempotent'],
  })
  for (const body of [BODY, BODY.subarray(0, 1000)]) {
    assert.equal((await rawRequest(gateway, upload('/', body))).statusCode, 200)
    assert.deepEqual(only(first).body, body)
    assert.deepEqual(only(second).body, body)
  }
})
