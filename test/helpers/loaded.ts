// A process with one plain mount that has answered a request; it prints what it has loaded. Started by test/gateway/loaded-modules.test.ts.
import { createServer } from 'node:net'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import { fastifyScgi } from '../../lib/index.ts'

const origin = createServer(socket => {
  socket.once('data', () => socket.end('Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhello'))
})
origin.listen(0, '127.0.0.1')
await once(origin, 'listening')
const address = origin.address()
if (address === null || typeof address === 'string') throw new Error('no port')

const app = Fastify()
const options = process.argv[2] === undefined ? {} : { internal: { '/files/': process.argv[2] } }
app.register(fastifyScgi, { upstreams: `127.0.0.1:${address.port}`, ...options })
const url = await app.listen({ port: 0, host: '127.0.0.1' })
// Not with fetch: Node.js has an undici of its own.
const { get } = await import('node:http')
const [response] = await once(get(url, { agent: false }), 'response')
response.resume()
await once(response, 'end')
await app.close()
origin.close()
// Undocumented; what Node.js has made of its own modules.
const own: unknown = Reflect.get(process, 'moduleLoadList')
process.stdout.write(JSON.stringify({ status: response.statusCode, modules: Object.keys(createRequire(import.meta.url).cache), own }))
