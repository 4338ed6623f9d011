// Servers that are checked while they serve, sessions that stay with their server, and a server that is taken out for maintenance.
//
// try: GET / -> 200 application at
// try: GET /-/servers -> 200 "state":"up"
// try: POST /-/servers/127.0.0.1:4001/drain -> 200 "state":"draining"
// try: GET / -> 200 application at 127.0.0.1:4000
// try: POST /-/servers/127.0.0.1:4001/enable -> 200 "state":"up"
// try: POST /-/servers/127.0.0.1:4009/drain -> 404 FST_SCGI_SERVER_UNKNOWN

import Fastify from 'fastify'
import scgi, { createUpstreams } from 'fastify-scgi'

const servers = createUpstreams({
  name: 'application',
  servers: [
    // Comes back slowly, so that its caches are warm before it has its share.
    { address: '127.0.0.1:4000', slowStart: '30s' },
    { address: '127.0.0.1:4001', slowStart: '30s' },
  ],
  balance: 'least_conn',
  // A real request, and what a good answer to it is; two failures in a row take the server out, two good answers bring it back.
  health: { type: 'scgi', path: '/health', expect: { status: '2xx', body: /application at/ }, interval: '5s', timeout: '2s', fails: 2, passes: 2 },
  // One that passes its checks and fails requests all the same is out for a while.
  outlier: { failureShare: 0.5, minRequests: 20 },
  // The client comes back to its server; the cookie says nothing of where that is.
  sticky: { cookie: { name: 'server', secret: 'change me, please: 32 bytes of it', expires: '1h' } },
  // Better late than never, but not too late.
  queue: { size: 100, timeout: '5s' },
})

const app = Fastify({ logger: true })
app.register(scgi, { upstreams: servers })
servers.on('state', ({ server, previous, state, reason }) => app.log.info(`${server.name}: ${previous} -> ${state} ${reason ?? ''}`))

// For an operator; keep it from the others.
app.get('/-/servers', () => servers)
app.post<{ Params: { name: string, edit: 'drain' | 'enable' | 'disable' } }>('/-/servers/:name/:edit(^drain|enable|disable$)', async request => {
  servers[request.params.edit](request.params.name)
  return servers
})

await app.listen({ port: 8080 })
