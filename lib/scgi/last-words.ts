import type { Socket } from 'node:net'

/**
 * Lets a socket be read to its end after a write has failed. A server may answer and close without having read all of a request: the
 * next write fails then, and Node.js would destroy the socket with the answer in it.
 *
 * @param refused a write has failed; true where the socket shall be read. It is destroyed otherwise
 * @param ended what it held has been read, and nothing more comes. Node.js gives no 'end' after an error
 */
export function readAfterWriteError (socket: Socket, refused: (error: NodeJS.ErrnoException) => boolean, ended: () => void): void {
  const { destroy, push } = socket
  let reading = false
  socket.destroy = (error?: NodeJS.ErrnoException): Socket => {
    if (error?.syscall === 'write' && (error.code === 'EPIPE' || error.code === 'ECONNRESET') && !reading && !socket.destroyed && refused(error)) {
      reading = true
      return socket
    }
    reading = false
    return destroy.call(socket, error)
  }
  socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    const more = push.call(socket, chunk, encoding)
    if (reading && chunk === null) ended()
    return more
  }
}
