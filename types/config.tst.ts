import { expect, test } from 'tstyche'
import { createUpstreams } from '../lib/index.ts'
import { defineGateway, runGateway } from '../lib/run/index.ts'
import type { GatewayConfig, RunningGateway } from '../lib/run/index.ts'

test('defineGateway takes what there is, and nothing else', () => {
  expect(defineGateway({})).type.toBe<GatewayConfig>()
  expect(defineGateway).type.toBeCallableWith({ listen: [8080, 'unix:/run/a.sock', { port: 8443, tls: { cert: 'a', key: 'b', minVersion: 'TLSv1.3' as const }, http2: true }] })
  expect(defineGateway).type.toBeCallableWith({ workers: 'auto', mounts: ['127.0.0.1:4000', ['a:1', 'b:1'], createUpstreams({ servers: ['a:1'] }), { upstreams: 'a:1' }] })
  expect(defineGateway).type.not.toBeCallableWith({ listne: 8080 })
  expect(defineGateway).type.not.toBeCallableWith({ workers: 'many' })
  expect(defineGateway).type.not.toBeCallableWith({ listen: { port: 1, tls: { cert: 'a' } } })
  expect(defineGateway).type.not.toBeCallableWith({ mounts: [{ upstreams: 'a:1', readTimout: 5 }] })
  expect(defineGateway).type.not.toBeCallableWith({ fastify: { serverFactory: () => {} } })
})

test('runGateway takes a configuration or its file', () => {
  expect(runGateway({})).type.toBe<Promise<RunningGateway>>()
  expect(runGateway).type.toBeCallableWith('gateway.config.mjs', { signals: false })
})
