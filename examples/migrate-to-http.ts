// An application moves from SCGI to HTTP while it runs: a tenth of the requests first, then as many as one dares.
//
// try: GET /hello -> 200 application at 127.0.0.1:4000
// try: GET /-/share -> 200 {"percent":0
// try: POST /-/share type=application/json body={"percent":10} -> 200 {"percent":10,"scgi":90,"http":10}
// try: GET /hello -> 200
// try: POST /-/share type=application/json body={"percent":100} -> 200 "percent":100
// try: GET /hello?name=Ada -> 200 GET /hello?name=Ada over HTTP
// try: POST /-/share type=application/json body={"percent":101} -> 400

import Fastify from 'fastify'
import scgi, { createUpstreams } from 'fastify-scgi'

// What the application will be. It runs elsewhere, of course; here it is in this process so that the example is complete.
const next = Fastify()
next.get('/*', (request, reply) => reply.type('text/plain').send(`${request.method} ${request.url} over HTTP\n`))
const http = await next.listen({ port: 0, host: '127.0.0.1' })
const old = '127.0.0.1:4000'

// The HTTP server gets nothing yet.
const application = createUpstreams({ name: 'application', servers: [old, { address: http, down: true }] })

let percent = 0

/** Sends so many of a hundred requests to the HTTP server from now on. Those that run go on where they are. */
function share (wanted: number): void {
  if (wanted > 0) application.setWeight(http, wanted)
  if (wanted < 100) application.setWeight(old, 100 - wanted)
  // First open, then close: there is always one that serves.
  if (wanted > 0) application.enable(http)
  if (wanted < 100) application.enable(old)
  if (wanted === 0) application.disable(http)
  if (wanted === 100) application.drain(old)
  percent = wanted
}

const app = Fastify({ logger: true })
app.register(scgi, { upstreams: application })
app.addHook('onClose', () => next.close())

// For an operator; keep it from the others.
function shown () {
  const [from, to] = application.servers
  return { percent, scgi: from?.weight, http: to?.weight }
}
app.get('/-/share', () => shown())
const schema = { body: { type: 'object', required: ['percent'], properties: { percent: { type: 'integer', minimum: 0, maximum: 100 } } } }
app.post<{ Body: { percent: number } }>('/-/share', { schema }, request => {
  share(request.body.percent)
  return shown()
})

await app.listen({ port: 8080 })
