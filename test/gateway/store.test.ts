// store: replies kept as files, and what serves them.
import assert from 'node:assert/strict'
import { access, readFile, stat } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import fastifyStatic from '@fastify/static'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, eventually, get } from './kit.ts'

const DATE = 'Mon, 06 May 2024 07:08:09 GMT'

test('a complete reply is stored by its path, with its time and its mode', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: `Content-Type: a/b\r\nLast-Modified: ${DATE}\r\nContent-Length: 4\r\n\r\nbodysurplus` })
  await using gateway = await startGateway({ prefix: '/app', upstreams: recorder.address, store: { root: dir.path, access: 'user:rw group:r' } })
  assert.equal((await rawRequest(gateway, get('/app/a/b%20c.txt?'))).body.toString(), 'body')
  const file = dir.file('a/b c.txt')
  await eventually(() => existsSync(file), 'stored')
  assert.equal(await readFile(file, 'utf8'), 'body')
  const { mode, mtime } = await stat(file)
  assert.deepEqual([mode & 0o777, mtime.toUTCString()], [0o640, DATE])
})

test('what is not stored: other statuses, HEAD, POST, private replies, incomplete ones, paths that leave the root', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, store: { root: dir.file('store') } })
  const ask = async (answer: string, request: Buffer): Promise<void> => {
    recorder.answer = answer
    await rawRequest(gateway, request).catch(() => {})
  }
  const ok = 'Content-Length: 2\r\n\r\nok'
  await ask(`Status: 404\r\n${ok}`, get('/status'))
  await ask(ok, bytes(['HEAD /head HTTP/1.1', 'Host: a']))
  await ask('\r\n', bytes(['HEAD /head HTTP/1.1', 'Host: a']))
  await ask(ok, bytes(['POST /post HTTP/1.1', 'Host: a', 'Content-Length: 0']))
  await ask(`Set-Cookie: a=b\r\n${ok}`, get('/cookie'))
  await ask(`Cache-Control: private\r\n${ok}`, get('/private'))
  await ask(ok, get('/authorized', 'Authorization: Basic eDp5'))
  await ask('Content-Length: 5\r\n\r\nok', get('/short'))
  await ask(`X-Accel-Buffering: no\r\n${ok}`, get('/unbuffered'))
  await ask(ok, get('/%2e%2e%2fx'))
  await ask(ok, get('/dir/'))
  await ask(ok, get('/good'))
  await eventually(() => existsSync(dir.file('store/good')), 'stored')
  for (const name of ['status', 'head', 'post', 'cookie', 'private', 'authorized', 'short', 'unbuffered', 'dir']) {
    await assert.rejects(access(dir.file(`store/${name}`)), name)
  }
})

test('a client that leaves does not end the storing; one that is slow does not spoil it', async () => {
  await using dir = await tempDir()
  const body = Buffer.alloc(3_000_000, 'mirror')
  let go = (): void => {}
  const gone = new Promise<void>(resolve => { go = resolve })
  await using recorder = await startRecorder({
    answer: async exchange => {
      await exchange.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body.subarray(0, 1_000_000)]))
      await gone
      await exchange.end(body.subarray(1_000_000))
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address, store: { root: dir.path } })
  await using client = await RawClient.connect(gateway, { keepBodies: false })
  client.socket.write(get('/big'))
  await client.until(({ bodyLength }) => bodyLength > 0)
  client.socket.destroy()
  await client.closed
  go()
  await eventually(() => existsSync(dir.file('big')), 'stored')
  assert.ok((await readFile(dir.file('big'))).equals(body))
})

test('a store that cannot be written is told in the log, and the reply comes all the same', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, store: { root: '/proc/nowhere' } })
  assert.equal((await rawRequest(gateway, get('/x'))).body.toString(), 'ok')
  await eventually(() => gateway.log.some(line => line.level === 50 && /nowhere|\/x|ENOENT/.test(JSON.stringify(line))), 'logged')
})

test('mirror on demand: a file that is missing is fetched, stored, and served as a file from then on', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(fastifyStatic, { root: dir.path, prefix: '/files/' })
    app.setNotFoundHandler((_request, reply) => reply.scgi(mirror))
    const mirror = { upstreams: recorder.address, store: { root: dir.path, path: () => 'a.txt' } }
    app.register(scgi, { prefix: '/none', upstreams: recorder.address })
  })
  assert.equal((await rawRequest(gateway, get('/files/a.txt'))).body.toString(), 'ok')
  await eventually(() => existsSync(dir.file('a.txt')), 'stored')
  assert.equal((await rawRequest(gateway, get('/files/a.txt'))).body.toString(), 'ok')
  assert.equal(recorder.requests.length, 1)
})

test('close waits for what is being stored', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: bytes(['Content-Length: 500000'], Buffer.alloc(500_000)) })
  for (let i = 0; i < 10; i++) {
    const gateway = await startGateway({ upstreams: recorder.address, store: { root: dir.file(`r${i}`) } })
    await rawRequest(gateway, get('/x'))
    await gateway.close()
    assert.ok(existsSync(dir.file(`r${i}/x`)), `round ${i}`)
  }
})
