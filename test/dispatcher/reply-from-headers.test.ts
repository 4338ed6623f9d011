// What the hook rewriteHeaders gives to reply.from() is held to the same rules as that of a mount.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { startRecorder } from '../helpers/recorder.ts'
import type { FastifyReplyFromHooks } from '@fastify/reply-from'
import type { FastifyScgiOptions } from '../../types/options.ts'

type Rewrite = NonNullable<FastifyReplyFromHooks['rewriteHeaders']> & NonNullable<FastifyScgiOptions['rewriteHeaders']>

const ANSWER = 'Status: 200\r\nContent-Type: text/plain\r\nX-App: 1\r\n\r\nok'

/** Whose hook it is: that of the registration, or of the call. */
const OWNERS: Record<string, (rewriteHeaders: Rewrite) => [Partial<FastifyScgiOptions>, FastifyReplyFromHooks]> = {
  registration: rewriteHeaders => [{ rewriteHeaders }, {}],
  call: rewriteHeaders => [{}, { rewriteHeaders }],
}

const WRONG: Record<string, Rewrite> = {
  nothing: () => Reflect.get({}, 'none'),
  null: () => Reflect.get(Object({ none: null }), 'none'),
  'a line break in a value': () => ({ 'x-bad': 'a\nb' }),
  'a line break in a list': () => ({ 'x-bad': ['a', 'a\nb'] }),
  'a name with a space': () => ({ 'x bad': 'a' }),
}

for (const [owner, hooks] of Object.entries(OWNERS)) {
  for (const [kind, rewriteHeaders] of Object.entries(WRONG)) {
    test(`hook of the ${owner}: ${kind} is answered with 500, without the headers of the reply`, async () => {
      await using server = await startRecorder({ answer: ANSWER })
      const [options, own] = hooks(rewriteHeaders)
      await using gateway = await startGateway(async app => {
        await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: server.address, ...options })
        app.get('/from', (_request, reply) => reply.from('/there', own))
      })
      const reply = await fetch(`${gateway.url}/from`)
      assert.deepEqual([reply.status, reply.headers.get('x-app'), reply.headers.get('x-bad')], [500, null, null])
      await reply.text()
      await server.idle()
    })
  }

  test(`hook of the ${owner}: it cannot lose the cookie of a sticky group`, async () => {
    await using server = await startRecorder({ answer: ANSWER })
    const [options, own] = hooks(() => ({ 'Set-Cookie': 'hook=1' }))
    await using gateway = await startGateway(async app => {
      await app.register(scgi, {
        prefix: '/scgi', replyFrom: true, upstreams: { servers: [server.address], sticky: { cookie: { name: 'route', secret: 'sixteen bytes or more' } } }, ...options,
      })
      app.get('/from', (_request, reply) => reply.from('/there', own))
    })
    const reply = await fetch(`${gateway.url}/from`)
    assert.match(reply.headers.getSetCookie().join('; '), /^hook=1; route=[\w-]+/)
    await reply.text()
  })
}
