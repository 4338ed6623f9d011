// rTorrent's XML-RPC at /RPC2, for its web interfaces. In rtorrent.rc: network.scgi.open_local = /run/rtorrent.sock
//
// rTorrent takes no header block of more than 2000 bytes, so it gets the minimal set of parameters, and nothing but POST.
// It executes commands: whoever may call it owns its user account. This example asks for a password.
//
// try: POST /RPC2 authorization=Basic%20bWU6c2VjcmV0 type=text/xml body=<methodCall/> -> 200 <methodCall/>
// try: POST /RPC2 type=text/xml body=<methodCall/> -> 401
// try: GET /RPC2 authorization=Basic%20bWU6c2VjcmV0 -> 404

import { timingSafeEqual, createHash } from 'node:crypto'
import Fastify from 'fastify'
import scgi from 'fastify-scgi'

const app = Fastify({ logger: true })

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
const expected = digest(`Basic ${Buffer.from(process.env['RTORRENT_LOGIN'] ?? 'me:secret').toString('base64')}`)

app.register(scgi, {
  prefix: '/RPC2',
  upstreams: 'unix:/run/rtorrent.sock',
  defaultParams: 'minimal',
  httpMethods: ['POST'],
  // Torrent files are sent in the call.
  bodyLimit: 16 * 1024 ** 2,
  preHandler: (request, reply, done) => {
    if (timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) done()
    else reply.code(401).header('www-authenticate', 'Basic realm="rTorrent"').send({ error: 'log in' })
  },
})

await app.listen({ port: 8080 })
