import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'
import { announce, listening, settings } from './app.js'

// A directory of files, below each of the prefixes.

const app = Fastify()
settings.prefixes.forEach((prefix, index) => {
  app.register(fastifyStatic, { root: settings.root, prefix, decorateReply: index === 0 })
})
await app.listen(listening)
announce(app.server.address().port)
