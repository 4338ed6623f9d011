import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import { announce, settings } from './app.js'

const { default: scgi } = await import(pathToFileURL(join(settings.dist, 'lib/index.js')).href)

const app = Fastify()
app.register(scgi, { upstreams: settings.upstreams })
await app.listen({ host: '127.0.0.1', port: 0 })
announce(app.server.address().port)
