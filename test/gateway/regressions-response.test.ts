// What attacks on the way back to the client have found.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { accel } from '../../lib/accel/index.ts'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, headerValues } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Answer } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, eventually, get, startHttp2 } from './kit.ts'

/** Answers by PATH_INFO. */
function byPath (answers: Record<string, Answer>): Answer {
  return async exchange => {
    const answer = answers[exchange.request.param('PATH_INFO') ?? ''] ?? 'Status: 404\r\n\r\n'
    if (typeof answer === 'function') return answer(exchange)
    await exchange.body()
    await exchange.end(answer)
  }
}

/** Descriptors of files in a directory, and of files without a name. */
function openFiles (directory: string): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(directory) || target.endsWith('(deleted)')
    } catch {
      return false
    }
  }).length
}

test('pipelined requests whose connection ends before their turn leave no descriptor', async () => {
  await using dir = await tempDir()
  await writeFile(join(dir.path, 'big'), Buffer.alloc(2_000_000))
  await using recorder = await startRecorder({
    answer: byPath({
      '/slow': async exchange => {
        await exchange.body()
        await exchange.write('Content-Type: text/event-stream\r\n\r\ndata')
        await exchange.closed
      },
      '/file': 'X-Sendfile: big\r\n\r\n',
      '/redirect': 'X-Accel-Redirect: /protected/big\r\n\r\n',
      '/large': async exchange => {
        await exchange.body()
        await exchange.end(`Content-Type: text/x\r\n\r\n${'a'.repeat(2_000_000)}`)
      },
    }),
  })
  await using gateway = await startGateway({
    prefix: '/app', upstreams: recorder.address, sendfile: { root: dir.path }, buffering: { tempPath: join(dir.path, 'temp') },
  })
  await using internal = await startGateway({ prefix: '/app', upstreams: recorder.address, internal: { '/protected/': dir.path } })
  const before = openFiles(dir.path)
  for (const [target, path] of [[gateway, '/file'], [gateway, '/large'], [internal, '/redirect']] as const) {
    recorder.clear()
    await using client = await RawClient.connect(target)
    client.expect('GET')
    await client.write(Buffer.concat([get('/app/slow'), get(`/app${path}`)]))
    await client.until(({ bodyLength }) => bodyLength > 0)
    assert.deepEqual(recorder.requests.map(request => request.param('PATH_INFO')), ['/slow'])
    client.destroy()
    await client.closed
    await eventually(() => openFiles(dir.path) === before, `the file of ${path} closed`)
    await recorder.idle()
  }
})

test('HTTP/2: a file that becomes shorter while it is sent is a broken reply, in one range, in several, and at a rate', async () => {
  await using dir = await tempDir()
  const file = join(dir.path, 'big')
  await using recorder = await startRecorder({ answer: byPath({ '/plain': 'X-Sendfile: big\r\n\r\n', '/rate': 'X-Sendfile: big\r\nX-Accel-Limit-Rate: 100000000\r\n\r\n' }) })
  await using gateway = await startHttp2({ prefix: '/app', upstreams: recorder.address, sendfile: { root: dir.path } })
  for (const path of ['/plain', '/rate']) {
    for (const range of ['', 'bytes=1-', 'bytes=0-2999999,3100000-3900000']) {
      await writeFile(file, Buffer.alloc(4_000_000))
      const stream = gateway.client.session.request({ ':path': `/app${path}`, ...(range === '' ? {} : { range }) })
      stream.on('error', () => {})
      const closed = new Promise<void>(resolve => stream.once('close', resolve))
      await new Promise<void>(resolve => stream.once('response', () => resolve()))
      await truncate(file, 100)
      stream.resume()
      await closed
      assert.notEqual(stream.rstCode, 0, `${path} ${range}`)
    }
  }
})

test('HTTP/2: what a Location takes along can be sent, and what is hidden stays so', async () => {
  await using recorder = await startRecorder({
    answer: byPath({
      '/x': 'Location: /app/y\r\nAge: 1\r\nAge: 2\r\nRetry-After: 1\r\nRetry-After: 2\r\nHTTP2-Settings: a\r\nX-Powered-By: me\r\nX-Other: yes\r\n\r\n',
      '/y': 'Content-Type: text/plain\r\n\r\nfound',
    }),
  })
  await using gateway = await startHttp2({ prefix: '/app', upstreams: recorder.address, hideHeaders: ['X-Powered-By'] })
  const { statusCode, headers, body } = await gateway.client.request({ ':path': '/app/x' })
  assert.deepEqual([statusCode, headers.age, headers['retry-after'], headers['x-powered-by'], headers['x-other'], body.toString()],
    [200, '1', '1', undefined, 'yes', 'found'])
})

