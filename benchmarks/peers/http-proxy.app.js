import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { announce, settings } from './app.js'

const app = Fastify()
app.register(proxy, { upstream: settings.upstream })
await app.listen({ host: '127.0.0.1', port: 0 })
announce(app.server.address().port)
