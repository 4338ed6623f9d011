// A Python application behind uWSGI: uwsgi --scgi-socket /run/app.sock --plugin python3 --wsgi-file app.py
//
// try: GET /shop/cart?id=1 -> 200 SCRIPT_NAME=/shop
// try: POST /shop/upload type=application/octet-stream body=bytes -> 200 CONTENT_LENGTH=5

import Fastify from 'fastify'
import scgi from 'fastify-scgi'

const app = Fastify({ logger: true })

app.register(scgi, {
  // WSGI sees /shop as SCRIPT_NAME and what follows as PATH_INFO, so the application builds the right links.
  prefix: '/shop',
  upstreams: 'unix:/run/app.sock',
  // uWSGI closes the connection without an answer on a header block larger than its buffer-size: 4096 bytes unless set.
  // Here such a request is refused with 431, and says why.
  maxParamsSize: 4096,
  bodyLimit: 50 * 1024 ** 2,
  // Long reports.
  readTimeout: '5m',
})

await app.listen({ port: 8080 })
