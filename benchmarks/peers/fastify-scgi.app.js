import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import { announce, commands, listening, settings } from './app.js'

const { dist, upstreams, mounts = [{}], cache, metrics = false, http2 = false, schemas = true } = settings
const load = (file) => import(pathToFileURL(join(dist, 'lib', file)).href)
const { default: scgi, createCache } = await load('index.js')

const none = () => { throw new Error('no route here has a schema') }
const app = Fastify({
  ...(http2 && { http2 }),
  ...(!schemas && { schemaController: { compilersFactory: { buildValidator: none, buildSerializer: none } } }),
})
if (metrics) app.register((await load('observe/metrics/index.js')).default)
const zone = cache === undefined ? undefined : createCache(cache)
for (const options of mounts) app.register(scgi, { upstreams, ...options, ...(zone !== undefined && { cache: { zone, valid: '1d' } }) })
commands.cacheStats = () => zone.stats()
await app.listen(listening)
announce(app.server.address().port)
