// Run as a process of its own by memory.test.ts: the gateway alone, so that its memory is what is measured.
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'

const [address = '', requestBuffering = '', buffering = ''] = process.argv.slice(2)
const app = Fastify({ bodyLimit: 2 ** 30 })
app.register(scgi, { upstreams: address, requestBuffering: requestBuffering === 'on', buffering: buffering === 'on', bodyLimit: 2 ** 30, closeTimeout: 500 })
const url = await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ port: Number(new URL(url).port) })
process.on('message', message => {
  if (message === 'close') app.close().then(() => process.disconnect())
  else process.send?.({ rss: process.memoryUsage.rss() })
})
