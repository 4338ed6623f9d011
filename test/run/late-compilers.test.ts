// Fastify loads at its start what compiles schemas; a gateway whose configuration has no `setup` needs none of it.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { runGateway } from '../../lib/run/index.ts'
import type { GatewayConfig } from '../../types/config.ts'

const { cache } = createRequire(import.meta.url)

function loaded (): string[] {
  const paths = Object.keys(cache)
  return ['ajv', '@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler'].filter(name => paths.some(path => path.includes(`/node_modules/${name}/`)))
}

async function start (config: GatewayConfig) {
  const gateway = await runGateway({ listen: 0, log: { level: 'silent' }, mounts: ['127.0.0.1:1'], ...config }, { signals: false })
  const { app } = gateway
  assert.ok(app !== undefined)
  return { app, [Symbol.asyncDispose]: () => gateway.close() }
}

// The order of these matters: what is loaded once stays.
test('without setup no compiler of schemas is loaded', async () => {
  await using gateway = await start({})
  const { app } = gateway
  assert.equal((await app.inject('/')).statusCode, 502)
  assert.deepEqual(loaded(), [])
})

test('the first schema that a function of a mount has compiled loads them', async () => {
  const schema = { type: 'object', properties: { n: { type: 'number' } } }
  let seen: unknown
  await using gateway = await start({
    mounts: [{
      upstreams: '127.0.0.1:1',
      params: {
        CHECKED (request) {
          const check = request.compileValidationSchema(schema)
          seen = [check({ n: 1 }), check({ n: 'a' })]
          return 'yes'
        },
      },
    }],
  })
  assert.equal((await gateway.app.inject('/')).statusCode, 502)
  assert.deepEqual(seen, [true, false])
  assert.ok(loaded().includes('@fastify/ajv-compiler'))
})

test("with setup the compilers are Fastify's own, to which names of headers are small", async () => {
  await using gateway = await start({
    mounts: [{ prefix: '/app', upstreams: '127.0.0.1:1' }],
    setup (app) {
      const schema = {
        headers: { type: 'object', required: ['X-Number'], properties: { 'X-Number': { type: 'integer' } } },
        response: { 200: { type: 'object', properties: { n: { type: 'integer' } } } },
      }
      app.get('/', { schema }, request => ({ n: request.headers['x-number'], more: 1 }))
    },
  })
  const { app } = gateway
  assert.equal((await app.inject('/')).statusCode, 400)
  assert.equal((await app.inject({ url: '/', headers: { 'x-number': '7' } })).body, '{"n":7}')
})
