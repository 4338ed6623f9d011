// A mirror that fills itself: a file that is not here yet is fetched from the application, sent, and kept; from then on it is sent from
// here. In nginx:
//
//   location /images/ { root /srv/mirror; error_page 404 = /fetch$uri; }
//   location /fetch/  { internal; scgi_pass 127.0.0.1:4000; scgi_store on; scgi_store_access user:rw group:r all:r; ... }
//
// try: GET /images/logo.txt -> 200 REQUEST_URI=/images/logo.txt
// try: GET /images/logo.txt -> 200 REQUEST_URI=/images/logo.txt
// try: GET /images/sub/other.txt -> 200 PATH_INFO=/images/sub/other.txt
// try: GET /fetch/images/logo.txt -> 404
// try: GET /elsewhere -> 404

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'
import scgi from 'fastify-scgi'
import accel from 'fastify-scgi/accel'

const mirror = await mkdtemp(join(tmpdir(), 'mirror-'))
const images = join(mirror, 'images')
await mkdir(images)

const app = Fastify({ logger: true })

// What leads from a miss to the application.
app.register(accel, { trust: () => true, redirectTo: ['/fetch/images/'] })

app.register(async scope => {
  scope.register(fastifyStatic, { root: images })
  scope.setNotFoundHandler(async (request, reply) => reply.header('X-Accel-Redirect', `/fetch${request.url}`).send())
}, { prefix: '/images' })

// Answers internal redirects and nothing else. PATH_INFO is the path below /fetch, and so the file's below the root.
app.register(scgi, {
  prefix: '/fetch',
  upstreams: '127.0.0.1:4000',
  config: { scgi: { internal: true } },
  store: { root: mirror, access: 'user:rw group:r all:r' },
})

app.addHook('onClose', () => rm(mirror, { recursive: true }))

await app.listen({ port: 8080 })
