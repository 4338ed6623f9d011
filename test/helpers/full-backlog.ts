import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
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
  // The system takes two at most. On the loopback it does so within connect(), so that all are at their end after a turn or two.
  for (let n = 0; n < 8; n++) {
    const socket = path === undefined ? net.connect(port, '127.0.0.1') : net.connect(path)
    socket.on('error', () => {}) // no room, or the listener is gone
    fillers.push(socket)
  }
  const standing = (): number => fillers.filter(({ readyState }) => readyState === 'open').length
  for (let turns = 0; turns < 10 || standing() === 0; turns++) await nextTurn()
  if (standing() === fillers.length) throw new Error('the accept queue has no end')
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
