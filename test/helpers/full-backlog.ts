import { once } from 'node:events'
import net from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Socket } from 'node:net'

/** An address where a server listens whose accept queue is full: a connect() to TCP hangs, one to a unix socket fails with EAGAIN. */
export interface FullBacklog extends AsyncDisposable {
  /** `127.0.0.1:port` or `unix:/path` */
  readonly address: string
}

// It listens and then stands still before its loop has accepted anything; node itself would always accept.
const LISTENER = `
const { parentPort, workerData } = require('node:worker_threads')
const server = require('node:net').createServer()
server.listen({ ...workerData.at, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port ?? 0)
  Atomics.wait(workerData.hold, 0, 0)
  process.exit()
})`

/** Starts such a server, on TCP or at the path of a unix socket. */
export async function fullBacklog (path?: string): Promise<FullBacklog> {
  const hold = new Int32Array(new SharedArrayBuffer(4))
  const at = path === undefined ? { port: 0, host: '127.0.0.1' } : { path }
  const worker = new Worker(LISTENER, { eval: true, workerData: { hold, at }, execArgv: [] })
  const [port]: unknown[] = await once(worker, 'message')
  if (typeof port !== 'number') throw new Error('the listener told no port')
  const fillers: Socket[] = []
  for (let full = false; !full;) {
    const socket = path === undefined ? net.connect(port, '127.0.0.1') : net.connect(path)
    socket.on('error', () => {}) // the listener is gone
    fillers.push(socket)
    full = !await connects(socket)
  }
  return {
    address: path === undefined ? `127.0.0.1:${port}` : `unix:${path}`,
    async [Symbol.asyncDispose] () {
      for (const socket of fillers) socket.destroy()
      Atomics.store(hold, 0, 1)
      Atomics.notify(hold, 0)
      await once(worker, 'exit')
    },
  }
}

/** On the loopback a connection that does not stand at once never will. */
function connects (socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), 50)
    const settle = (connected: boolean) => () => {
      clearTimeout(timer)
      resolve(connected)
    }
    socket.once('connect', settle(true))
    socket.once('close', settle(false))
  })
}
