// app.inject(): requests without a connection, as users' tests make them.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createCache } from '../../lib/index.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

test('long replies, streamed ones, files, and what comes from the cache', async () => {
  await using dir = await tempDir()
  const body = 'inject'.repeat(50_000)
  await writeFile(dir.file('a.txt'), body)
  await using recorder = await startRecorder({ answer: `Content-Type: text/plain\r\nAccept-Ranges: bytes\r\nContent-Length: ${body.length}\r\n\r\n${body}` })
  const app = Fastify()
  try {
    app.register(scgi, { prefix: '/plain', upstreams: recorder.address })
    app.register(scgi, { prefix: '/unbuffered', upstreams: recorder.address, buffering: false })
    app.register(scgi, { prefix: '/cached', upstreams: recorder.address, cache: { zone: createCache({ name: 'inject' }), valid: '1m' } })
    app.register(scgi, { prefix: '/file', upstreams: recorder.address, sendfile: { root: dir.path } })
    for (const path of ['/plain', '/unbuffered', '/cached', '/cached']) {
      const response = await app.inject(path)
      assert.deepEqual([response.statusCode, response.body.length], [200, body.length], path)
    }
    const part = await app.inject({ url: '/cached', headers: { range: 'bytes=0-5' } })
    assert.deepEqual([part.statusCode, part.body.slice(0, 10)], [206, 'inject'])
    recorder.answer = 'X-Sendfile: a.txt\r\n\r\n'
    assert.equal((await app.inject('/file')).body.length, body.length)
    recorder.answer = 'X-Sendfile: b.txt\r\n\r\n'
    assert.equal((await app.inject('/file')).statusCode, 404)
  } finally {
    await app.close()
  }
})
