import Fastify, { type FastifyInstance } from 'fastify'
import scgi, { createCache } from '../../lib/index.ts'
import { admin } from '../../lib/observe/admin/index.ts'
import { createScgiServer, type ScgiServer } from '../../lib/server/index.ts'
import { once } from 'node:events'
import type { AdminOptions, Balance, Cache, ServerEntry } from '../../types/index.ts'

/** An answer of the API. */
export interface ApiAnswer {
  status: number
  etag: string | undefined
  // What each test expects of it, the test says.
  body: ReturnType<typeof JSON.parse>
}

/** A gateway with its page, and applications behind it. */
export interface AdminGateway extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly url: string
  readonly cache: Cache
  readonly log: { msg: string, [key: string]: unknown }[]
  /** Calls the API as a page does, token included. */
  api (method: string, path: string, more?: { body?: unknown, ifMatch?: string, headers?: Record<string, string> }): Promise<ApiAnswer>
  close (): Promise<void>
}

/** Applications of which `/fail` answers 503, `/hold` waits until `release` is called, and anything else is cached for a minute. */
export class Backends implements AsyncDisposable {
  readonly #servers: ScgiServer[] = []
  readonly addresses: string[] = []
  #held: (() => void)[] = []
  holding = 0
  onHold: () => void = () => {}

  static async start (count: number): Promise<Backends> {
    const backends = new Backends()
    for (let index = 0; index < count; index++) await backends.#start()
    return backends
  }

  release (): void {
    for (const go of this.#held.splice(0)) go()
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    this.release()
    for (const server of this.#servers) server.close().closeAllConnections()
  }

  async #start (): Promise<void> {
    const server = createScgiServer((request, response) => {
      response.setHeader('content-type', 'text/plain')
      if (request.url?.startsWith('/fail') === true) {
        response.statusCode = 503
        response.end('no')
      } else if (request.url?.startsWith('/hold') === true) {
        this.holding += 1
        this.#held.push(() => {
          this.holding -= 1
          response.end('held')
        })
        this.onHold()
      } else {
        response.setHeader('cache-control', 'max-age=60')
        response.setHeader('cache-tag', 'all')
        response.end('hello')
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const bound = server.address()
    if (typeof bound === 'object' && bound !== null) this.addresses.push(`127.0.0.1:${bound.port}`)
    this.#servers.push(server)
  }
}

export async function startAdmin (
  servers: readonly ServerEntry[], options: AdminOptions = {}, setup?: (app: FastifyInstance) => void, balance: Balance = 'round_robin'
): Promise<AdminGateway> {
  const log: AdminGateway['log'] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { log.push(JSON.parse(line)) } } } })
  const cache = createCache({ name: 'pages' })
  app.register(admin, { prefix: '/gateway', ...options })
  app.register(scgi, { prefix: '/cached', upstreams: 'balancer://app', cache: { zone: cache } })
  app.register(scgi, { upstreams: { name: 'app', servers: [...servers], balance }, nextUpstream: ['error', 'http_503'] })
  setup?.(app)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  let token: string | undefined
  const call: AdminGateway['api'] = async (method, path, { body, ifMatch, headers } = {}) => {
    if (method !== 'GET') token ??= (await call('GET', '/token')).body.token
    const response = await fetch(`${url}/gateway/api${path}`, {
      method,
      headers: {
        connection: 'close',
        ...(token === undefined ? undefined : { 'x-gateway-token': token }),
        ...(ifMatch === undefined ? undefined : { 'if-match': ifMatch }),
        ...(body === undefined ? undefined : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? undefined : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: response.status, etag: response.headers.get('etag') ?? undefined, body: await response.json() }
  }
  const close = (): Promise<void> => app.close()
  return { app, url, cache, log, api: call, close, [Symbol.asyncDispose]: close }
}
