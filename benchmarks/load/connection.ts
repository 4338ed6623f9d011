import { connect, type Socket } from 'node:net'

/** What became of one request. */
export interface Answer {
  readonly status: number
  /** Bytes of the reply, its head included. */
  readonly bytes: number
}

const largestHead = 65536
const lastChunk = Buffer.from('0\r\n\r\n')

/** One keep-alive connection that carries one request at a time. It reads framing only as far as the bench's own replies need it. */
export class Connection {
  readonly socket: Socket
  #done: ((answer: Answer) => void) | undefined
  #head: Buffer | undefined
  #status = 0
  #bytes = 0
  /** Bytes of the body still to come; NaN before the head has ended; -1: chunked, until the last chunk. */
  #left = NaN
  #tail = Buffer.alloc(0)

  /** @param onClose called once, with whether it was ever connected */
  constructor (
    host: string, port: number, onConnect: (connection: Connection) => void, onClose: (connection: Connection, connected: boolean) => void
  ) {
    let connected = false
    this.socket = connect({ host, port, noDelay: true })
    this.socket.on('connect', () => {
      connected = true
      onConnect(this)
    })
    this.socket.on('data', (data: Buffer) => { this.#take(data) })
    this.socket.on('error', () => {}) // 'close' follows
    this.socket.on('close', () => { onClose(this, connected) })
  }

  get isIdle (): boolean {
    return this.#done === undefined
  }

  /** Sends a request; `done` is called at the last byte of the reply. */
  ask (request: Buffer, done: (answer: Answer) => void): void {
    this.#done = done
    this.#head = undefined
    this.#left = NaN
    this.#bytes = 0
    this.#tail = Buffer.alloc(0)
    this.socket.write(request)
  }

  #take (data: Buffer): void {
    if (this.#done === undefined) {
      this.socket.destroy() // nothing was asked for
      return
    }
    this.#bytes += data.length
    const body = Number.isNaN(this.#left) ? this.#readHead(data) : data
    if (body === undefined) return
    if (this.#left === -1) {
      this.#tail = Buffer.concat([this.#tail.subarray(-lastChunk.length), body])
      if (this.#tail.subarray(-lastChunk.length).equals(lastChunk)) this.#finish()
    } else {
      this.#left -= body.length
      if (this.#left <= 0) this.#finish()
    }
  }

  #readHead (data: Buffer): Buffer | undefined {
    const head = this.#head === undefined ? data : Buffer.concat([this.#head, data])
    this.#head = head
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) {
      if (head.length > largestHead) this.socket.destroy()
      return undefined
    }
    const text = head.toString('latin1', 0, end)
    this.#status = Number(text.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
    this.#left = length === undefined ? -1 : Number(length)
    return head.subarray(end + 4)
  }

  #finish (): void {
    const done = this.#done
    this.#done = undefined
    done?.({ status: this.#status, bytes: this.#bytes })
  }
}
