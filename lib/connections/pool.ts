import { performance } from 'node:perf_hooks'
import { outside } from '../runtime/context.ts'

/** Oldest a connection opened ahead may be when it is used: servers close what stays silent, and that race is lost by the request. */
const PRECONNECT_AGE = 2000
/** How long a connection that a server agreed to keep stays idle. */
export const KEEPALIVE_AGE = 4000

export interface PoolOptions {
  /** Most idle connections kept after a reply, for each local address. */
  readonly keepalive: number
  /** Connections held open ahead of the requests, for each local address. */
  readonly preconnect: number
  readonly connectTimeout: number
}

/** See `ServerConnection`. */
interface Pooled {
  readonly ready: boolean
  readonly lost: boolean
  idleSince: number
  onIdleEnd: (() => void) | undefined
  rest (age: number): void
  wake (): void
  destroy (): void
}

/** What a pool has to know of its protocol. */
export interface Connector<C, O> {
  /** A connection serves the requests with its own key. */
  keyOf (options: O): string
  /** Opens a connection without an owner; `undefined` if there must be none for such requests. May throw as connecting does. */
  open (options: O, connectTimeout: number): C | undefined
}

/**
 * The idle connections to one server, those kept after a reply and those opened ahead. A connection belongs to the
 * local address it was bound to.
 */
export class IdleConnections<C extends Pooled, O> {
  readonly #connector: Connector<C, O>
  readonly #options: PoolOptions
  readonly #kept = new Map<string, C[]>()
  readonly #ahead = new Map<string, C[]>()
  #closed = false

  constructor (connector: Connector<C, O>, options: PoolOptions) {
    this.#connector = connector
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
  take (options: O): C | undefined {
    const key = this.#connector.keyOf(options)
    const found = this.#pop(this.#kept, key, KEEPALIVE_AGE) ?? this.#pop(this.#ahead, key, PRECONNECT_AGE)
    // They are for whoever comes next; the request that is waiting goes first.
    if (this.#options.preconnect > 0) outside(() => setImmediate(() => this.#refill(key, options)))
    return found
  }

  /** Keeps a connection whose reply is complete, or closes it. */
  put (connection: C, options: O): void {
    const key = this.#connector.keyOf(options)
    if (this.#closed || connection.lost || (this.#kept.get(key)?.length ?? 0) >= this.#options.keepalive) connection.destroy()
    else this.#rest(connection, this.#kept, key, KEEPALIVE_AGE)
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

  #pop (idle: Map<string, C[]>, key: string, age: number): C | undefined {
    const list = idle.get(key)
    if (list === undefined) return undefined
    let found: C | undefined
    for (let index = list.length - 1; index >= 0 && found === undefined; index--) {
      const connection = list[index]
      // One that does not stand yet is for a later request.
      if (connection?.ready !== true) continue
      list.splice(index, 1)
      connection.onIdleEnd = undefined
      if (!connection.lost && performance.now() - connection.idleSince < age) found = connection
      else connection.destroy()
    }
    if (list.length === 0) idle.delete(key)
    found?.wake()
    return found
  }

  #rest (connection: C, idle: Map<string, C[]>, key: string, age: number): void {
    let list = idle.get(key)
    if (list === undefined) idle.set(key, list = [])
    list.push(connection)
    connection.idleSince = performance.now()
    connection.onIdleEnd = () => {
      const now = idle.get(key)
      const index = now?.indexOf(connection) ?? -1
      if (now === undefined || index === -1) return
      now.splice(index, 1)
      // Local addresses may be as many as the clients (`bind` as a function): keep no empty lists.
      if (now.length === 0) idle.delete(key)
    }
    connection.rest(age)
  }

  #refill (key: string, options: O): void {
    if (this.#closed) return
    for (let n = this.#ahead.get(key)?.length ?? 0; n < this.#options.preconnect; n++) {
      // Its age counts from the start of the connect: that is the earliest at which the server can have begun to wait.
      let connection: C | undefined
      try {
        connection = this.#connector.open(options, this.#options.connectTimeout)
      } catch {
        // The request that finds none there fails with the same, and says so.
        return
      }
      if (connection === undefined) return
      this.#rest(connection, this.#ahead, key, PRECONNECT_AGE)
    }
  }
}
