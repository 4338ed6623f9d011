import Fastify, { type FastifyInstance } from 'fastify'
import { describe, expect, test } from 'tstyche'
import scgi, { createUpstreams, fastifyScgi, type FastifyScgiOptions, type ScgiRequestInfo, type UpstreamGroup } from '../lib/index.ts'

const app: FastifyInstance = Fastify()

describe('register', () => {
  test('takes options', () => {
    app.register(scgi, { upstreams: '127.0.0.1:4000' })
    app.register(scgi, { prefix: '/app', upstreams: ['127.0.0.1:4000', { address: 'unix:/run/app.sock', weight: 2, backup: true }] })
    app.register(fastifyScgi, { upstreams: { name: 'app', servers: ['127.0.0.1:4000'] }, nextUpstream: ['error', 'http_503'] })
    app.register(scgi, { upstreams: async request => request.headers.host ?? 'app' })
  })
  test('takes the upstreams alone', () => {
    app.register(scgi, '127.0.0.1:4000')
    app.register(scgi, ['127.0.0.1:4000', 'unix:/run/app.sock'])
    app.register(scgi, createUpstreams(['127.0.0.1:4000']))
  })
  test('refuses a misspelled option', () => {
    // @ts-expect-error No overload matches this call
    app.register(scgi, { upstreams: '127.0.0.1:4000', readTimeOut: 10 })
    // @ts-expect-error No overload matches this call
    app.register(scgi, { upstream: '127.0.0.1:4000' })
    // @ts-expect-error No overload matches this call
    app.register(scgi, { upstreams: '127.0.0.1:4000', nextUpstream: ['http_502'] })
    // @ts-expect-error No overload matches this call
    app.register(scgi, 4000)
  })
  test('an option that is not delivered yet is not in the types', () => {
    expect<FastifyScgiOptions>().type.not.toHaveProperty('cache')
    expect<FastifyScgiOptions>().type.not.toHaveProperty('store')
    expect<FastifyScgiOptions>().type.not.toHaveProperty('sendfile')
  })
})

describe('decorators', () => {
  test('are typed', () => {
    app.get('/', (request, reply) => {
      expect(request.scgi).type.toBe<ScgiRequestInfo | null>()
      expect(app.scgi.groups.get('app')).type.toBe<UpstreamGroup | undefined>()
      return reply.scgi({ upstreams: '127.0.0.1:4000' })
    })
  })
  test('are typed for what they take', () => {
    app.get('/', (_request, reply) => {
      // @ts-expect-error Object literal may only specify known properties
      return reply.scgi({ upstreams: '127.0.0.1:4000', prefix: '/x' })
    })
  })
})
