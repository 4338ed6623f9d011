// What the log says while servers are out: why, once, and for each request no more than a line of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { startPassing, type PassingGateway } from '../helpers/passing.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { freePort } from '../helpers/ready.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

function warnings (gateway: PassingGateway): string[] {
  return gateway.log.filter(({ level, upstream }) => level === 40 && upstream !== undefined).map(({ msg }) => msg)
}

const REASONS: [name: string, answer: string | undefined, reason: RegExp, options?: Partial<FastifyScgiOptions>][] = [
  ['no reply', '', /closed the connection before the head of its reply was complete/],
  ['an invalid head', 'bad head\r\n\r\n', /sent an invalid reply head/],
  ['a timeout', undefined, /within 50 ms \(readTimeout\)/, { readTimeout: 50 }],
  ['a status', 'Status: 503\r\n\r\n', /: it answered with status 503$/, { nextUpstream: ['http_503'] }],
]

for (const [name, answer, reason, options] of REASONS) {
  test(`why a server is out: ${name}`, async () => {
    await using bad = await startRecorder(answer === undefined ? { answer: async () => {} } : { answer })
    await using good = await startRecorder()
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [bad.address, good.address] }, ...options })
    for (let n = 0; n < 6; n++) await gateway.send('GET', '/')
    const [warning = '', ...more] = warnings(gateway)
    assert.deepEqual(more, [])
    assert.ok(warning.startsWith(`upstream server ${bad.address} is taken out of g after 1 failed attempts: `), warning)
    assert.match(warning, reason)
  })
}

test('why a server is out: a status of failOnStatus, after another failure before', async () => {
  await using bad = await startRecorder({ answer: '' })
  await using good = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [{ address: bad.address, maxFails: 2 }, good.address], failOnStatus: [500] } })
  await gateway.send('GET', '/')
  bad.answer = 'Status: 500\r\n\r\n'
  for (let n = 0; n < 4; n++) await gateway.send('GET', '/')
  assert.deepEqual(warnings(gateway), [`upstream server ${bad.address} is taken out of g after 2 failed attempts: it answered with status 500`])
})

test('an outage: one warning a server that says why, and no stack trace for any request, whoever answers it', async () => {
  const ports = [await freePort(), await freePort()]
  const lines: string[] = []
  await using app = Fastify({ logger: { level: 'debug', stream: { write: (line: string) => { lines.push(line) } } } })
  app.register(scgi, { prefix: '/group', upstreams: { name: 'g', servers: ports.map(port => `127.0.0.1:${port}`) } })
  app.register(scgi, { prefix: '/single', upstreams: `127.0.0.1:${ports[0]}` })
  app.register(scgi, { prefix: '/pages', upstreams: `127.0.0.1:${ports[0]}`, errorPages: { 502: '/sorry' } })
  app.register(scgi, { prefix: '/http', upstreams: [`http://127.0.0.1:${ports[0]}`] })
  app.register(scgi, { prefix: '/https', upstreams: [`https://127.0.0.1:${ports[0]}`] })
  app.register(scgi, { prefix: '/name', upstreams: () => 'nobody.invalid:4000', allowAnyUpstream: true })
  app.get('/sorry', async () => 'sorry')
  app.get('/reply', (_request, reply) => reply.scgi({ upstreams: `127.0.0.1:${ports[0]}` }))
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  for (let n = 0; n < 3; n++) {
    for (const path of ['/group/', '/single/', '/pages/', '/http/', '/https/', '/name/', '/reply']) {
      const { status } = await fetch(`${origin}${path}`)
      assert.equal(status, 502, path)
    }
  }
  const out = lines.filter(line => line.includes('is taken out of g'))
  assert.equal(out.length, 2)
  for (const line of out) assert.match(line, /after 1 failed attempts: connect\(\) to .*ECONNREFUSED/)
  const failures = lines.filter(line => line.includes('"level":50'))
  assert.equal(failures.length, 3 * 7)
  for (const line of lines) {
    assert.ok(!/\\n\s+at /.test(line), line)
    assert.ok(line.length < 1000, line)
  }
})
