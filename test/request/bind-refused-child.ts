// Run by bind-transparent.test.ts as a process of its own, which lacks something that transparent sockets need. Tells how it is refused.
import Fastify from 'fastify'
import scgi, { ScgiClient } from '../../lib/index.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const upstreams = ['127.0.0.1:1', '127.0.0.1:2']
const bind = { address: '127.0.0.9', transparent: true }

async function refusal (call: () => unknown): Promise<string> {
  try {
    await call()
    return 'taken'
  } catch (error) {
    return error instanceof Error && 'code' in error ? `${error.code} ${error.message}` : String(error)
  }
}

async function register (options: FastifyScgiOptions): Promise<void> {
  await using app = Fastify()
  app.register(scgi, options)
  await app.ready()
}

async function inHandler (): Promise<void> {
  await using app = Fastify()
  app.register(scgi, { prefix: '/x', upstreams })
  app.get('/', (_request, reply) => reply.scgi({ upstreams, bind }))
  let failure: Error | undefined
  app.setErrorHandler((error: Error, _request, reply) => {
    failure = error
    reply.send('failed')
  })
  await app.inject('/')
  if (failure !== undefined) throw failure
}

async function byFunction (): Promise<string[]> {
  await using app = Fastify()
  app.register(scgi, { upstreams, bind: () => bind })
  let message = ''
  app.setErrorHandler((error: Error, request, reply) => {
    message = error.message
    reply.code(500).send(`${request.scgi?.attempts.length} attempts`)
  })
  const { statusCode, payload } = await app.inject('/')
  return [`${statusCode} ${payload}`, message]
}

process.stdout.write(JSON.stringify({
  register: await refusal(() => register({ upstreams, bind })),
  'reply.scgi()': await refusal(inHandler),
  ScgiDispatcher: await refusal(() => new ScgiDispatcher('127.0.0.1:1', { bind })),
  ScgiClient: await refusal(() => new ScgiClient('127.0.0.1:1', { bind })),
  'transparent: false': await refusal(() => register({ upstreams, bind: { ...bind, transparent: false } })),
  'a function': await byFunction(),
}))
