// What an operator reads when a server cannot be reached or does not answer as it should.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { renameSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { describe, test } from 'node:test'
import { fullBacklog } from '../helpers/full-backlog.ts'
import { startPassing } from '../helpers/passing.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { Answer } from '../helpers/recorder.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

interface Told {
  code: string
  statusCode: number
  message: string
  address: string
  phase: string
  kind: string
  cause: unknown
}

/** The error of a request to this address, all of it. */
async function failure (address: string, options: Partial<FastifyScgiOptions> = {}, headers: string[] = [], body = ''): Promise<Told> {
  await using gateway = await startPassing({ upstreams: [address], ...options })
  const { response, error } = await gateway.send(body === '' ? 'GET' : 'POST', '/', body, headers)
  assert.ok(error !== undefined)
  assert.equal(response.statusCode, error.statusCode)
  const told = { address: '', phase: '', kind: '', ...error, message: error.message, cause: error.cause }
  assert.equal(told.address, address)
  assert.ok(error.message.includes(address), 'the message names the server')
  assert.equal(error.stack?.includes(error.message), true)
  const logged = gateway.log.filter(({ level, err }) => level >= 40 && err !== undefined)
  assert.equal(logged.length, 1, 'it is logged once')
  return { ...told, statusCode: error.statusCode ?? 0, cause: error.cause }
}

function systemCode (cause: unknown): unknown {
  assert.ok(cause instanceof Error && 'code' in cause && 'syscall' in cause, 'the cause is the error of the system')
  return cause.code
}

describe('the connection', () => {
  test('no such unix socket', async () => {
    await using dir = await tempDir()
    const { code, statusCode, message, phase, kind, cause } = await failure(`unix:${dir.socket()}`)
    assert.deepEqual([code, statusCode, phase, kind], ['FST_SCGI_CONNECT', 502, 'connect', 'error'])
    assert.equal(systemCode(cause), 'ENOENT')
    assert.match(message, /ENOENT, there is no such socket: is the application running, and is the path right\?/)
  })

  test('a unix socket whose application has ended', async () => {
    await using dir = await tempDir()
    const path = dir.socket()
    // The name outlives a socket that is closed under another one.
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(`${path}.x`, resolve))
    renameSync(`${path}.x`, path)
    await new Promise((resolve) => server.close(resolve))
    const { code, message, cause } = await failure(`unix:${path}`)
    assert.deepEqual([code, systemCode(cause)], ['FST_SCGI_CONNECT', 'ECONNREFUSED'])
    assert.match(message, /ECONNREFUSED, nobody listens there: is the application running\?/)
  })

  test('a file that is no socket', async () => {
    await using dir = await tempDir()
    const path = dir.file('plain')
    writeFileSync(path, '')
    const { code, message } = await failure(`unix:${path}`)
    assert.equal(code, 'FST_SCGI_CONNECT')
    assert.match(message, /ENOTSOCK|ECONNREFUSED/)
  })

  test('a full listen queue', { skip: process.platform === 'linux' ? false : 'elsewhere such a connect() waits' }, async () => {
    await using dir = await tempDir()
    await using one = await fullBacklog(dir.socket())
    const { code, statusCode, message, cause } = await failure(one.address)
    assert.deepEqual([code, statusCode, systemCode(cause)], ['FST_SCGI_CONNECT', 502, 'EAGAIN'])
    assert.match(message, /EAGAIN, the listen queue of the application is full/)
  })

  test('refused', async () => {
    const { code, statusCode, message, phase, kind, cause } = await failure(await refusedAddress())
    assert.deepEqual([code, statusCode, phase, kind], ['FST_SCGI_CONNECT', 502, 'connect', 'error'])
    assert.equal(systemCode(cause), 'ECONNREFUSED')
    assert.match(message, /ECONNREFUSED, nobody listens there/)
  })

  test('a port of UDP is no port of TCP', async () => {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    const { code } = await failure(`127.0.0.1:${socket.address().port}`)
    socket.close()
    assert.equal(code, 'FST_SCGI_CONNECT')
  })
})

