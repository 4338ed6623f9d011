// A route of one's own that hands the request to an SCGI application when it has done what it wants to do.
//
// try: GET /items/42 -> 200 REMOTE_USER=ada
// try: GET /items/forty-two -> 404
// try: POST /orders type=application/json body={"n":2} -> 200 {"n":2,"checked":true}
// try: POST /orders type=application/json body={} -> 400

import Fastify from 'fastify'
import scgi, { type ReplyScgiOptions } from 'fastify-scgi'

const app = Fastify({ logger: true })

// Adds reply.scgi() to this application. It may be registered several times; the registration here serves /legacy.
app.register(scgi, { prefix: '/legacy', upstreams: '127.0.0.1:4000' })

// Options are made once, not for each request.
const items: ReplyScgiOptions = {
  upstreams: '127.0.0.1:4000',
  params: { REMOTE_USER: () => 'ada' },
}
app.get('/items/:id(^\\d+$)', (request, reply) => reply.scgi(items))

// Fastify has parsed the body of this one: what the application is to get is said with `body`.
const schema = { body: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } } }
app.post<{ Body: { n: number } }>('/orders', { schema }, (request, reply) => {
  const body = JSON.stringify({ ...request.body, checked: true })
  return reply.scgi({ upstreams: '127.0.0.1:4000', body })
})

await app.listen({ port: 8080 })
