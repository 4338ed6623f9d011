// The installed package: every entry point loads, by import and by require, and a request goes through.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import scgi, { createCache, createUpstreams, errors } from 'fastify-scgi'
import accel from 'fastify-scgi/accel'
import { testCacheStore } from 'fastify-scgi/cache-store-suite'
import { ScgiDispatcher } from 'fastify-scgi/dispatcher'
import { createScgiServer, scgiServerFactory } from 'fastify-scgi/server'

const require = createRequire(import.meta.url)
assert.equal(require('fastify-scgi'), scgi)
assert.equal(require('fastify-scgi/server').createScgiServer, createScgiServer)
assert.equal(typeof scgiServerFactory, 'function')
assert.equal(typeof errors.FST_SCGI_CONNECT, 'function')
assert.equal(typeof testCacheStore, 'function')

const server = createScgiServer((request, response) => response.end(`${request.method} ${request.url} ${request.scgi.SCRIPT_NAME}`))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = `127.0.0.1:${server.address().port}`

const app = Fastify()
app.register(accel, { trust: () => true, redirectTo: ['/app'] })
app.register(scgi, { prefix: '/app', upstreams: createUpstreams([address]), cache: { zone: createCache({ name: 'smoke' }), valid: '1m' } })
app.get('/away', (_request, reply) => { reply.header('x-accel-redirect', '/app/hello').send() })
const url = await app.listen({ port: 0, host: '127.0.0.1' })
const response = await fetch(`${url}/app/hello`, { headers: { connection: 'close' } })
assert.equal(response.status, 200)
assert.equal(await response.text(), 'GET /app/hello /app')
assert.equal(await (await fetch(`${url}/away`, { headers: { connection: 'close' } })).text(), 'GET /app/hello /app', 'from the cache')

const dispatcher = new ScgiDispatcher(address)
const { body } = await dispatcher.request({ origin: 'http://localhost', path: '/hello', method: 'GET' })
assert.equal(await body.text(), 'GET /hello ')

await dispatcher.close()
await app.close()
server.close()

const { version, bin } = require('fastify-scgi/package.json')
const cli = require.resolve('fastify-scgi/package.json').replace(/package\.json$/, bin['fastify-scgi'])
assert.equal(execFileSync(process.execPath, [cli, '--version'], { encoding: 'utf8' }), `${version}\n`)
console.log(`Node.js ${process.version}: fastify-scgi ${version} works`)
