// Paths are bytes wherever they lead: files of internal redirects, stored replies, and what handlers of the user's pass on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes } from './kit.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Spellings of what routes `/app/admin/*` and `/app/@admin` stand before, and the status of those with a body that has been read. */
const PAST_GUARDS: [target: string, get: number, post: number][] = [
  ['/app/admin/users', 403, 403], ['/app//admin/users', 403, 400], ['/app/%61dmin/users', 403, 403], ['/app/admin%2Fusers', 403, 400],
  ['/app/admin%2fusers', 403, 400], ['/app%2Fadmin/users', 404, 404], ['/app/x/../admin/users', 403, 400], ['/app/x%2F..%2Fadmin/users', 403, 400],
  ['/app/%2e/admin/users', 403, 400], ['/app/admin//users', 403, 403], ['/app/%40admin', 403, 400], ['/app/c//../admin/users', 403, 400],
  ['http://a/app//admin/users', 403, 400], ['/app/../b', 400, 400], ['/app/%00', 400, 400], ['/app/%zz', 400, 400],
]
/** Spellings of what nothing stands before, and PATH_INFO. */
const PASSED: [target: string, pathInfo: string][] = [
  ['/app/a%20b', '/app/a b'], ['/app//b', '/app/b'], ['/app/a%2Fb', '/app/a/b'], ['/app/a%252Fb', '/app/a%2Fb'], ['/app/a%5Cb', '/app/a\\b'],
  ['/app/a\\b', '/app/a\\b'], ['/app/admin\\users', '/app/admin\\users'], ['/app/x\\..\\admin\\users', '/app/x\\..\\admin\\users'],
  ['/app/caf%C3%A9', '/app/caf\xc3\xa9'], ['/app/a;b', '/app/a;b'], ['/app/~%7E', '/app/~~'],
]
/** The same of paths whose `..` leads nowhere near: what a handler takes from the URL itself is refused by @fastify/reply-from. */
const WITH_DOTS: [target: string, pathInfo: string][] = [['/app/a//../b', '/app/b'], ['/app/a..b/..c', '/app/a..b/..c']]

const HANDLERS: Record<string, (request: FastifyRequest, reply: FastifyReply) => FastifyReply> = {
  'reply.from()': (_request, reply) => reply.from(),
  'reply.from(request.url)': (request, reply) => reply.from(request.url),
}

for (const [name, handler] of Object.entries(HANDLERS)) {
  test(`no spelling of a path goes past a route to the application: ${name}`, async () => {
    await using recorder = await startRecorder()
    await using gateway = await startGateway(async app => {
      await app.register(scgi, { prefix: '/scgi', upstreams: recorder.address, replyFrom: true })
      app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
      for (const guarded of ['/app/admin/*', '/app/@admin']) app.all(guarded, (_request, reply) => reply.code(403).send())
      app.all('/app/*', handler)
    })
    const ask = async (method: string, target: string): Promise<(string | number | undefined)[]> => {
      const body = method === 'POST' ? 'hi' : ''
      const { statusCode } = await rawRequest(gateway, bytes([
        `${method} ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...(body === '' ? [] : ['Content-Length: 2', 'Content-Type: application/octet-stream']),
      ], body))
      const asked = recorder.requests.flatMap(request => [request.param('PATH_INFO'), request.body.toString()])
      recorder.clear()
      return [statusCode, ...asked]
    }
    for (const [target, get, post] of PAST_GUARDS) {
      assert.deepEqual(await ask('GET', target), [get], target)
      assert.deepEqual(await ask('POST', target), [post], target)
    }
    for (const [target, pathInfo] of [...PASSED, ...name === 'reply.from()' ? WITH_DOTS : []]) {
      assert.deepEqual(await ask('GET', target), [200, pathInfo, ''], target)
      assert.deepEqual(await ask('POST', target), [200, pathInfo, 'hi'], target)
    }
  })
}
