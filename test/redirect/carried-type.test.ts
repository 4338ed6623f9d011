// The Content-Type that an X-Accel-Redirect gives to a file, and what the filters make of it.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { get } from '../gateway/kit.ts'

test('it is that of each part, and has the charset', async () => {
  await using dir = await tempDir()
  await writeFile(join(dir.path, 'page.html'), '0123456789'.repeat(20))
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.get('/text', async (_request, reply) => {
      reply.header('content-type', 'text/html')
      return 'text'
    })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address, internal: { '/files/': dir.path } })
  })
  await using client = await RawClient.connect(gateway)
  const two = 'Range: bytes=0-9,100-109'
  const inParts = 'multipart/byteranges'
  for (const [headers, range, status, type, part] of [
    [['Content-Type: application/pdf'], undefined, 200, 'application/pdf', undefined],
    [['Content-Type: application/pdf'], 'Range: bytes=0-9', 206, 'application/pdf', undefined],
    [['Content-Type: application/pdf'], two, 206, inParts, 'application/pdf'],
    [['Content-Type: text/plain', 'X-Accel-Charset: utf-8'], undefined, 200, 'text/plain; charset=utf-8', undefined],
    [['Content-Type: text/plain', 'X-Accel-Charset: utf-8'], two, 206, inParts, 'text/plain; charset=utf-8'],
    [['X-Accel-Charset: utf-8'], undefined, 200, 'text/html; charset=utf-8', undefined],
    [[], two, 206, inParts, 'text/html'],
  ] as const) {
    recorder.answer = ['X-Accel-Redirect: /files/page.html', ...headers].join('\r\n') + '\r\n\r\n'
    const what = `${headers.join(', ')}, ${range}`
    const response = await client.request(get('/app/x', ...(range === undefined ? [] : [range])))
    const outer = headerValue(response, 'content-type') ?? ''
    assert.equal(response.statusCode, status, what)
    if (part === undefined) {
      assert.equal(outer, type, what)
      continue
    }
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(outer)?.[1]
    assert.ok(boundary !== undefined, `${what}: ${outer}`)
    const body = response.body.toString()
    assert.equal(body.split(`--${boundary}`).length, 4, what)
    assert.deepEqual([...body.matchAll(/^Content-Type: (.*)\r$/gm)].map(match => match[1]), [part, part], what)
  }
  recorder.answer = 'X-Accel-Redirect: /text\r\nContent-Type: text/plain\r\nX-Accel-Charset: utf-8\r\n\r\n'
  assert.equal(headerValue(await client.request(get('/app/x')), 'content-type'), 'text/plain; charset=utf-8')
  recorder.answer = 'X-Accel-Redirect: /files/missing\r\nContent-Type: text/plain\r\nX-Accel-Charset: utf-8\r\n\r\n'
  assert.match(headerValue(await client.request(get('/app/x')), 'content-type') ?? '', /^application\/json/)
})
