import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import { announce, listening, settings } from './app.js'

// This gateway with everything on: groups with health checks, kept connections, both caches, files, a mirror, tunnels, metrics.

const { dist, plain, special, files, dir } = settings
const load = (file) => import(pathToFileURL(join(dist, 'lib', file)).href)
const { default: scgi, createCache, createUpstreams } = await load('index.js')
const { default: metrics } = await load('observe/metrics/index.js')

const app = Fastify()
app.register(metrics)
const pages = createUpstreams({
  name: 'pages',
  servers: plain.map((address) => ({ address, keepalive: 32 })),
  balance: 'least_conn',
  health: { type: 'scgi', path: '/1k', interval: '1s', timeout: '1s', fails: 3 },
})
const failing = createUpstreams({
  name: 'failing',
  servers: special.map((address) => ({ address, maxFails: 50, failTimeout: '1s' })),
  health: { type: 'scgi', path: '/health', interval: '1s', timeout: '1s', fails: 3 },
})
const memory = createCache({ name: 'memory', maxSize: '4m' })
const disk = createCache({ name: 'disk', path: join(dir, 'cache'), levels: '1:2', maxSize: '4m' })
const valid = '1d'
const sticky = { cookie: { name: 'route', secret: 'of the bench alone' } }

app.register(scgi, { prefix: '/plain', rewritePrefix: '/', upstreams: pages, bodyLimit: 2 ** 21 })
app.register(scgi, { prefix: '/memory', rewritePrefix: '/', upstreams: pages, cache: { zone: memory, valid, lock: true, statusHeader: 'X-Cache' } })
app.register(scgi, { prefix: '/disk', rewritePrefix: '/', upstreams: pages, cache: { zone: disk, valid, lock: true, statusHeader: 'X-Cache' } })
app.register(scgi, { prefix: '/mirror', upstreams: pages, store: { root: join(dir, 'mirror') } })
app.register(scgi, {
  prefix: '/special',
  upstreams: failing,
  nextUpstream: ['error', 'timeout', 'http_503'],
  internal: { '/protected/': files },
  sendfile: { root: files },
})
app.register(scgi, { prefix: '/sticky', upstreams: { name: 'sticky', servers: special, sticky } })
await app.listen(listening)
announce(app.server.address().port)
