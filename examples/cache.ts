// A cache before a slow application: one request for many, what has expired while it is renewed or the application fails, purging.
//
// try: GET /news -> 200 application at 127.0.0.1:4000
// try: GET /news -> 200 application at 127.0.0.1:4000
// try: GET /-/cache -> 200 "HIT":1
// try: GET /news cookie=session=1 -> 200 HTTP_COOKIE=session=1
// try: DELETE /-/cache?glob=http://*/news -> 200 {"purged":1}
// try: GET /news -> 200
// try: GET /-/cache -> 200 "MISS":2

import Fastify from 'fastify'
import scgi, { createCache } from 'fastify-scgi'

// In memory; with `path` on the disk, where the next start finds it again. Several mounts may share it.
const pages = createCache({ name: 'pages', maxSize: '256m', inactive: '1h' })

const app = Fastify({ logger: true })
app.register(scgi, {
  upstreams: '127.0.0.1:4000',
  cache: {
    // Who is logged in gets pages of one's own.
    zone: request => request.headers.cookie?.includes('session=') === true ? false : pages,
    // For replies that do not say it themselves.
    valid: { '200 301': '1m', 404: '10s' },
    // Of a thousand requests for a page that is not there one goes to the application.
    lock: true,
    useStale: ['error', 'timeout', 'http_500', 'http_503', 'updating'],
    backgroundUpdate: true,
    revalidate: true,
    statusHeader: 'X-Cache-Status',
  },
})

// For an operator; keep it from the others.
app.get('/-/cache', () => pages.stats())
app.delete<{ Querystring: { glob: string } }>('/-/cache', async request => ({ purged: await pages.purge({ glob: request.query.glob }) }))

await app.listen({ port: 8080 })
