// Over all headers by which an application steers: each is hidden, ignored where that is said, dropped from clients, and obeyed.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import Fastify from 'fastify'
import accel from '../../lib/accel/index.ts'
import { lastingPlan } from '../../lib/reply/reply-plan.ts'
import { compileResponse } from '../../lib/exchange/response-options.ts'
import { isAccel, STEERING } from '../../lib/http/accel-headers.ts'
import scgi, { createCache } from '../../lib/index.ts'
import { SENDFILE } from '../../lib/options/table/reply.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { FastifyScgiOptions } from '../../types/options.ts'

type Name = keyof typeof STEERING

/** A value of each, and what shows that it was obeyed: of two equal requests the second reply. */
const EFFECTS: Record<Name, { value: string, obeyed: (reply: { body: string, headers: Record<string, unknown> }) => boolean }> = {
  redirect: { value: '/target', obeyed: ({ body }) => body === 'the target' },
  // How fast it went only a clock could tell: see the test below.
  limitRate: { value: '1000000', obeyed: ({ body }) => body === 'ok' },
  // What is not read ahead of the client is not cached.
  buffering: { value: 'no', obeyed: ({ headers }) => headers['x-cache'] !== 'HIT' },
  charset: { value: 'koi8-r', obeyed: ({ headers }) => headers['content-type'] === 'text/plain; charset=koi8-r' },
  expires: { value: '0', obeyed: ({ headers }) => headers['x-cache'] !== 'HIT' },
  sendfile: { value: 'a.txt', obeyed: ({ body }) => body === 'the file' },
}

const NAMES: readonly Name[] = ['redirect', 'limitRate', 'buffering', 'charset', 'expires', 'sendfile']

for (const name of NAMES) {
  const { spelling, hidden, option } = STEERING[name]
  const { value, obeyed } = EFFECTS[name]

  test(`${spelling} of an application: obeyed and hidden, or ignored, or passed on`, async () => {
    await using dir = await tempDir()
    await writeFile(dir.file('a.txt'), 'the file')
    await using recorder = await startRecorder()
    recorder.answer = `Content-Type: text/plain\r\nContent-Length: 2\r\n${spelling}: ${value}\r\n\r\nok`
    const second = async (options: Partial<FastifyScgiOptions>): Promise<{ body: string, headers: Record<string, unknown> }> => {
      await using app = Fastify()
      app.get('/target', async () => 'the target')
      const cache = { zone: createCache({ name: 'steered' }), valid: '1h', statusHeader: 'X-Cache' } as const
      app.register(scgi, { upstreams: recorder.address, prefix: '/app', cache, ...options })
      await app.inject('/app/x')
      const { body, headers } = await app.inject('/app/x')
      return { body, headers }
    }
    const sendfile = { root: dir.path }
    const plain = await second(option === 'sendfile' ? { sendfile } : {})
    assert.ok(obeyed(plain), JSON.stringify(plain))
    assert.equal(plain.headers[spelling.toLowerCase()], undefined)
    const without = await second(option === 'sendfile' ? {} : { ignoreHeaders: [spelling] })
    if (name !== 'limitRate') assert.ok(!obeyed(without), JSON.stringify(without))
    assert.equal(without.headers[spelling.toLowerCase()], hidden ? undefined : value)
    const passed = await second({ ignoreHeaders: option === 'sendfile' ? [] : [spelling], passHeaders: [spelling] })
    assert.equal(passed.headers[spelling.toLowerCase()], value)
  })

  test(`${spelling} of a client: dropped`, async () => {
    await using recorder = await startRecorder()
    await using app = Fastify()
    app.register(scgi, { upstreams: recorder.address, sendfile: { root: '/srv' } })
    const param = `HTTP_${spelling.toUpperCase().replaceAll('-', '_')}`
    await app.inject({ url: '/', headers: { [spelling]: value, 'x-other': '1' } })
    const sent = new Map(recorder.requests[0]?.params)
    assert.equal(sent.get('HTTP_X_OTHER'), '1')
    assert.equal(sent.has(param), false)
  })

  if (STEERING[name].accel) {
    test(`${spelling} of any route with accel: obeyed and taken away, or left to the client`, async () => {
      await using dir = await tempDir()
      await writeFile(dir.file('a.txt'), 'the file')
      for (const trusted of [true, false]) {
        await using app = Fastify()
        app.register(accel, { trust: () => trusted, redirectTo: ['/'], root: dir.path })
        app.get('/target', async () => 'the target')
        app.get('/x', (_request, reply) => { reply.header(spelling, value).header('content-type', 'text/plain').send('ok') })
        const reply = await app.inject('/x')
        if (name !== 'limitRate') assert.equal(obeyed(reply), trusted, reply.body)
        assert.equal(reply.headers[spelling.toLowerCase()], trusted ? undefined : value)
      }
    })
  }
}

test('the rate is obeyed, too, unless it is ignored', () => {
  const head = {
    statusCode: 200, statusMessage: '', headers: { 'x-accel-limit-rate': '1234' }, rawHeaders: [], contentLength: -1, chunked: false, nph: false,
  }
  assert.equal(lastingPlan(head, compileResponse({})).rate, 1234)
  assert.equal(lastingPlan(head, compileResponse({ ignoreHeaders: ['X-Accel-Limit-Rate'] })).rate, undefined)
})

test('names: X-Accel-* all, and the default of sendfile.header', () => {
  assert.deepEqual(Object.keys(STEERING), NAMES)
  for (const { name, spelling, option } of Object.values(STEERING)) {
    assert.equal(name, spelling.toLowerCase())
    assert.equal(isAccel(name), option === 'ignoreHeaders')
  }
  assert.equal(SENDFILE.header.default, STEERING.sendfile.spelling)
})
