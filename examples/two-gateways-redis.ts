// Two gateways that share one cache, in a Redis: what one has fetched the other has.
//
// prints: ^(?:first gateway: MISS\nfirst gateway: HIT\nsecond gateway: HIT|redis-server is not installed)

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import scgi, { createCache, redisStore } from 'fastify-scgi'

/** A gateway, of which there may be any number, on as many machines. */
async function start (redis: string) {
  const app = Fastify()
  // The name keeps caches in one Redis apart: what is to be shared has the same.
  const zone = createCache({
    name: 'pages',
    // While Redis is gone or slow a request waits for it no longer than that, and goes on as if the cache were empty.
    store: redisStore({ url: redis, timeout: '1s' }),
    storeTimeout: '1s',
  })
  app.register(scgi, {
    upstreams: '127.0.0.1:4000',
    // The host of the example is another port for each gateway.
    cache: { zone, key: request => request.url, valid: '1m', statusHeader: 'X-Cache-Status' },
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, ask: async () => (await fetch(`${url}/news`, { headers: { connection: 'close' } })).headers.get('x-cache-status') }
}

if (!existsSync('/usr/bin/redis-server')) {
  console.log('redis-server is not installed: apt-get install redis-server')
} else {
  const directory = await mkdtemp(join(tmpdir(), 'redis-'))
  const socket = join(directory, 'redis.sock')
  const redis = spawn('/usr/bin/redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', directory])
  for await (const line of redis.stdout) if (/ready to accept connections/.test(String(line))) break

  try {
    const first = await start(socket)
    const second = await start(socket)
    console.log(`first gateway: ${await first.ask()}`)
    console.log(`first gateway: ${await first.ask()}`)
    console.log(`second gateway: ${await second.ask()}`)
    // The caches are closed with their applications, and their connections to Redis with them.
    await Promise.all([first.app.close(), second.app.close()])
  } finally {
    redis.kill()
    await once(redis, 'exit')
    await rm(directory, { recursive: true })
  }
}
