// A configuration of nginx, and the same here.
//
//   upstream app {
//       server 127.0.0.1:4000 weight=3;
//       server 127.0.0.1:4001 max_fails=2 fail_timeout=30s;
//       server unix:/run/standby.sock backup;
//   }
//   server {
//       listen 8080;
//       client_max_body_size 20m;
//       location /app/ {
//           scgi_pass app;
//           include scgi_params;
//           scgi_param SCRIPT_NAME /app;
//           scgi_param REMOTE_USER $http_x_user if_not_empty;
//           scgi_param HTTP_COOKIE "";
//           scgi_connect_timeout 3s;
//           scgi_read_timeout 2m;
//           scgi_next_upstream error timeout http_503;
//           scgi_next_upstream_tries 2;
//           scgi_hide_header X-Powered-By;
//       }
//       location = /app/events { scgi_pass app; include scgi_params; scgi_buffering off; }
//   }
//
// try: GET /app/list?page=2 x-user=ada -> 200 REMOTE_USER=ada
// try: GET /app/list -> 200 SCRIPT_NAME=/app
// try: GET /app/events -> 200 REQUEST_URI=/app/events
// try: GET /app -> 301

import Fastify from 'fastify'
import scgi, { createUpstreams, type ExchangeOptions } from 'fastify-scgi'

const server = Fastify({ logger: true, bodyLimit: 20 * 1024 ** 2 })

const upstreams = createUpstreams({
  name: 'app',
  servers: [
    { address: '127.0.0.1:4000', weight: 3 },
    { address: '127.0.0.1:4001', maxFails: 2, failTimeout: '30s' },
    { address: 'unix:/run/standby.sock', backup: true },
  ],
})

// There are no configuration levels to inherit from: what several mounts share is an object.
const defaults: ExchangeOptions = { defaultParams: 'nginx' }

server.register(scgi, {
  ...defaults,
  prefix: '/app/',
  upstreams,
  params: {
    SCRIPT_NAME: '/app',
    REMOTE_USER: { value: request => String(request.headers['x-user'] ?? ''), ifNotEmpty: true },
    HTTP_COOKIE: '',
  },
  connectTimeout: '3s',
  readTimeout: '2m',
  nextUpstream: { on: ['error', 'timeout', 'http_503'], tries: 2 },
  hideHeaders: ['X-Powered-By'],
})

server.register(scgi, { ...defaults, prefix: '/app/events', upstreams, buffering: false })

await server.listen({ port: 8080 })
