// Wherever an internal redirect fails, the client is told no path of the inside, and the operator is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import accel from '../../lib/accel/index.ts'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes } from './kit.ts'
import type { FastifyInstance } from 'fastify'

const LONG = 'x'.repeat(101)
const INSIDE = /inside|lone|%E9|caf|xxxx|\/srv/i

/** What an application says, the status for the client, and what the log has. */
const REDIRECTS: Record<string, [head: string, status: number, log: RegExp]> = {
  'a missing route': ['X-Accel-Redirect: /inside/none', 404, /\/inside\/none/],
  'a missing route, with a query': ['X-Accel-Redirect: /inside/none?lone=1', 404, /\/inside\/none\?lone=1/],
  'a missing route that is no UTF-8': ['X-Accel-Redirect: /inside/caf%E9', 404, /\/inside\/caf%E9/],
  'a missing file': ['X-Accel-Redirect: /inside-files/none', 404, /inside-files\/none/],
  'a missing file that is no UTF-8': ['X-Accel-Redirect: /inside-files/caf%E9', 404, /inside-files\/caf%E9/],
  'a path that is refused': ['X-Accel-Redirect: /inside-files/a%00', 404, /inside-files\/a%00/],
  'one that leads upwards': ['X-Accel-Redirect: /inside/../x', 404, /\/inside\/\.\.\/x/],
  'without a slash': ['X-Accel-Redirect: inside', 404, /inside/],
  'a malformed escape': ['X-Accel-Redirect: /inside/%zz', 404, /\/inside\/%zz/],
  'a handler that finds nothing': ['X-Accel-Redirect: /inside-handler/lone', 404, /inside-handler\/lone/],
  'a segment too long for a parameter': [`X-Accel-Redirect: /inside-param/${LONG}`, 404, /inside-param\/x+/],
  'a Location that is followed': ['Location: /inside/none', 404, /\/inside\/none/],
  'a Location to what is internal': ['Location: /inside-files/none', 404, /inside-files\/none/],
  'a cycle': ['X-Accel-Redirect: /bare/inside', 500, /bare\/inside/],
  'a missing location': ['X-Accel-Redirect: @lone', 500, /@lone/],
  'a location that finds nothing': ['X-Accel-Redirect: @found', 404, /internal redirect to @found/],
  'a missing error page': ['Status: 500', 404, /inside-page\/500/],
  'a missing error page with a status of its own': ['Status: 503', 404, /inside-page\/503/],
  'an error page that is too long for a parameter': ['Status: 403', 404, /inside-param\/x+/],
  'a missing error page of a failed redirect': ['X-Accel-Redirect: /inside/../x', 404, /\/inside\/\.\.\/x/],
}

function routes (app: FastifyInstance): void {
  app.get('/inside-handler/:name', { config: { scgi: { internal: true } } }, (_request, reply) => { reply.callNotFound() })
  app.get('/inside-param/:name', () => 'never')
}

for (const [where, inScope] of [['for the application', false], ['in an instance of its own', true]] as const) {
  test(`no error shows an internal path to the client: registered ${where}`, async () => {
    await using directory = await tempDir()
    let head = ''
    await using recorder = await startRecorder({ answer: exchange => exchange.end(`${head}\r\nContent-Type: text/plain\r\n\r\nbody`) })
    await using gateway = await startGateway(async app => {
      routes(app)
      await app.register(async scope => {
        const options = { upstreams: recorder.address, internalRedirect: true, interceptErrors: true }
        await scope.register(scgi, { ...options, prefix: '/bare', internal: { '/inside-files/': directory.path } })
        await scope.register(scgi, {
          ...options,
          prefix: '/pages',
          errorPages: { 404: '/inside-page/404', 500: '/inside-page/500', 503: { to: '/inside-page/503', status: 'target' }, 403: `/inside-param/${LONG}` },
        })
        scope.scgi.location('@found', (_request, reply) => { reply.callNotFound() })
      }, inScope ? { prefix: '/' } : {})
    })
    for (const [name, [said, status, log]] of Object.entries(REDIRECTS)) {
      head = said
      for (const method of ['GET', 'POST']) {
        gateway.log.length = 0
        const { statusCode, body, headers } = await rawRequest(gateway, bytes([`${method} /${name.includes('page') ? 'pages' : 'bare'}/x HTTP/1.1`, 'Host: a', 'Content-Length: 2', 'Connection: close'], 'hi'))
        const text = `${JSON.stringify(headers)}${body.toString('latin1')}`
        assert.equal(statusCode, status, `${name}, ${method}: ${text}`)
        assert.doesNotMatch(text, INSIDE, `${name}, ${method}`)
        assert.match(JSON.stringify(gateway.log), log, `${name}, ${method}`)
      }
    }
  })
}

test('no error shows an internal path to the client: fastify-scgi/accel alone', async () => {
  let target = ''
  await using gateway = await startGateway(async app => {
    routes(app)
    app.get('/app/:name', (_request, reply) => reply.header('X-Accel-Redirect', target).send('body'))
    await app.register(accel, { trust: () => true, redirectTo: ['/inside', '/inside-handler', '/inside-param', '/app', '@lone'] })
  })
  for (const [name, [said]] of Object.entries(REDIRECTS)) {
    if (!said.startsWith('X-Accel-Redirect: ')) continue
    target = said.slice('X-Accel-Redirect: '.length).replace('/bare/', '/app/')
    gateway.log.length = 0
    const response = await fetch(`${gateway.url}/app/x`)
    const text = await response.text()
    assert.equal(response.status, target === '/app/inside' || target === '@lone' ? 500 : 404, `${name}: ${text}`)
    assert.doesNotMatch(text, INSIDE, name)
    assert.ok(JSON.stringify(gateway.log).includes(target.slice(0, 30)), name)
  }
})
