import { get } from 'node:http'
import Fastify from 'fastify'
import { announce, listening, settings } from './app.js'

// Fastify's own cost: it asks the HTTP origin once for each reply, then answers from memory.

function fetchReply (path) {
  return new Promise((resolve, reject) => {
    get(settings.upstream + path, async (response) => {
      const body = Buffer.concat(await response.toArray())
      const headers = {}
      for (const name of Object.keys(response.headers)) {
        // The date is one of them: what comes from a cache has that of its origin.
        if (!['connection', 'keep-alive', 'transfer-encoding'].includes(name)) headers[name] = response.headers[name]
      }
      resolve({ headers, body })
    }).on('error', reject)
  })
}

const app = Fastify()
for (const path of settings.paths) {
  const { headers, body } = await fetchReply(path)
  app.get(path, (request, reply) => { reply.headers(headers).send(body) })
}
await app.listen(listening)
announce(app.server.address().port)
