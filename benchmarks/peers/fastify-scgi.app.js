import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import { announce, commands, settings } from './app.js'

const { dist, upstreams, mounts = [{}], cache } = settings
const { default: scgi, createCache } = await import(pathToFileURL(join(dist, 'lib/index.js')).href)

const app = Fastify()
const zone = cache === undefined ? undefined : createCache(cache)
for (const options of mounts) app.register(scgi, { upstreams, ...options, ...(zone !== undefined && { cache: { zone, valid: '1d' } }) })
commands.cacheStats = () => zone.stats()
await app.listen({ host: '127.0.0.1', port: 0 })
announce(app.server.address().port)
