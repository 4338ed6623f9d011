import { createServer } from 'node:http'
import { kinds, makeReply } from './replies.ts'

// The same replies over HTTP keep-alive, for the peers that speak HTTP to their origin. It prints { "port": n }.

const replies = new Map<string, { headers: string[], body: Buffer }>()
for (const kind of kinds) {
  const { headers, body } = makeReply(kind)
  replies.set(`/${kind}`, { headers: headers.flat(), body })
}

const server = createServer((request, response) => {
  const reply = replies.get(request.url ?? '')
  if (reply === undefined) {
    response.writeHead(404).end()
    return
  }
  const answer = (): void => {
    // The head is written before the body is known: without a Content-Length of its own the reply is chunked.
    response.writeHead(200, reply.headers)
    response.end(reply.body)
  }
  if (request.method === 'POST') request.resume().on('end', answer)
  else answer()
})
server.keepAliveTimeout = 60_000
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 }))
})
