import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'tstyche'
import { createScgiServer, scgiServerFactory, ScgiServer } from '../lib/server/index.ts'
import type { ScgiParams, ScgiRequestListener, ScgiServerOptions, ScgiServerRequest } from '../lib/server/index.ts'

test('createScgiServer takes what http.createServer takes', () => {
  const listener = (_req: IncomingMessage, _res: ServerResponse) => {}
  expect(createServer).type.toBeCallableWith(listener)
  expect(createScgiServer).type.toBeCallableWith(listener)
  expect(createScgiServer).type.toBeCallableWith({ nph: true }, listener)
  expect(createScgiServer).type.toBeCallableWith({})
  expect(createScgiServer).type.toBeCallableWith()
  expect(createScgiServer()).type.toBe<ScgiServer>()
  expect<ScgiServer>().type.toBeAssignableTo<Server>()
})

test('the listener sees the parameters', () => {
  const listener: ScgiRequestListener = (req, res) => {
    expect(req).type.toBe<ScgiServerRequest>()
    expect(req.scgi).type.toBe<ScgiParams>()
    expect(req.scgi['REMOTE_USER']).type.toBe<string | undefined>()
    expect(res.req.scgi).type.toBe<ScgiParams>()
    res.writeHead(200, { 'Content-Type': 'text/plain' }).end('ok')
  }
  createScgiServer(listener)
})

test('options', () => {
  expect<{ keepAliveTimeout: '5s', headersTimeout: 1000, maxParamsSize: '64k' }>().type.toBeAssignableTo<ScgiServerOptions>()
  expect<{ nph: 'yes' }>().type.not.toBeAssignableTo<ScgiServerOptions>()
  expect(createScgiServer).type.not.toBeCallableWith({ keepAlive: true })
})

test('scgiServerFactory is a serverFactory of Fastify', () => {
  const app = Fastify({ serverFactory: scgiServerFactory({ keepalive: false }) })
  expect(app.server).type.toBeAssignableTo<Server>()
  const plain: FastifyInstance = Fastify({ serverFactory: scgiServerFactory(), logger: true })
  expect(plain).type.toBe<FastifyInstance>()
})