test('a file with a status that has no body', async () => {
  await using dir = await tempDir()
  await writeFile(join(dir.path, 'f'), 'file')
  await using recorder = await startRecorder({ answer: 'Status: 204\r\nX-Sendfile: f\r\n\r\n' })
  await using gateway = await startHttp2({ upstreams: recorder.address, sendfile: { root: dir.path } })
  for (const method of ['GET', 'HEAD']) {
    const { statusCode, headers, resetCode } = await gateway.client.request({ ':path': '/', ':method': method })
    assert.deepEqual([statusCode, headers['content-length'], resetCode], [204, undefined, 0])
  }
})

test('where another hook fails, the error answers and not what was planned', async () => {
  await using dir = await tempDir()
  await writeFile(join(dir.path, 'f'), 'file')
  await using recorder = await startRecorder({
    answer: byPath({ '/file': 'X-Sendfile: f\r\n\r\n', '/redirect': 'X-Accel-Redirect: /plain\r\n\r\n' }),
  })
  let fails = false
  await using gateway = await startGateway(app => {
    app.addHook('onSend', async () => {
      if (!fails) return
      fails = false
      throw new Error('from the hook')
    })
    app.get('/plain', async () => 'plain')
    app.register(scgi, { prefix: '/app', upstreams: recorder.address, sendfile: { root: dir.path } })
  })
  for (const path of ['/app/file', '/app/redirect']) {
    fails = true
    const { statusCode, body } = await rawRequest(gateway, get(path))
    assert.equal(statusCode, 500)
    assert.match(body.toString(), /from the hook/)
  }
})

test('a carried header takes the place of the target\'s, however that is spelt', async () => {
  await using recorder = await startRecorder({ answer: 'X-Accel-Redirect: /raw\r\nContent-Type: text/carried\r\nSet-Cookie: a=1\r\n\r\n' })
  await using gateway = await startGateway(app => {
    app.get('/raw', (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'Content-Type': 'text/own', 'Set-Cookie': 'b=2' })
      reply.raw.end('raw')
    })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
  })
  const response = await rawRequest(gateway, get('/app/x'))
  assert.equal(headerValue(response, 'content-type'), 'text/carried')
  assert.deepEqual(headerValues(response, 'set-cookie'), ['a=1', 'b=2'])
})

test('an error page that redirects keeps the status of the error', async () => {
  await using recorder = await startRecorder({
    answer: byPath({ '/broken': 'Status: 500\r\n\r\n', '/page': 'X-Accel-Redirect: /sorry\r\n\r\n' }),
  })
  await using gateway = await startGateway(app => {
    app.get('/sorry', async () => 'sorry')
    app.register(scgi, { prefix: '/app', upstreams: recorder.address, interceptErrors: true, errorPages: { 500: '/app/page' } })
  })
  const { statusCode, body } = await rawRequest(gateway, get('/app/broken'))
  assert.deepEqual([statusCode, body.toString()], [500, 'sorry'])
})

test('the error of a missing file has no validators of what was not sent', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: 'X-Sendfile: none\r\nETag: "a"\r\nLast-Modified: Thu, 01 Jan 1970 00:00:01 GMT\r\nContent-Encoding: gzip\r\n\r\n' })
  for (const preserveHeaderCase of [false, true]) {
    await using gateway = await startGateway({ upstreams: recorder.address, sendfile: { root: dir.path }, preserveHeaderCase })
    const response = await rawRequest(gateway, get('/'))
    assert.equal(response.statusCode, 404)
    assert.deepEqual(['etag', 'last-modified', 'content-encoding'].map(name => headerValue(response, name)), [undefined, undefined, undefined])
  }
})

