// An SCGI application of one process: it listens where it is told, and answers with its number. What the path says it does.
import { createServer } from 'node:net'
import { spawn } from 'node:child_process'

const { SCGI_SOCKET, SCGI_PORT } = process.env
const server = createServer(socket => {
  let block = ''
  socket.on('error', () => {})
  socket.on('data', bytes => {
    block += bytes.toString('latin1')
    if (!block.endsWith(',')) return
    const fields = block.slice(block.indexOf(':') + 1, -1).split('\0')
    const path = fields[fields.indexOf('PATH_INFO') + 1]
    const answer = text => socket.end(`Content-Type: text/plain\r\n\r\n${text ?? process.pid}`)
    if (path === '/die') process.exit(7)
    else if (path === '/hold') process.once('SIGUSR2', () => answer())
    else if (path === '/child') answer(spawn('sleep', ['1000'], { stdio: 'ignore' }).pid)
    else if (path === '/escaped') answer(spawn('sleep', ['1000'], { stdio: 'ignore', detached: true }).pid)
    else if (path === '/env') answer(JSON.stringify({ env: process.env, args: process.argv.slice(2), cwd: process.cwd() }))
    else answer()
  })
})
process.on('SIGUSR2', () => {})
if (process.argv.includes('--deaf')) process.on('SIGTERM', () => {})
const where = SCGI_PORT !== undefined ? { host: '127.0.0.1', port: Number(SCGI_PORT) } : SCGI_SOCKET !== undefined ? { path: SCGI_SOCKET } : { fd: 0 }
server.listen(where, () => console.log(`listens, at ${process.pid}`))
console.error('one line\nand another')
