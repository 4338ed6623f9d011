import Fastify from 'fastify'
import scgi, { createCache } from '../../../lib/index.ts'
import type { ExchangeOptions, Upstreams } from '../../../types/index.ts'
import { cacheMounts } from './mounts-cache.ts'
import { responseMounts } from './mounts-response.ts'
import { startPeer } from './peer.ts'
import type { Application, Peer, Started } from './peer.ts'

/**
 * This gateway with the mounts that the rows use.
 * @param path directory of its cache, which is in memory otherwise
 */
export function startGatewayPeer (path?: string): Promise<Peer> {
  return startPeer('gateway', (application) => start(application, path))
}

async function start (application: Application, path: string | undefined): Promise<Started> {
  const { a, b, tcp, dead, files } = application
  const log: string[] = []
  const app = Fastify({ logger: { level: 'debug', stream: { write: (line: string) => { log.push(line) } } } })
  const mount = (name: string, upstreams: Upstreams, options: ExchangeOptions = {}): void => {
    app.register(scgi, { prefix: `/${name}`, upstreams, ...options })
  }
  const two = [{ address: a, maxFails: 0 }, { address: b, maxFails: 0 }]
  const refused = [{ address: dead[0], maxFails: 0 }, { address: a, backup: true }]
  const gone = (request: { query: unknown }): string => new URLSearchParams(Object.entries(Object(request.query))).get('gone') ?? ''

  app.register(scgi, { prefix: '/app', upstreams: a, internal: { '/files/': files } })
  mount('tcp', tcp)
  mount('slow', a, { readTimeout: 300 })
  mount('hide', a, { hideHeaders: ['X-Secret'], passHeaders: ['X-Accel-Charset', 'Status'] })
  mount('nobody', a, { passRequestBody: false })
  mount('noheaders', a, { passRequestHeaders: false })
  mount('params', a, {
    params: {
      APP_MODE: 'test',
      APP_EMPTY: '',
      APP_GONE: { value: gone, ifNotEmpty: true },
      HTTP_X_SECRET: '',
      HTTP_X_SET: gone,
      HTTP_X_GONE: { value: gone, ifNotEmpty: true },
    },
  })
  mount('stream', a, { buffering: false, requestBuffering: false })
  mount('two', two)
  mount('refused', refused)
  mount('dead', dead.map((address) => ({ address, maxFails: 0 })))
  mount('two-off', two, { nextUpstream: false })
  mount('refused-off', refused, { nextUpstream: false })
  mount('two-any', two, { nextUpstream: ['error', 'timeout', 'invalid_header', 'http_500', 'http_503', 'http_403', 'http_404', 'http_429'] })
  mount('two-idem', two, { nextUpstream: ['error', 'timeout', 'http_503', 'non_idempotent'] })
  mount('two-one', two, { nextUpstream: { on: ['error', 'timeout', 'http_503'], tries: 1 } })
  mount('two-slow', two, { readTimeout: 300 })

  for (const { name, upstreams = () => a, options } of responseMounts) mount(name, upstreams(application), options(application))
  // A busy machine is to make no MISS of a HIT.
  const zone = createCache({ name: 'parity', storeTimeout: '5s', ...(path === undefined ? undefined : { path }) })
  for (const { name, options, more, dead: refuses, chooses } of cacheMounts) {
    mount(name, refuses ? dead[0] : a, {
      ...more,
      cache: {
        statusHeader: 'X-Cache-Status',
        rules: 'nginx',
        authorization: 'rfc9111',
        convertHead: true,
        ...options,
        zone: chooses ? (request) => request.url.includes('zone=off') ? false : zone : zone,
      },
    })
  }
  app.after(() => {
    app.scgi.location('@fallback', (_request, reply) => reply.scgi({ upstreams: b }))
  })

  const url = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  return { target: { port: Number(url.port) }, version: 0, logs: () => log.slice(-10).join(''), stop: () => app.close() }
}
