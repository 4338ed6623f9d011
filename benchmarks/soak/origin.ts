import { createServer, type Socket } from 'node:net'

// The application of the soak for what the origin in C cannot do, chosen by the end of the path: it fails now and then, names files,
// keeps streams of events and tunnels open. argv: nothing. It listens on two TCP ports, and prints { "ports": [n, n] }.

const text = 'x'.repeat(1024)
const page = `Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\n\r\n${text}`
const pulse = 15_000
let flaky = 0

type Answer = (socket: Socket) => void

const say = (reply: string): Answer => (socket) => { socket.end(reply) }

const answers: readonly [end: string, Answer][] = [
  ['/redirect/1k', say('Status: 200 OK\r\nX-Accel-Redirect: /protected/1k\r\nContent-Length: 0\r\n\r\n')],
  ['/sendfile/1k', say('Status: 200 OK\r\nX-Sendfile: 1k\r\nContent-Length: 0\r\n\r\n')],
  ['/flaky', (socket) => {
    flaky++
    if (flaky % 50 === 0) socket.destroy()
    else socket.end(flaky % 50 === 25 ? 'Status: 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n' : page)
  }],
  ['/events', (socket) => {
    socket.write('Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: open\n\n')
    const timer = setInterval(() => { socket.write(': still here\n\n') }, pulse)
    socket.once('close', () => { clearInterval(timer) })
  }],
  ['/socket', (socket) => {
    socket.write('Status: 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n')
    socket.on('data', (data) => { socket.write(data) })
  }],
]

function serve (socket: Socket): void {
  let held = ''
  const take = (data: Buffer): void => {
    held += data.toString('latin1')
    const length = Number(held.slice(0, held.indexOf(':')))
    if (!held.includes(':') || held.length < length + held.indexOf(':') + 2) return
    socket.off('data', take)
    socket.resume()
    const uri = /\0REQUEST_URI\0([^\0]*)\0/.exec(held)?.[1] ?? ''
    const [, answer] = answers.find(([end]) => uri.endsWith(end)) ?? []
    if (answer === undefined) socket.end(page)
    else answer(socket)
  }
  socket.on('error', () => {}) // the gateway has gone
  socket.on('data', take)
}

const ports: number[] = []
for (let i = 0; i < 2; i++) {
  const server = createServer({ noDelay: true }, serve)
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
    const address = server.address()
    ports.push(typeof address === 'object' && address !== null ? address.port : 0)
    if (ports.length === 2) console.log(JSON.stringify({ ports }))
  })
}
