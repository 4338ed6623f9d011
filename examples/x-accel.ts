// Who may have a file decides an application; who sends it is the gateway. Three applications do so: one behind SCGI, a handler of this
// process, and one that is reached through @fastify/http-proxy.
//
// try: GET /reports/2026.txt -> 403 no ticket
// try: GET /reports/2026.txt ticket=ok -> 200 the report of 2026
// try: GET /reports/2026.txt ticket=ok range=bytes%3D4-9 -> 206 report
// try: GET /reports/by-name ticket=ok -> 200 the report of 2026
// try: GET /reports/unknown ticket=ok -> 404 no such report
// try: GET /own/2026.txt ticket=ok -> 200 the report of 2026
// try: GET /own/sendfile -> 200 the report of 2026
// try: GET /old/2026.txt -> 200 the report of 2026
// try: GET /old/elsewhere -> 404
// try: GET /protected/2026.txt -> 404

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import scgi from 'fastify-scgi'
import accel from 'fastify-scgi/accel'
import { scgiServerFactory } from 'fastify-scgi/server'

const files = await mkdtemp(join(tmpdir(), 'x-accel-'))
await writeFile(join(files, '2026.txt'), 'the report of 2026\n')

// The application behind SCGI. It runs elsewhere, of course, and may be written in anything; here it is in this process so that the
// example is complete.
const application = Fastify({ serverFactory: scgiServerFactory() })
application.get('/reports/:name', async (request, reply) => {
  if (request.headers['ticket'] !== 'ok') return reply.code(403).send('no ticket')
  const { name } = request.params as { name: string }
  if (name === 'by-name') return reply.header('X-Sendfile', '2026.txt').send()
  if (name === 'unknown') return reply.header('X-Accel-Redirect', '@unknown').send()
  return reply.header('X-Accel-Redirect', `/protected/${name}`).send()
})

// An application that speaks HTTP.
const old = Fastify()
old.get('/:name', async (request, reply) => {
  const { name } = request.params as { name: string }
  return reply.header('X-Accel-Redirect', name === 'elsewhere' ? '/own/sendfile' : `/protected/${name}`).send()
})

const [scgiUrl, httpUrl] = await Promise.all([application, old].map(server => server.listen({ port: 0, host: '127.0.0.1' })))

const app = Fastify({ logger: true })

app.register(scgi, {
  prefix: '/reports',
  upstreams: new URL(scgiUrl ?? '').host,
  // Only an internal redirect gets at these.
  internal: { '/protected/': files },
  sendfile: { root: files },
})
app.after(() => app.scgi.location('@unknown', async (_request, reply) => reply.code(404).send('no such report')))

// The same for routes that have nothing to do with SCGI.
app.register(accel, {
  trust: request => request.url.startsWith('/own/') || request.url.startsWith('/old/'),
  redirectTo: ['/protected/'],
  root: files,
})
app.get('/own/sendfile', async (_request, reply) => reply.header('X-Sendfile', '2026.txt').send())
app.get('/own/:name', async (request, reply) => {
  const { name } = request.params as { name: string }
  return reply.header('X-Accel-Redirect', `/protected/${name}`).send()
})
app.register(httpProxy, { prefix: '/old', upstream: httpUrl ?? '' })

app.addHook('onClose', async () => {
  await Promise.all([application.close(), old.close()])
  await rm(files, { recursive: true })
})

await app.listen({ port: 8080 })
