import { isRecord } from '../options/checks.ts'

/** A unix socket that listens, and from which this process does not accept. */
export interface ListeningSocket {
  /** Its descriptor in this process, for children to inherit. */
  readonly fd: number
  /** Closes it here, and removes its file. */
  close (): Promise<void>
}

// Node.js accepts from every socket on which it listens, as soon as its event loop turns, and gives nobody a socket on which it does not.
// So the socket is made by a thread whose loop never turns again: it waits for ever, right where it learns that the socket listens.
// Descriptors belong to the whole process. The number of this one is the only thing here that Node.js does not document.
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads')
const server = require('node:net').createServer()
server.once('error', error => parentPort.postMessage({ error }))
server.listen({ path: workerData.path, backlog: workerData.backlog, exclusive: true }, () => {
  parentPort.postMessage({ fd: server._handle.fd })
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})`

/** The system has a limit of its own (net.core.somaxconn). */
const BACKLOG = 4096

/**
 * Listens on a unix socket for others.
 * @throws as `server.listen`
 */
export async function holdSocket (path: string): Promise<ListeningSocket> {
  // Nobody else pays for it.
  const { Worker } = await import('node:worker_threads')
  const thread = new Worker(THREAD, { eval: true, workerData: { path, backlog: BACKLOG }, execArgv: [], env: {} })
  const fd = await new Promise<number>((resolve, reject) => {
    thread.once('error', reject)
    thread.once('message', (message: unknown) => {
      if (isRecord(message) && typeof message['fd'] === 'number' && message['fd'] >= 0) resolve(message['fd'])
      else reject(isRecord(message) && message['error'] instanceof Error ? message['error'] : new Error('this Node.js does not tell the descriptor of a socket'))
    })
  }).catch(async (error: unknown) => {
    await thread.terminate()
    throw error
  })
  thread.unref()
  return { fd, close: async () => { await thread.terminate() } }
}
