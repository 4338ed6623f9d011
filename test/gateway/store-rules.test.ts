// store: what decides the reply decides the file; when the file is there; who is waited for.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, readdir, stat } from 'node:fs/promises'
import { test } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, eventually, get } from './kit.ts'

test('what decides the reply decides the file, or it is not stored', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder()
  recorder.answer = async exchange => {
    const { request } = exchange
    const path = request.param('PATH_INFO') ?? ''
    if (path === '/go') await exchange.end('X-Accel-Redirect: /mirror/redirected\r\n\r\n')
    else await exchange.end(`${path === '/vary' ? 'Vary: Cookie\r\n' : ''}Content-Length: ${path.length}\r\n\r\n${path}`)
  }
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/mirror', upstreams: recorder.address, store: { root: dir.file('mirror') } })
    await app.register(scgi, { prefix: '/hidden', upstreams: recorder.address, params: { HTTP_AUTHORIZATION: '' }, store: { root: dir.file('hidden') } })
    await app.register(scgi, { prefix: '/given', upstreams: recorder.address, params: { HTTP_AUTHORIZATION: 'Basic eDp5' }, store: { root: dir.file('given') } })
    await app.register(scgi, { prefix: '/own', upstreams: recorder.address, store: { root: dir.file('own'), path: ({ url }) => url.replace('?', '/') } })
    await app.register(scgi, { prefix: '/app', upstreams: recorder.address })
    app.get('/body', (_, reply) => reply.scgi({ upstreams: recorder.address, body: 'x', store: { root: dir.file('mirror') } }))
  })
  const withBody = (method: string, path: string): Buffer => bytes([`${method} ${path} HTTP/1.1`, 'Host: gateway.test', 'Content-Length: 1'], 'x')
  for (const [request, file, stored] of [
    [get('/mirror/plain'), 'mirror/plain', true],
    [get('/mirror/mark?'), 'mirror/mark', true],
    [get('/mirror/query?a=1'), 'mirror/query', false],
    [get('/mirror/vary'), 'mirror/vary', false],
    [withBody('GET', '/mirror/get'), 'mirror/get', false],
    [withBody('POST', '/app/go'), 'mirror/redirected', false],
    [get('/app/go'), 'mirror/redirected', true],
    [get('/body'), 'mirror/body', false],
    [get('/mirror/authorized', 'Authorization: Basic eDp5'), 'mirror/authorized', false],
    [get('/hidden/authorized', 'Authorization: Basic eDp5'), 'hidden/authorized', true],
    [get('/given/authorized'), 'given/authorized', false],
    [get('/own/query?a=1'), 'own/own/query/a=1', true],
    [withBody('GET', '/own/get'), 'own/own/get', false],
  ] as const) {
    const { statusCode } = await rawRequest(gateway, request)
    assert.equal(statusCode, 200, file)
    assert.equal(existsSync(dir.file(file)), stored, file)
  }
})

for (const [title, size, head] of [
  ['a short reply', 2, true], ['an empty reply', 0, true], ['a short reply without a length', 2, false],
  ['a long reply', 3_000_000, true], ['a long reply without a length', 3_000_000, false],
] as const) {
  test(`the file is there before the client has the end: ${title}`, async () => {
    await using dir = await tempDir()
    const body = Buffer.alloc(size, 'mirror')
    await using recorder = await startRecorder({ answer: Buffer.concat([Buffer.from(head ? `Content-Length: ${size}\r\n\r\n` : 'X: y\r\n\r\n'), body]) })
    await using gateway = await startGateway({ upstreams: recorder.address, store: { root: dir.path } })
    for (let round = 0; round < 5; round++) {
      await using client = await RawClient.connect(gateway)
      const response = await client.request(get(`/deep/er/${round}`))
      assert.ok(existsSync(dir.file(`deep/er/${round}`)), `round ${round}`)
      assert.ok(response.body.equals(body))
      assert.equal((await stat(dir.file(`deep/er/${round}`))).size, size)
    }
  })
}

test('a client that leaves before the head does not end what is to be stored, and ends what is not', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder()
  const arrived: string[] = []
  const ended: string[] = []
  let go = (): void => {}
  recorder.answer = async exchange => {
    const path = `${exchange.request.param('PATH_INFO')}${exchange.request.param('QUERY_STRING')}`
    arrived.push(path)
    exchange.socket.once('close', () => { ended.push(path) })
    if (path.startsWith('/wait')) await new Promise<void>(resolve => { go = resolve })
    if (!exchange.socket.destroyed) await exchange.end(`${path === '/wait/private' ? 'Cache-Control: private\r\n' : ''}Content-Length: 4\r\n\r\nbody`).catch(() => {})
  }
  await using gateway = await startGateway({ upstreams: recorder.address, store: { root: dir.path } })
  const leave = async (path: string, seen: string): Promise<void> => {
    await using client = await RawClient.connect(gateway)
    await client.write(get(path))
    await eventually(() => arrived.includes(seen), `${seen} arrived`)
    client.socket.destroy()
    await client.closed
  }
  await leave('/wait/stored', '/wait/stored')
  go()
  await eventually(() => existsSync(dir.file('wait/stored')), 'stored')
  assert.equal(await readFile(dir.file('wait/stored'), 'utf8'), 'body')
  await leave('/wait/private', '/wait/private')
  go()
  await eventually(() => ended.includes('/wait/private'), 'ended')
  await leave('/wait/query?a', '/wait/querya')
  await eventually(() => ended.includes('/wait/querya'), 'the application is told')
  go()
  assert.deepEqual(await readdir(dir.file('wait')), ['stored'])
})

for (const [kind, maxTempFileSize] of [['cache', 0], ['cache', '64k'], ['store', 0], ['store', '64k']] as const) {
  test(`maxTempFileSize ${maxTempFileSize} does not bind what goes to the ${kind}`, async () => {
    await using dir = await tempDir()
    const body = Buffer.alloc(20_000_000, 'slow')
    let written = (): void => {}
    const isFree = new Promise<void>(resolve => { written = resolve })
    await using recorder = await startRecorder({
      answer: async exchange => {
        await exchange.end(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body])).catch(() => {})
        written()
      },
    })
    const zone = createCache({ name: `kept-${maxTempFileSize}`, maxSize: '100m', maxEntrySize: '50m' })
    await using gateway = await startGateway({
      upstreams: recorder.address,
      buffering: { maxTempFileSize },
      ...(kind === 'cache' && { cache: { zone, valid: '1h', lock: { timeout: '30s', age: '30s' } } }),
      ...(kind === 'store' && { store: { root: dir.path } }),
    })
    await using slow = await RawClient.connect(gateway, { keepBodies: false })
    slow.socket.pause()
    await slow.write(get('/x'))
    // It has written all, although the client takes nothing.
    await isFree
    if (kind === 'cache') assert.equal((await rawRequest(gateway, get('/x'))).body.length, body.length)
    else await eventually(() => existsSync(dir.file('x')), 'stored')
    assert.equal(recorder.requests.length, 1)
    slow.socket.destroy()
  })
}
