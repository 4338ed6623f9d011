import { localKey } from '../local-address.ts'
import type { HttpConnection, HttpConnectionOptions } from './connection.ts'

interface Idle {
  readonly connection: HttpConnection
  /** The loop has turned since the reply: a server that closes in spite of what it said has done so. */
  settled: boolean
}

/**
 * The idle connections to one HTTP server. undici's own pool has one connect timeout and one local address for all requests, and no limit
 * of what it keeps; here these are the request's, so each connection is a client of undici by itself, and belongs to its local address.
 */
export class HttpPool {
  #limit: number
  readonly #idle = new Map<string, Idle[]>()

  /** @param limit most idle connections kept, for each local address */
  constructor (limit: number) {
    this.#limit = limit
  }

  /** Number of idle connections. */
  get size (): number {
    let size = 0
    for (const list of this.#idle.values()) size += list.length
    return size
  }

  /** An idle connection for a request, the one used last first. */
  take (options: HttpConnectionOptions): HttpConnection | undefined {
    const key = keyOf(options)
    const list = this.#idle.get(key)
    if (list === undefined) return undefined
    for (let index = list.length - 1; index >= 0; index--) {
      const idle = list[index]
      if (idle?.settled !== true) continue
      list.splice(index, 1)
      if (list.length === 0) this.#idle.delete(key)
      idle.connection.onIdleEnd = undefined
      if (!idle.connection.lost) return idle.connection
      return this.take(options)
    }
    return undefined
  }

  /** Keeps a connection whose reply is complete, or closes it; undici may close it too, when it has looked at the reply. */
  put (connection: HttpConnection, options: HttpConnectionOptions): void {
    const key = keyOf(options)
    let list = this.#idle.get(key)
    if (connection.lost || (list?.length ?? 0) >= this.#limit) {
      connection.destroy()
      return
    }
    if (list === undefined) this.#idle.set(key, list = [])
    const idle: Idle = { connection, settled: false }
    list.push(idle)
    connection.owner = null
    connection.onIdleEnd = () => this.#remove(key, idle)
    setImmediate(() => { idle.settled = true })
  }

  /** Closes every idle connection. */
  closeIdle (): void {
    for (const list of this.#idle.values()) for (const { connection } of list) connection.destroy()
    this.#idle.clear()
  }

  /** Closes every idle connection and keeps none from now on. */
  close (): void {
    this.#limit = 0
    this.closeIdle()
  }

  #remove (key: string, idle: Idle): void {
    const list = this.#idle.get(key)
    const index = list?.indexOf(idle) ?? -1
    if (list === undefined || index === -1) return
    list.splice(index, 1)
    // Local addresses may be as many as the clients (`bind` as a function): keep no empty lists.
    if (list.length === 0) this.#idle.delete(key)
  }
}

/** The largest head is set when undici's client is made. */
function keyOf ({ localAddress = '', localPort, transparent, bufferSize }: HttpConnectionOptions): string {
  return `${localKey(localAddress, localPort, transparent)} ${bufferSize}`
}
