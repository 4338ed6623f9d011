// An access log in nginx's format:
//
// log_format upstream '$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent '
//                     '"$upstream_addr" $upstream_status $upstream_response_time';
//
// try: GET /a?b=c -> 200 PATH_INFO=/a
// prints: ^127\.0\.0\.1 - - \[\S+\] "GET /a\?b=c HTTP/1\.1" 200 \d+ "127\.0\.0\.1:\d+" 200 0\.\d{3}$

import Fastify from 'fastify'
import scgi from 'fastify-scgi'

const app = Fastify()

app.addHook('onResponse', (request, reply, done) => {
  const { scgi, raw } = request
  const sent = reply.getHeader('content-length') ?? '-'
  const upstream = `"${scgi?.upstreamAddr ?? '-'}" ${scgi?.upstreamStatus ?? '-'} ${scgi?.upstreamResponseTime ?? '-'}`
  console.log(`${request.ip} - - [${new Date().toISOString()}] "${raw.method} ${request.originalUrl} HTTP/${raw.httpVersion}" ${reply.statusCode} ${sent} ${upstream}`)
  done()
})

app.register(scgi, { upstreams: '127.0.0.1:4000' })

await app.listen({ port: 8080 })
