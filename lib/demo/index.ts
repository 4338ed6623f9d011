import { rmSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { makeOwnDirectory } from '../files/leftovers.ts'
import { createScgiServer } from '../server/index.ts'
import { DemoApplication } from './application.ts'

/** The demo application, serving. */
export interface Demo {
  /** Where it listens, as an address for `upstreams`. */
  readonly address: string
  /** Ends its event streams, and stops when the last request is answered. */
  close (): Promise<void>
}

/**
 * Starts an SCGI application that shows what it is sent, on a unix socket in a directory of its own.
 * @param base path under which the gateway mounts it
 */
export async function startDemo (base: string): Promise<Demo> {
  const application = new DemoApplication(base.replace(/\/+$/, ''))
  const server = createScgiServer((request, response) => application.serve(request, response))
  // Windows has no such sockets that Node.js could use.
  const directory = process.platform === 'win32' ? undefined : makeOwnDirectory('demo-')
  const remove = (): void => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', remove)
  const socket = directory === undefined ? undefined : join(directory, 'demo.sock')
  if (socket === undefined) server.listen(0, '127.0.0.1')
  else server.listen(socket)
  await once(server, 'listening')
  const bound = server.address()
  const address = socket === undefined && typeof bound === 'object' && bound !== null ? `127.0.0.1:${bound.port}` : `unix:${socket}`
  return {
    address,
    async close () {
      application.close()
      server.close()
      await once(server, 'close')
      process.off('exit', remove)
      remove()
    },
  }
}
