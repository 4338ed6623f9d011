import { outside } from '../../runtime/context.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { localKey } from '../local-address.ts'
import type { ServerAddress } from '../../../types/exchange.ts'

/** Oldest a connection opened ahead may be when it is used: servers close what stays silent, and that race is lost by the request. */
const PRECONNECT_AGE = 2000
/** How long a connection that a server agreed to keep stays idle. */
const KEEPALIVE_AGE = 4000

export interface PoolOptions {
  /** Most idle connections kept after a reply, for each local address. */
  readonly keepalive: number
  /** Connections held open ahead of the requests, for each local address. */
  readonly preconnect: number
  readonly connectTimeout: number
}

/**
 * The idle connections to one server, those kept after a reply and those opened ahead. A connection belongs to the
 * local address it was bound to.
 */
export class ConnectionPool {
  readonly #address: ServerAddress
  readonly #options: PoolOptions
  readonly #kept = new Map<string, Connection[]>()
  readonly #ahead = new Map<string, Connection[]>()
  #closed = false

  constructor (address: ServerAddress, options: PoolOptions) {
    this.#address = address
    this.#options = options
  }

  /** Whether requests should offer to keep the connection. */
  get keepalive (): boolean {
    return this.#options.keepalive > 0
  }

  /** Number of idle connections. */
  get size (): number {
    let size = 0
    for (const list of this.#kept.values()) size += list.length
    for (const list of this.#ahead.values()) size += list.length
    return size
  }

  /** An idle connection for a request, the one used last first. */
  take (options: ConnectionOptions): Connection | undefined {
    const key = this.#keyOf(options)
    const found = this.#pop(this.#kept, key, KEEPALIVE_AGE) ?? this.#pop(this.#ahead, key, PRECONNECT_AGE)
    // Two sockets cannot have one local port, and the request that is waiting goes first.
    if (this.#options.preconnect > 0 && (options.localPort === undefined || this.#address.host === undefined)) {
      // They are for whoever comes next.
      outside(() => setImmediate(() => this.#refill(key, options)))
    }
    return found
  }

  /** Keeps a connection whose reply is complete, or closes it. */
  put (connection: Connection, options: ConnectionOptions): void {
    const key = this.#keyOf(options)
    if (this.#closed || (this.#kept.get(key)?.length ?? 0) >= this.#options.keepalive) connection.destroy()
    else this.#idle(connection, this.#kept, key, KEEPALIVE_AGE)
  }

  /** Closes every idle connection. */
  closeIdle (): void {
    for (const lists of [this.#kept, this.#ahead]) {
      for (const list of lists.values()) for (const connection of list) connection.destroy()
      lists.clear()
    }
  }

  /** Closes every idle connection and keeps none from now on. */
  close (): void {
    this.#closed = true
    this.closeIdle()
  }

  #pop (idle: Map<string, Connection[]>, key: string, age: number): Connection | undefined {
    const list = idle.get(key)
    if (list === undefined) return undefined
    let found: Connection | undefined
    for (let index = list.length - 1; index >= 0 && found === undefined; index--) {
      const connection = list[index]
      // One that does not stand yet is for a later request.
      if (connection?.connected !== true) continue
      list.splice(index, 1)
      if (performance.now() - connection.idleSince < age) found = connection
      else connection.destroy()
    }
    if (list.length === 0) idle.delete(key)
    if (found !== undefined) {
      found.onIdleEnd = undefined
      found.socket.ref()
    }
    return found
  }

  #idle (connection: Connection, idle: Map<string, Connection[]>, key: string, age: number): void {
    let list = idle.get(key)
    if (list === undefined) idle.set(key, list = [])
    list.push(connection)
    connection.owner = null
    connection.idleSince = performance.now()
    connection.onIdleEnd = gone => {
      const now = idle.get(key)
      const index = now?.indexOf(gone) ?? -1
      if (now === undefined || index === -1) return
      now.splice(index, 1)
      // Local addresses may be as many as the clients (`bind` as a function): keep no empty lists.
      if (now.length === 0) idle.delete(key)
    }
    connection.setTimeout(age)
    // An idle connection must not keep the process alive.
    connection.socket.unref()
  }

  /** A unix socket has no local address. */
  #keyOf ({ localAddress, localPort, transparent }: ConnectionOptions): string {
    return localAddress === undefined || this.#address.host === undefined ? '' : localKey(localAddress, localPort, transparent)
  }

  #refill (key: string, options: ConnectionOptions): void {
    if (this.#closed) return
    for (let n = this.#ahead.get(key)?.length ?? 0; n < this.#options.preconnect; n++) {
      // Its age counts from the start of the connect: that is the earliest at which the server can have begun to wait.
      let connection: Connection
      try {
        connection = Connection.open(this.#address, options, null, this.#options.connectTimeout)
      } catch {
        // The request that finds none there fails with the same, and says so.
        return
      }
      this.#idle(connection, this.#ahead, key, PRECONNECT_AGE)
    }
  }
}