describe('an HTTP server', () => {
  // Its answer to a netstring: most wait for the end of a line that never comes, unless the parameters hold one.
  const line = { params: { LINE: '\r\n\r\n' } }

  test('of Node.js', async () => {
    const server = http.createServer((_request, reply) => reply.end('HTTP'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const bound = server.address()
    assert.ok(typeof bound === 'object' && bound !== null)
    for (const options of [line, {}]) {
      const { code, statusCode, message, phase, kind } = await failure(`127.0.0.1:${bound.port}`, options)
      assert.deepEqual([code, statusCode, phase, kind], ['FST_SCGI_INVALID_HEADER', 502, 'head', 'invalid_header'])
      assert.match(message, /'HTTP 400 Bad Request': this server speaks HTTP, not SCGI\. Give the address of the application's SCGI socket/)
    }
    server.closeAllConnections()
    server.close()
  })

  test('an application that answers 400 itself is not one', async () => {
    await using one = await startRecorder({ answer: 'Status: 400 Bad Request\r\nConnection: close\r\n\r\nno' })
    await using gateway = await startPassing({ upstreams: [one.address] })
    const { response } = await gateway.send('GET', '/')
    assert.deepEqual([response.statusCode, response.body.toString()], [400, 'no'])
  })
})

describe('a connection that is closed without a byte', () => {
  const large = (bytes: number): string[] => [`X-Large: ${'x'.repeat(bytes)}`]
  const cases: [string, string[], boolean, boolean][] = [
    ['a small header block', [], false, false],
    ['a header block over 2000 bytes', large(2000), true, false],
    ['a header block over 4096 bytes', large(4096), true, true],
  ]
  const deaths: [string, Answer][] = [
    ['closed', ''],
    ['reset', async (x) => { await x.body(); x.reset() }],
  ]
  for (const [how, answer] of deaths) {
    for (const [name, headers, rtorrent, uwsgi] of cases) {
      test(`${how}, ${name}`, async () => {
        await using one = await startRecorder({ answer })
        const { code, statusCode, message, phase, kind } = await failure(one.address, {}, headers)
        assert.deepEqual([code, statusCode, phase, kind], ['FST_SCGI_PREMATURE_CLOSE', 502, 'head', 'error'])
        assert.match(message, /without a byte of reply\. Usual causes: /)
        assert.match(message, /it crashed or refused the request; it does not speak SCGI \(uWSGI speaks its own protocol at --socket: give it --scgi-socket\)$/)
        assert.equal(/longer than the 2000 that rTorrent takes \(use defaultParams: 'minimal'\)/.test(message), rtorrent)
        assert.equal(/longer than uWSGI's buffer-size \(4096 unless set\)/.test(message), uwsgi)
        const size = one.requests[0]?.head.length
        assert.equal(message.includes(`the header block of ${size} bytes`), rtorrent)
        if (how === 'reset') assert.match(message, /ECONNRESET/)
      })
    }
  }

  test('while a large body is being sent', async () => {
    await using dir = await tempDir()
    await using one = await startRecorder({ listen: { path: dir.socket() }, answer: (x) => { x.pause(); x.socket.destroy() } })
    const { code, message, phase } = await failure(one.address, { bodyLimit: 1 << 22 }, large(5000), 'x'.repeat(1_000_000))
    // A write may notice it first, or a read.
    assert.match(code, /^FST_SCGI_(SEND|PREMATURE_CLOSE)$/)
    assert.equal(phase, 'send')
    assert.match(message, /without a byte of reply\. Usual causes: .*buffer-size/)
  })
})

describe('a reply that breaks off or is no reply', () => {
  test('closed inside the head', async () => {
    await using one = await startRecorder({ answer: 'Status: 200' })
    const { code, message, kind, phase, cause } = await failure(one.address)
    assert.deepEqual([code, kind, phase, cause], ['FST_SCGI_PREMATURE_CLOSE', 'error', 'head', undefined])
    assert.match(message, /closed the connection before the head of its reply was complete \(11 bytes had come\)$/)
  })

  test('reset inside the head', async () => {
    await using one = await startRecorder({ answer: async (x) => { await x.writeEach(['Status: 200']); x.reset() } })
    const { code, message, cause } = await failure(one.address)
    assert.deepEqual([code, systemCode(cause)], ['FST_SCGI_READ', 'ECONNRESET'])
    assert.match(message, /Reading the reply of .* failed: ECONNRESET$/)
  })

  test('a broken head', async () => {
    await using one = await startRecorder({ answer: 'Status: 200\r\nX-A\0B: c\r\n\r\n' })
    const { code, message, kind } = await failure(one.address)
    assert.deepEqual([code, kind], ['FST_SCGI_INVALID_HEADER', 'invalid_header'])
    assert.match(message, /sent an invalid reply head: line 2/)
  })

  test('a head over the limit', async () => {
    await using one = await startRecorder({ answer: `X-Large: ${'x'.repeat(5000)}\r\n\r\n` })
    const { code, message, kind } = await failure(one.address, { buffering: { bufferSize: '4k' } })
    assert.deepEqual([code, kind], ['FST_SCGI_HEADER_TOO_BIG', 'invalid_header'])
    assert.match(message, /a reply head of more than 4096 bytes \(buffering\.bufferSize\)$/)
  })

  test('no head in time: nothing came, or a part', async () => {
    for (const [bytes, words] of [['', 'nothing'], ['Status: 2', 'only a part of the head of its reply']] as const) {
      await using one = await startRecorder({ answer: async (x) => { if (bytes !== '') await x.write(bytes); await x.closed } })
      const { code, statusCode, message, kind, phase } = await failure(one.address, { readTimeout: 60 })
      assert.deepEqual([code, statusCode, kind, phase], ['FST_SCGI_READ_TIMEOUT', 504, 'timeout', 'head'])
      assert.ok(message.includes(`sent ${words} within 60 ms (readTimeout)`), message)
    }
  })

  test('after the head the client sees a cut, and the log has the reason', async () => {
    const cases: [Answer, string, RegExp][] = [
      ['Content-Length: 10\r\n\r\nshort', 'FST_SCGI_BODY_TRUNCATED', /is incomplete: got 5 of 10 bytes/],
      ['Transfer-Encoding: chunked\r\n\r\n5\r\nshort', 'FST_SCGI_BODY_TRUNCATED', /EOF/],
      ['Transfer-Encoding: chunked\r\n\r\nno size', 'FST_SCGI_BODY_TRUNCATED', /where a chunk size should begin/],
      [async (x) => { await x.writeEach(['\r\nshort']); x.reset() }, 'FST_SCGI_READ', /ECONNRESET/],
    ]
    for (const [answer, code, message] of cases) {
      await using one = await startRecorder({ answer })
      await using gateway = await startPassing({ upstreams: [one.address] })
      const { response } = await gateway.send('GET', '/')
      assert.equal(response.cut, true)
      const logged = gateway.log.flatMap(({ err }) => typeof err === 'object' && err !== null && 'code' in err && 'message' in err ? [err] : [])
      const found = logged.find((err) => err.code === code)
      assert.ok(found !== undefined, `${code} is in the log: ${JSON.stringify(logged)}`)
      assert.match(String(found.message), message)
    }
  })
})

test('onError gets the error in place of Fastify\'s handler', async () => {
  const refused = await refusedAddress()
  const got: unknown[] = []
  await using gateway = await startPassing({
    upstreams: [refused],
    onError: (reply, { error }) => {
      got.push('code' in error ? error.code : undefined)
      reply.code(503).send('sorry')
    },
  })
  const { response } = await gateway.send('GET', '/')
  assert.deepEqual([response.statusCode, response.body.toString(), got], [503, 'sorry', ['FST_SCGI_CONNECT']])
})
