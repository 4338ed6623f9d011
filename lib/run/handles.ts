import { isFunction, isRecord } from '../options/checks.ts'
import type { AddressInfo, Server } from 'node:net'
import type { ChildProcess } from 'node:child_process'

// What node:cluster does with connections, done so that the sockets outlive every worker and a connection outlives the worker that
// was to have it. The handles of Node.js are the only way; they are the same in 20, 22 and 24.

/** A connection that nobody has read from yet. */
export type Handle = object

/** Where a server listens, as `server.address()` tells it. */
export type ServerAddress = string | AddressInfo | null

/** From now on a server that listens makes no sockets: its connections go elsewhere. */
export function divertConnections (server: Server, take: (connection: Handle) => void): void {
  const handle: unknown = Reflect.get(server, '_handle')
  if (typeof handle !== 'object' || handle === null || !('onconnection' in handle)) throw new Error('this Node.js does not show the handle of a server that listens')
  handle.onconnection = (error: number, connection: unknown) => {
    // Nothing can be accepted while the process has no descriptors left; the next one is tried again.
    if (error === 0 && typeof connection === 'object' && connection !== null) take(connection)
  }
}

/** What `server.address()` tells of a unix socket. */
export function namePipe (server: Server, path: string): void {
  Reflect.set(server, '_pipeName', path)
}

/** Sets how many connections may wait to be accepted, while the server listens. (listen(2) may be called again) */
export function setBacklog (server: Server, backlog: number): void {
  const handle: unknown = Reflect.get(server, '_handle')
  if (typeof handle === 'object' && handle !== null) call(handle, 'listen', backlog)
}

/** Closes what another process has taken over, or nobody wants. */
export function closeHandle (connection: Handle): void {
  call(connection, 'close')
}

/** Sends a message with a connection to a worker; it stays open here, too. */
export function sendHandle (to: ChildProcess, message: object, connection: Handle, done: (error: Error | null) => void): void {
  Reflect.apply(to.send, to, [message, connection, done])
}

/**
 * Tells of messages whose connection did not arrive, which are heard by nobody: the system drops it where the process has no descriptor left
 * for it, and Node.js sends it anew for its own sockets alone.
 */
export function onLostHandle (lost: (message: unknown) => void): void {
  process.on('internalMessage', (message: unknown, handle: unknown) => {
    if (isRecord(message) && message['cmd'] === 'NODE_HANDLE' && (handle === undefined || handle === null)) lost(message['msg'])
  })
}

/** A server that accepts nothing by itself: another process gives it its connections. */
export class Intake {
  readonly #server: Server
  readonly #handle: { [name: string]: unknown }
  #open = true

  /** To be told where it listens before anybody has it listen. */
  constructor (server: Server, address: ServerAddress) {
    this.#server = server
    this.#handle = {
      listen: () => 0,
      ref () {},
      unref () {},
      close: (done: unknown) => {
        this.#open = false
        if (isFunction(done)) done.call(this.#handle)
      },
    }
    if (typeof address === 'string') namePipe(server, address)
    else {
      this.#handle.getsockname = (out: object) => {
        Object.assign(out, address)
        return 0
      }
    }
    Object.defineProperty(server, 'listen', { configurable: true, value: () => this.#listen() })
  }

  get open (): boolean {
    return this.#open && isFunction(this.#handle.onconnection)
  }

  /** False if the server is closed: the connection is still the giver's. */
  give (connection: Handle): boolean {
    const { onconnection } = this.#handle
    if (!this.#open || !isFunction(onconnection)) return false
    onconnection.call(this.#handle, 0, connection)
    return true
  }

  #listen (): Server {
    const server = this.#server
    Reflect.deleteProperty(server, 'listen')
    Reflect.set(server, '_handle', this.#handle)
    const listen: unknown = Reflect.get(server, '_listen2')
    if (!isFunction(listen)) throw new Error('this Node.js does not show how a server listens')
    listen.call(server, null, -1, -1, 0, -1)
    return server
  }
}

/** From now on a server listens by what another process gives it. */
export function divertListen (server: Server, address: ServerAddress): Intake {
  return new Intake(server, address)
}

function call (target: object, method: string, ...given: unknown[]): void {
  const found: unknown = Reflect.get(target, method)
  if (isFunction(found)) Reflect.apply(found, target, given)
}