test('an error of the application that is replaced does not tell the client where that is', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 403 No\r\n\r\n' })
  await using gateway = await startGateway({ upstreams: recorder.address, interceptErrors: 'handler' })
  const { statusCode, body } = await rawRequest(gateway, get('/'))
  assert.equal(statusCode, 403)
  assert.doesNotMatch(body.toString(), /127\.0\.0\.1/)
  assert.match(JSON.stringify(gateway.log), new RegExp(`${recorder.address} answered 403`))
})

test('a store makes the directory of temporary files that buffering has not needed yet', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: 'Content-Type: text/plain\r\n\r\nstored' })
  await using gateway = await startGateway({ upstreams: recorder.address, buffering: { tempPath: join(dir.path, 'temp') }, store: { root: join(dir.path, 'store') } })
  await rawRequest(gateway, get('/page'))
  await eventually(() => {
    try {
      return readFileSync(join(dir.path, 'store', 'page'), 'utf8') === 'stored'
    } catch {
      return false
    }
  }, 'the reply stored')
})

test('fastify-scgi/accel: errors do not tell the client where a reply would have led', async () => {
  await using gateway = await startGateway(async app => {
    await app.register(accel, {
      trust: request => {
        if (request.url === '/throws') throw new Error('from trust')
        return true
      },
      redirectTo: ['/allowed'],
      root: '/nowhere',
    })
    for (const [path, target] of [['/throws', '/secret'], ['/other', '/secret'], ['/up', '/allowed/../secret']] as const) {
      app.get(path, async (_request, reply) => reply.headers({ 'x-accel-redirect': target, 'x-sendfile': path === '/throws' ? '/secret' : undefined }).send('x'))
    }
  })
  for (const [path, status] of [['/throws', 500], ['/other', 404], ['/up', 404]] as const) {
    const response = await rawRequest(gateway, get(path))
    assert.equal(response.statusCode, status, path)
    assert.doesNotMatch(JSON.stringify(response.headers) + response.body.toString(), /secret/, path)
  }
})

test('an internal route is closed wherever it stands: above and beside the scope of the plugin too', async () => {
  await using recorder = await startRecorder({ answer: 'X-Accel-Redirect: /above\r\n\r\n' })
  await using gateway = await startGateway(app => {
    app.get('/above', { config: { scgi: { internal: true } } }, async () => 'above')
    app.register(async child => { child.get('/before', { config: { scgi: { internal: true } } }, async () => 'before') })
    app.register(async child => { child.register(scgi, { prefix: '/app', upstreams: recorder.address }) })
    app.register(async child => { child.get('/after', { config: { scgi: { internal: true } } }, async () => 'after') })
  })
  for (const path of ['/above', '/before', '/after']) {
    assert.equal((await rawRequest(gateway, get(path))).statusCode, 404, path)
    recorder.answer = `X-Accel-Redirect: ${path}\r\n\r\n`
    assert.equal((await rawRequest(gateway, get('/app'))).body.toString(), path.slice(1))
  }
})

test('X-Accel-Limit-Rate of the first reply goes before clientLimitRate of the target', async () => {
  await using recorder = await startRecorder({ answer: 'X-Accel-Redirect: /b/x\r\nX-Accel-Limit-Rate: 10000000\r\n\r\n' })
  await using target = await startRecorder({ answer: bytes(['Content-Length: 30000'], Buffer.alloc(30_000)) })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/a', upstreams: recorder.address, clientLimitRate: 1 })
    app.register(scgi, { prefix: '/b', upstreams: target.address, clientLimitRate: 1000 })
  })
  const begun = performance.now()
  assert.equal((await rawRequest(gateway, get('/a'))).body.length, 30_000)
  assert.ok(performance.now() - begun < 8000)
})

test('clientSendTimeout of a pipelined request is not undone by the end of the reply before it', async () => {
  const body = Buffer.alloc(20_000_000)
  await using recorder = await startRecorder({ answer: bytes([`Content-Length: ${body.length}`], body) })
  await using gateway = await startGateway({ upstreams: recorder.address, clientSendTimeout: 300 })
  await using client = await RawClient.connect(gateway, { keepBodies: false })
  const first = client.request(Buffer.concat([get('/1'), get('/2')]))
  client.expect('GET')
  await first
  client.socket.pause()
  await eventually(() => gateway.log.some(line => line.msg === 'client timed out'), 'the second reply timed out')
})
