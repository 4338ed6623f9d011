// The shortest gateway: the SCGI application on port 4000 answers everything below /scgi-bin.
// An application to try it with: node --import tsx examples/fastify-over-scgi.ts
//
// try: GET /scgi-bin/hello?a=b -> 200 PATH_INFO=/hello

import Fastify from 'fastify'
import scgi from 'fastify-scgi'

const app = Fastify({ logger: true })

app.register(scgi, { prefix: '/scgi-bin', upstreams: '127.0.0.1:4000' })

await app.listen({ port: 8080 })
