import proxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { announce, listening, settings } from './app.js'

const app = Fastify()
app.register(proxy, { upstream: settings.upstream })
await app.listen(listening)
announce(app.server.address().port)
