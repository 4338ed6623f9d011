import Fastify from 'fastify'
import { Registry } from 'prom-client'
import { expect, test } from 'tstyche'
import type { ScgiChannels, UpstreamServer } from './index.ts'
import metrics from '../lib/observe/metrics/index.ts'
import tracing from '../lib/observe/tracing/index.ts'
import type { MetricsOptions } from '../lib/observe/metrics/index.ts'
import type { TracingOptions } from '../lib/observe/tracing/index.ts'

const app = Fastify()

test('what is published on a channel has a type', () => {
  expect<ScgiChannels['fastify-scgi:attempt:end']['server']>().type.toBe<UpstreamServer>()
  expect<ScgiChannels['fastify-scgi:request:end']['statusCode']>().type.toBe<number | undefined>()
  expect<ScgiChannels>().type.not.toHaveProperty('fastify-scgi:attempt:finish')
})

test('metrics', () => {
  expect(app.register).type.toBeCallableWith(metrics)
  expect(app.register).type.toBeCallableWith(metrics, { registry: new Registry(), endpoint: '/inside' })
  app.register(metrics, { authorize: (request, reply, done) => request.ip === '127.0.0.1' ? done() : reply.code(403).send() })
  expect(app.register).type.toBeCallableWith(metrics, { endpoint: false })
  expect<{ endpoint: true }>().type.not.toBeAssignableTo<MetricsOptions>()
  expect(app.register).type.not.toBeCallableWith(metrics, { endpiont: '/inside' })
})

test('tracing', () => {
  expect(app.register).type.toBeCallableWith(tracing, { propagate: false })
  expect<{ propagate: 'no' }>().type.not.toBeAssignableTo<TracingOptions>()
  expect(app.register).type.not.toBeCallableWith(tracing, { propogate: false })
})
