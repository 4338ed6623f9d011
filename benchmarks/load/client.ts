import { once } from 'node:events'
import { Connection } from './connection.ts'

/** Keep-alive connections to one server, in the process of the bench, that send a given number of requests. */
export class Client implements Disposable {
  readonly #connections: readonly Connection[]
  readonly #port: number
  #onLost: () => void = () => {}

  constructor (port: number, connections: number) {
    this.#port = port
    this.#connections = Array.from({ length: connections }, () => new Connection('127.0.0.1', port, () => {}, () => { this.#onLost() }))
  }

  async open (): Promise<void> {
    await Promise.all(this.#connections.map(({ socket }) => once(socket, 'connect')))
  }

  /** Has so many requests answered, one at a time on each connection. Rejects on a reply other than 200 and when a connection is lost. */
  async send (path: string, total: number): Promise<void> {
    const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.#port}\r\n\r\n`, 'latin1')
    let left = total
    let missing = total
    await new Promise<void>((resolve, reject) => {
      this.#onLost = () => { reject(new Error(`a connection was lost at ${path}`)) }
      const next = (connection: Connection): void => {
        if (left-- <= 0) return
        connection.ask(request, ({ status }) => {
          if (status !== 200) reject(new Error(`status ${status} for ${path}`))
          if (--missing === 0) resolve()
          else next(connection)
        })
      }
      for (const connection of this.#connections) next(connection)
    })
  }

  [Symbol.dispose] (): void {
    this.#onLost = () => {}
    for (const { socket } of this.#connections) socket.destroy()
  }
}
