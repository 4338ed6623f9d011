import { Socket } from 'node:net'
import type { NewSocketOptions } from './transparent.ts'

type Callback = (error?: NodeJS.ErrnoException | null) => void

/** A write has failed because the other side is gone. */
type Refused = (error: NodeJS.ErrnoException) => void

/**
 * A socket that is read to its end when a write has failed. A server may answer and close without having read all of a request: the next
 * write fails then, and Node.js would destroy the socket with the answer in it. Here the error comes after the 'end', if it still matters.
 */
export class AttentiveSocket extends Socket {
  readonly #refused: Refused

  /** @param refused called at once when a write has failed. After that comes what the socket still holds, and its end or an error */
  constructor (options: NewSocketOptions, refused: Refused) {
    super(options)
    this.#refused = refused
  }

  override _write (chunk: unknown, encoding: BufferEncoding, callback: Callback): void {
    super._write(chunk, encoding, error => written(this, this.#refused, callback, error))
  }

  override _writev (chunks: { chunk: unknown, encoding: BufferEncoding }[], callback: Callback): void {
    super._writev?.(chunks, error => written(this, this.#refused, callback, error))
  }
}

/** Makes a socket one that is read to its end as well, where it is made by others. */
export function attend (socket: Socket, refused: Refused): void {
  const { _write, _writev } = socket
  socket._write = (chunk: unknown, encoding: BufferEncoding, callback: Callback): void => {
    _write.call(socket, chunk, encoding, error => written(socket, refused, callback, error))
  }
  socket._writev = (chunks: { chunk: unknown, encoding: BufferEncoding }[], callback: Callback): void => {
    _writev?.call(socket, chunks, error => written(socket, refused, callback, error))
  }
}

function written (socket: Socket, refused: Refused, callback: Callback, error?: NodeJS.ErrnoException | null): void {
  if ((error?.code !== 'EPIPE' && error?.code !== 'ECONNRESET') || socket.destroyed || socket.readableEnded) {
    callback(error)
    return
  }
  // Before who hears of the end: it is this error that the connection has ended with.
  socket.prependOnceListener('end', () => callback(error))
  refused(error)
}
