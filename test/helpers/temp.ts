import { chmodSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Bytes that fit in sun_path, less the final NUL. */
const SOCKET_PATH_MAX = 107

/** A directory of one test; `await using` or `remove()` deletes it with all that is in it. */
export interface TempDir extends AsyncDisposable {
  readonly path: string
  /** Path of a file in it. */
  file (name: string): string
  /** Path for a unix socket in it, unused so far. */
  socket (name?: string): string
  remove (): Promise<void>
}

/** Makes an empty directory under the system's temporary directory, with leave for every user: real servers drop to others. */
export async function tempDir (): Promise<TempDir> {
  // Short, as a socket path must fit 107 bytes wherever the system's temporary directory is.
  const path = await mkdtemp(join(tmpdir(), 'fst-'))
  chmodSync(path, 0o777)
  let sockets = 0
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 3 })
  return {
    path,
    file: (name) => join(path, name),
    socket (name) {
      const socket = join(path, name ?? `s${sockets++}`)
      if (Buffer.byteLength(socket) > SOCKET_PATH_MAX) throw new Error(`too long for a unix socket: ${socket}`)
      return socket
    },
    remove,
    [Symbol.asyncDispose]: remove,
  }
}
