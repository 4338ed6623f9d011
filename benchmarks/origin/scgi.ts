import { createServer, type Socket } from 'node:net'
import { kinds, makeText, scgiBytes } from './replies.ts'

// An SCGI application as cheap as Node allows: it answers at the netstring's last byte with a Buffer made beforehand.
// What else an application does by a header it does by path: /sendfile/NAME, /redirect/NAME, /limit/RATE/SIZE, /size/SIZE; a query is
// ignored. argv: path of the unix socket. It listens there and on a TCP port, and prints { "port": n }.

const replies = new Map<string, Buffer>()
for (const kind of kinds) replies.set(`/${kind}`, scgiBytes(kind))
const notFound = Buffer.from('Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n')
// It is the first parameter of each request.
const lengthName = 'CONTENT_LENGTH\0'
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

/** Bytes of a request, its body included; NaN while its head is not complete. */
function lengthOf (request: Buffer): number {
  const colon = request.indexOf(58)
  const end = colon + 2 + Number(request.toString('latin1', 0, colon))
  if (colon === -1 || request.length < end) return NaN
  const start = colon + 1 + lengthName.length
  return end + Number(request.toString('latin1', start, request.indexOf(0, start)))
}

function ignore (): void {}

function serve (socket: Socket): void {
  let held: Buffer | undefined
  let answered = false
  let length = NaN
  let received = 0
  socket.on('error', ignore)
  socket.on('data', (chunk: Buffer) => {
    if (answered) return
    received += chunk.length
    if (held !== undefined && received < length) return
    const request = held === undefined ? chunk : Number.isNaN(length) ? Buffer.concat([held, chunk]) : held
    if (Number.isNaN(length)) length = lengthOf(request)
    if (received >= length) {
      answered = true
      socket.end(answer(request))
    } else if (!Number.isNaN(length)) {
      held = request
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
