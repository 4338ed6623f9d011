import { createServer, type Socket } from 'node:net'
import { kinds, makeReply, makeText } from './replies.ts'

// An SCGI application as cheap as Node allows: it answers at the netstring's last byte with a Buffer made beforehand.
// What else an application does by a header it does by path: /sendfile/NAME, /redirect/NAME, /limit/RATE/SIZE, /size/SIZE; a query is
// ignored. argv: path of the unix socket. It listens there and on a TCP port, and prints { "port": n }.

const replies = new Map<string, Buffer>()
for (const kind of kinds) {
  const { headers, body } = makeReply(kind)
  const head = `Status: 200 OK\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  replies.set(`/${kind}`, Buffer.concat([Buffer.from(head, 'latin1'), body]))
}
const notFound = Buffer.from('Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n')
const uriName = Buffer.from('REQUEST_URI\0')
const largestRequest = 65536
const byHeader = /^\/(sendfile|redirect)\/(\w+)$/
const bySize = /\/(?:limit\/(\d+)|size)\/(\d+)$/

function answer (request: Buffer): Buffer {
  const at = request.indexOf(uriName)
  if (at === -1) return notFound
  const start = at + uriName.length
  const uri = request.toString('latin1', start, request.indexOf(0, start))
  const query = uri.indexOf('?')
  const path = query === -1 ? uri : uri.slice(0, query)
  return replies.get(path) ?? make(path)
}

function make (path: string): Buffer {
  const [, header, name] = byHeader.exec(path) ?? []
  const [, rate, size] = bySize.exec(path) ?? []
  if (header === undefined && size === undefined) return notFound
  const line = header === 'sendfile'
    ? `X-Sendfile: ${name}`
    : header === 'redirect' ? `X-Accel-Redirect: /protected/${name}` : rate === undefined ? undefined : `X-Accel-Limit-Rate: ${rate}`
  const body = makeText(Number(size ?? 0))
  const head = `Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${line === undefined ? '' : `${line}\r\n`}\r\n`
  const reply = Buffer.concat([Buffer.from(head, 'latin1'), body])
  replies.set(path, reply)
  return reply
}

function isComplete (request: Buffer): boolean {
  const colon = request.indexOf(58)
  return colon !== -1 && request.length >= colon + 2 + Number(request.toString('latin1', 0, colon))
}

function ignore (): void {}

function serve (socket: Socket): void {
  let held: Buffer | undefined
  let answered = false
  socket.on('error', ignore)
  socket.on('data', (chunk: Buffer) => {
    if (answered) return
    const request = held === undefined ? chunk : Buffer.concat([held, chunk])
    if (isComplete(request)) {
      answered = true
      socket.end(answer(request))
    } else if (request.length > largestRequest) {
      socket.destroy()
    } else {
      held = request
    }
  })
}

const local = createServer(serve)
const tcp = createServer({ noDelay: true }, serve)
local.listen({ path: process.argv[2] ?? '', backlog: 4096, readableAll: true, writableAll: true }, () => {
  tcp.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
    const address = tcp.address()
    console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 }))
  })
})
