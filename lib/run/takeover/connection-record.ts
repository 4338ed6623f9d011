import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { JournalWriter } from './journal.ts'
import type { MessageReader } from './message-reader.ts'

/**
 * What can be done with a connection if this process dies now.
 *
 * | phase  | a request begins           | bytes go out                                | a reply is through |
 * | ------ | -------------------------- | ------------------------------------------- | ------------------ |
 * | idle   | asked if it is whole, else closes | closes                               | idle               |
 * | asked  | closes                     | idle if they are the whole reply, else closes | -                |
 * | closes | closes                     | idle if they are the rest of the reply, else closes | idle if nothing else is under way |
 *
 * It stays in `closes` where the reply is the last one of the connection, where a body is not through, and in a tunnel.
 */
type Phase =
  /** Another worker may read on. */
  | 'idle'
  /** Another worker may answer the request. */
  | 'asked'
  /** It can only be closed. */
  | 'closes'

/** Bytes that the kernel takes at once. */
const AT_ONCE = 16_384
const NONE = -1
const SWITCHING_PROTOCOLS = 101

/** A response, with what Node.js' types leave out. */
export interface CurrentResponse extends ServerResponse {
  /** The connection ends with it. */
  readonly _last: boolean
}

/** Keeps the journal of one connection. */
export class ConnectionRecord {
  readonly id: number
  readonly #socket: Socket
  readonly #journal: JournalWriter
  readonly #reader: MessageReader
  #phase: Phase = 'idle'
  #slot = NONE
  /** Requests that have begun, and whose replies are not through. */
  #running = 0
  #response: CurrentResponse | undefined
  /** The application has given the last of the reply. */
  #ending = false
  #watched: CurrentResponse | undefined
  /** Called when the first request begins. */
  #whenUsed: (() => void) | undefined

  /** @param slot says already that it cannot be taken over: what was read on it before is repeated */
  constructor (id: number, socket: Socket, journal: JournalWriter, reader: MessageReader, slot = NONE) {
    this.id = id
    this.#socket = socket
    this.#journal = journal
    this.#reader = reader
    if (slot === NONE) return
    this.#slot = slot
    this.#phase = 'closes'
  }

  /** The slot, which is in use until the primary knows that the connection is no more. */
  get slot (): number | undefined {
    return this.#slot === NONE ? undefined : this.#slot
  }

  whenUsed (call: () => void): void {
    this.#whenUsed = call
  }

  /** The first byte of a request was read. */
  begins (): void {
    if (this.#whenUsed !== undefined) {
      this.#whenUsed()
      this.#whenUsed = undefined
    }
    if (this.#running++ > 0 || this.#phase !== 'idle') {
      if (this.#running === 1) this.#response = undefined
      this.#closes()
      return
    }
    this.#response = undefined
    const bytes = this.#reader.read()
    if (bytes === undefined) this.#closes()
    else {
      this.#slot = this.#journal.asked(this.id, bytes)
      this.#phase = 'asked'
    }
  }

  /** From now on it is this response's turn. */
  answers (response: CurrentResponse): void {
    this.#response = response
    this.#ending = response.writableEnded
  }

  /** The last of a reply is about to be written. */
  ends (response: CurrentResponse): void {
    if (response === this.#response) this.#ending = true
  }

  /** To be called before bytes go to the client. */
  beforeBytes (data: unknown): void {
    const response = this.#response
    if (response !== undefined && this.#running === 1) {
      if (this.#phase === 'asked' && !response.headersSent && isInterim(data)) return
      if (this.#ending && this.#socket.writableLength <= AT_ONCE && this.#mayGoOn(response)) {
        this.#answered()
        return
      }
    }
    this.#closes()
    if (response !== undefined) this.#watch(response)
  }

  /** To be called after that: the kernel may not have taken all. */
  afterBytes (): void {
    if (this.#phase !== 'idle' || this.#socket.writableLength === 0) return
    this.#closes()
    if (this.#response !== undefined) this.#watch(this.#response)
  }

  #watch (response: CurrentResponse): void {
    if (this.#watched === response) return
    this.#watched = response
    response.once('finish', () => {
      // The next response of a pipeline may have begun already, and is watched by now.
      if (this.#watched === response) this.#watched = undefined
      if (this.#running > 0) this.#running--
      if (this.#running === 0 && this.#phase === 'closes' && this.#mayGoOn(response)) this.#answered()
    })
  }

  /** Another request may come after this response. */
  #mayGoOn (response: CurrentResponse): boolean {
    if (response._last || !response.shouldKeepAlive || !response.req.complete) return false
    return response.statusCode !== SWITCHING_PROTOCOLS && this.#reader.reads
  }

  #closes (): void {
    if (this.#phase === 'closes') return
    this.#phase = 'closes'
    if (this.#slot === NONE) this.#slot = this.#journal.closes(this.id)
    else this.#journal.turn(this.#slot)
  }

  #answered (): void {
    this.#phase = 'idle'
    this.#running = 0
    if (this.#slot === NONE) return
    this.#journal.answered(this.#slot)
    this.#slot = NONE
  }
}

/** The head of an informational reply, after which the reply itself is still to come. */
function isInterim (data: unknown): boolean {
  return typeof data === 'string' && data.startsWith('HTTP/1.1 1') && !data.startsWith('HTTP/1.1 101')
}
