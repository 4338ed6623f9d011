// The application of a reader of docs/spawn.md.
import { createScgiServer } from '../../../lib/server/index.ts'

const server = createScgiServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain')
  response.end(`Node ${request.url}`)
})
server.listen({ fd: 0 })
