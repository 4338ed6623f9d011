import { Socket } from 'node:net'
import type { NewSocketOptions } from './transparent.ts'

type Callback = (error?: NodeJS.ErrnoException | null) => void

/** Whose socket is read to its end. */
export interface Attentive {
  /** Called at once when a write has failed because the other side is gone. After that comes what the socket still holds, and its end or an error. */
  onRefused (error: NodeJS.ErrnoException): void
}

/**
 * A socket that is read to its end when a write has failed. A server may answer and close without having read all of a request: the next
 * write fails then, and Node.js would destroy the socket with the answer in it. Here the error comes after the 'end', if it still matters.
 */
export class AttentiveSocket<Owner extends Attentive = Attentive> extends Socket {
  readonly owner: Owner

  constructor (options: NewSocketOptions, owner: Owner) {
    super(options)
    this.owner = owner
  }

  override _write (chunk: unknown, encoding: BufferEncoding, callback: Callback): void {
    super._write(chunk, encoding, error => written(this, this.owner, callback, error))
  }

  override _writev (chunks: { chunk: unknown, encoding: BufferEncoding }[], callback: Callback): void {
    super._writev?.(chunks, error => written(this, this.owner, callback, error))
  }
}

/** Makes a socket one that is read to its end as well, where it is made by others. */
export function attend (socket: Socket, owner: Attentive): void {
  const { _write, _writev } = socket
  socket._write = (chunk: unknown, encoding: BufferEncoding, callback: Callback): void => {
    _write.call(socket, chunk, encoding, error => written(socket, owner, callback, error))
  }
  socket._writev = (chunks: { chunk: unknown, encoding: BufferEncoding }[], callback: Callback): void => {
    _writev?.call(socket, chunks, error => written(socket, owner, callback, error))
  }
}

function written (socket: Socket, owner: Attentive, callback: Callback, error?: NodeJS.ErrnoException | null): void {
  if ((error?.code !== 'EPIPE' && error?.code !== 'ECONNRESET') || socket.destroyed || socket.readableEnded) {
    callback(error)
    return
  }
  // Before who hears of the end: it is this error that the connection has ended with.
  socket.prependOnceListener('end', () => callback(error))
  owner.onRefused(error)
}
