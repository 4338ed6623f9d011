import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { connect } from 'node:net'
import { announce, listening, settings } from './app.js'

// Node's own cost: node:http in front, one bare socket for each request behind, nothing checked, no Fastify.
// What a gateway on this runtime adds to it is the gateway's.

const shared = Buffer.allocUnsafeSlow(65536)
const { target, http2, workers, most } = settings
const separator = Buffer.from('\r\n\r\n')

function encode (request) {
  let block = `CONTENT_LENGTH\x000\x00SCGI\x001\x00REQUEST_METHOD\0${request.method}\0REQUEST_URI\0${request.url}\0`
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i].startsWith(':')) continue // HTTP/2
    block += `HTTP_${request.rawHeaders[i].toUpperCase().replaceAll('-', '_')}\0${request.rawHeaders[i + 1]}\0`
  }
  return `${block.length}:${block},`
}

/** Begins an exchange, and returns its socket. */
function handle (request, response) {
  let held
  let expected = -1
  let body = 0
  let backlog = false
  let done = false
  const finish = () => {
    if (done) return
    done = true
    socket.destroy()
    response.end()
  }
  const socket = connect({
    ...target,
    autoSelectFamily: false,
    onread: {
      buffer: shared,
      callback (size, buffer) {
        if (done) return false
        let data = Buffer.from(buffer.subarray(0, size))
        if (expected === -1) {
          held = held === undefined ? data : Buffer.concat([held, data])
          const end = held.indexOf(separator)
          if (end === -1) return true
          const headers = {}
          for (const line of held.latin1Slice(0, end).split('\r\n')) {
            const colon = line.indexOf(':')
            const name = line.slice(0, colon).toLowerCase()
            const value = line.slice(colon + 2)
            if (name === 'content-length') expected = Number(value)
            if (name !== 'status') headers[name] = name in headers ? [].concat(headers[name], value) : value
          }
          if (expected === -1) expected = Infinity
          response.writeHead(200, headers)
          data = held.subarray(end + 4)
        }
        body += data.length
        if (body === data.length && body === expected) {
          done = true
          socket.destroy()
          response.end(data)
          return false
        }
        if (!response.write(data) && !backlog) {
          backlog = true
          socket.pause()
          response.once('drain', () => {
            backlog = false
            socket.resume()
          })
        }
        if (body >= expected) finish()
        return true
      },
    },
  })
  socket.on('error', () => response.destroy())
  socket.on('end', finish)
  response.on('close', () => { if (!response.writableFinished) socket.destroy() })
  socket.write(encode(request), 'latin1')
  return socket
}

let running = 0
const waiting = []

/** The same for servers that may not have as many files open as they have clients, and one more for each. */
function handleSome (request, response) {
  if (running === most) {
    waiting.push([request, response])
    return
  }
  running++
  handle(request, response).once('close', () => {
    running--
    const next = waiting.shift()
    if (next !== undefined) handleSome(...next)
  })
}

if (workers !== undefined && cluster.isPrimary) {
  // The workers listen at one port, whatever they ask for.
  let left = workers
  cluster.on('listening', (_, { port }) => { if (--left === 0) announce(port) })
  for (let i = 0; i < workers; i++) cluster.fork()
} else {
  const server = (http2 ? createHttp2Server : createServer)(most === undefined ? handle : handleSome)
  // Fastify's: 10,000 connections may take longer to open than the 5 s of node:http.
  server.keepAliveTimeout = 72_000
  server.listen(listening, () => { if (workers === undefined) announce(server.address().port) })
}
