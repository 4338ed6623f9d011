import { chmod, lstat, unlink } from 'node:fs/promises'
import { createServer, type Server, type RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { codeOf, toError } from '../../runtime/caught.ts'

/**
 * Serves requests over a unix socket that only this user can connect to.
 * @param own gets the sockets of those who have connected
 * @throws FST_SCGI_OPT_INVALID
 */
export async function listenOwn (path: string, own: WeakSet<Socket>, listener: RequestListener): Promise<Server> {
  await removeStale(path)
  const server = createServer(listener)
  server.on('connection', socket => own.add(socket))
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      withMask(() => server.listen(path, resolve))
    })
  } catch (error) {
    throw new FST_SCGI_OPT_INVALID('socket', `'${path}', where it cannot listen (${codeOf(error)})`, 'a path in a directory of this user, of which no other process makes use')
  }
  // In a worker of a cluster it is the primary that has made it, and a thread has no mask of its own.
  await chmod(path, 0o600)
  return server
}

/** The file is made in this call, and is nobody else's from the start. */
function withMask (listen: () => void): void {
  const before = isMainThread ? process.umask(0o177) : undefined
  try {
    listen()
  } finally {
    if (before !== undefined) process.umask(before)
  }
}

/** A file that a dead process has left behind is in the way. One that is in use, and a file that is no socket, are left alone. */
async function removeStale (path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket()) return
  } catch {
    return
  }
  const alive = await new Promise<boolean>(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', error => resolve(codeOf(error) !== 'ECONNREFUSED'))
  })
  if (!alive) await unlink(path).catch((error: unknown) => { throw toError(error) })
}
