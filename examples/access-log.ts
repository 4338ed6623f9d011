// An access log in nginx's format:
//
// log_format upstream '$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent '
//                     '"$upstream_addr" $upstream_status $upstream_response_time';
//
// try: GET /a?b=c -> 200 PATH_INFO=/a
// prints: ^127\.0\.0\.1 - - \[\S+\] "GET /a\?b=c HTTP/1\.1" 200 \d+ "127\.0\.0\.1:\d+" 200 0\.\d{3}$

import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import scgi from 'fastify-scgi'

const app = Fastify()

function log (request: FastifyRequest, reply: FastifyReply): void {
  const { scgi, raw } = request
  // nginx's status for a client that has left before the reply began.
  const status = reply.raw.headersSent ? reply.raw.statusCode : 499
  const sent = reply.getHeader('content-length') ?? '-'
  const upstream = `"${scgi?.upstreamAddr ?? '-'}" ${scgi?.upstreamStatus ?? '-'} ${scgi?.upstreamResponseTime ?? '-'}`
  console.log(`${scgi?.clientAddress ?? request.ip} - - [${new Date().toISOString()}] "${raw.method} ${request.originalUrl} HTTP/${raw.httpVersion}" ${status} ${sent} ${upstream}`)
}

app.addHook('onRequest', (request, reply, done) => {
  // Fastify's onResponse is not called where the client has left. What is to be told of the servers is there in the next turn.
  reply.raw.once('close', () => setImmediate(log, request, reply))
  done()
})

app.register(scgi, { upstreams: '127.0.0.1:4000' })

await app.listen({ port: 8080 })
