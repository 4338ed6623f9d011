// Several servers, and what happens when one of them fails.
//
// try: GET / -> 200 PATH_INFO=/
// try: POST /form type=text/plain body=hello -> 200 hello
// try: GET /reports/2026 -> 200 PATH_INFO=/2026
// try: GET /status -> 200 "failed":false

import Fastify from 'fastify'
import scgi, { createUpstreams } from 'fastify-scgi'

const app = Fastify({ logger: true })

const servers = createUpstreams({
  name: 'application',
  servers: [
    // Gets two of three requests.
    { address: '127.0.0.1:4000', weight: 2 },
    // Out for half a minute after three failures within half a minute, and never more than 20 requests at a time.
    { address: '127.0.0.1:4001', maxFails: 3, failTimeout: '30s', maxConns: 20 },
    // Only when the others are out.
    { address: 'unix:/run/standby.sock', backup: true },
  ],
})

app.register(scgi, {
  upstreams: servers,
  connectTimeout: '2s',
  // A 503 goes on to the next server as well, but a request makes no more than two attempts and none after ten seconds.
  nextUpstream: { on: ['error', 'timeout', 'http_503'], tries: 2, timeout: '10s' },
})

// The same group again, which shares the failure counts.
app.register(scgi, { prefix: '/reports', upstreams: servers, readTimeout: '10m' })

app.get('/status', () => servers.servers.map(({ name, active, fails, failed }) => ({ name, active, fails, failed })))

await app.listen({ port: 8080 })
