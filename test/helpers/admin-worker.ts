// Workers of node:cluster with a page each, at ports of their own; see test/observe/admin-workers.test.ts.
import cluster from 'node:cluster'
import Fastify from 'fastify'
import { clusterChannel } from '../../lib/channel/index.ts'
import scgi, { createUpstreams } from '../../lib/index.ts'
import { admin } from '../../lib/observe/admin/index.ts'

const [address = ''] = process.argv.slice(2)
if (cluster.isPrimary) {
  clusterChannel()
  for (let count = 0; count < 2; count++) cluster.fork()
} else {
  const app = Fastify()
  app.register(admin, { prefix: '/gateway' })
  app.register(scgi, { upstreams: createUpstreams({ name: 'app', servers: [address], shared: clusterChannel() }) })
  await app.listen({ host: '127.0.0.1', port: 0, exclusive: true })
  const bound = app.server.address()
  process.stdout.write(`at ${typeof bound === 'object' ? bound?.port : ''}\n`)
  process.once('disconnect', () => process.exit())
}
