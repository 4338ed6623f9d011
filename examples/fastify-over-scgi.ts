// The other end: a Fastify application that is served over SCGI, behind nginx, Apache or a gateway of this package.
// The other examples can use it as their application.
//
// try over scgi: GET /hello?name=Ada -> 200 {"hello":"Ada","client":"127.0.0.1"}
// try over scgi: POST /echo type=application/json body={"a":[1,2]} -> 200 {"a":[1,2]}

import Fastify from 'fastify'
import { scgiServerFactory } from 'fastify-scgi/server'

const app = Fastify({ logger: true, serverFactory: scgiServerFactory() })

// The client's address is REMOTE_ADDR, not the gateway's own.
app.get<{ Querystring: { name?: string } }>('/hello', request => ({ hello: request.query.name ?? 'you', client: request.ip }))

app.post('/echo', (request, reply) => reply.send(request.body))

app.get('/*', (request, reply) => reply.type('text/plain').send(`${request.method} ${request.url}\n`))

await app.listen({ port: 4000 })
