import { ServerResponse, type IncomingMessage } from 'node:http'
import { ConnectionRecord, type CurrentResponse } from './connection-record.ts'
import { MessageReader } from './message-reader.ts'
import type { Server, Socket } from 'node:net'
import type { JournalWriter } from './journal.ts'

/**
 * Milliseconds for which a connection that was taken over waits for its next request. It may be one whose last request or reply was lost in
 * the very moment in which its worker died: its client is not to wait for longer.
 */
const PATIENCE = 5000

const records = new WeakMap<Socket, ConnectionRecord>()

/** The class of responses by which a record knows whose turn it is, and when the last of a reply comes. */
export function recordedResponse (base: typeof ServerResponse = ServerResponse): typeof ServerResponse {
  return class RecordedResponse<Request extends IncomingMessage = IncomingMessage> extends base<Request> implements CurrentResponse {
    // Written by Node.js; declared, because its types leave internals out.
    declare readonly _last: boolean

    override assignSocket (socket: Socket): void {
      records.get(socket)?.answers(this)
      super.assignSocket(socket)
    }

    override end (chunk?: unknown, encoding?: BufferEncoding | (() => void), callback?: () => void): this {
      if (this.socket !== null) records.get(this.socket)?.ends(this)
      if (typeof chunk === 'function') return super.end(chunk)
      return typeof encoding === 'function' ? super.end(chunk, encoding) : super.end(chunk, encoding ?? 'utf8', callback)
    }
  }
}

/** A connection that is being handed to its server. */
interface Coming {
  readonly id: number
  /** Of a request that is repeated on it. */
  readonly slot: number | undefined
  /** Another worker has had it. */
  readonly again: boolean
  socket?: Socket
}

/** Keeps the journal of the connections that the primary has a copy of. */
export class Recorder {
  readonly #journal: JournalWriter
  readonly #report: (ids: readonly number[], done: () => void) => void
  #coming: Coming | undefined
  /** Those that the primary does not know of yet, and their slots. */
  #closed: number[] = []
  #slots: number[] = []

  /** @param report tells the primary which connections are no more, and calls back when that is on its way */
  constructor (journal: JournalWriter, report: (ids: readonly number[], done: () => void) => void) {
    this.#journal = journal
    this.#report = report
  }

  /** To be called before the server listens. */
  watch (server: Server): void {
    server.on('connection', (socket: Socket) => this.#begin(socket, server))
  }

  /**
   * A connection comes.
   * @param id by which the primary has it
   * @param again another worker has had it
   * @param give hands it to its server; false if that does not take it
   */
  take (id: number, again: boolean, give: () => boolean): boolean {
    return this.#give({ id, slot: undefined, again }, give)
  }

  /** A request is about to be repeated: it must not be repeated again. Returns its slot. */
  reserve (id: number): number {
    return this.#journal.closes(id)
  }

  /**
   * As `take`, for a connection on which another worker has read a request.
   * @param slot of `reserve`
   */
  repeat (id: number, slot: number, request: Buffer, give: () => boolean): void {
    const coming: Coming = { id, slot, again: false }
    this.#give(coming, give)
    // As if it was just read: whoever reads a connection listens to this.
    if (coming.socket?.destroyed === false) coming.socket.emit('data', request)
  }

  #give (coming: Coming, give: () => boolean): boolean {
    this.#coming = coming
    const given = give()
    this.#coming = undefined
    // Its server is closed, or has as many connections as it may have.
    if (coming.socket === undefined && (given || coming.slot !== undefined)) this.#end(coming.id, coming.slot)
    return given
  }

  #begin (socket: Socket, server: Server): void {
    const coming = this.#coming
    if (coming === undefined || coming.socket !== undefined) return
    coming.socket = socket
    const { id, slot } = coming
    const reader = MessageReader.of(socket)
    if (reader === undefined) {
      this.#journal.fail(new Error('this Node.js does not show when it begins to read a request'))
      return
    }
    const record = new ConnectionRecord(id, socket, this.#journal, reader, slot)
    records.set(socket, record)
    reader.hear(() => record.begins())
    overrideWrites(socket, record)
    socket.on('close', () => this.#end(id, record.slot))
    if (coming.again) {
      socket.setTimeout(PATIENCE)
      record.whenUsed(() => socket.setTimeout('timeout' in server && typeof server.timeout === 'number' ? server.timeout : 0))
    }
  }

  #end (id: number, slot: number | undefined): void {
    if (this.#closed.length === 0) setImmediate(this.#tell)
    this.#closed.push(id)
    if (slot !== undefined) this.#slots.push(slot)
  }

  readonly #tell = (): void => {
    const ids = this.#closed
    const slots = this.#slots
    this.#closed = []
    this.#slots = []
    // Until the primary knows, the slots say that there is nothing to be taken over.
    this.#report(ids, () => { for (const slot of slots) this.#journal.forget(slot) })
  }
}

/** Whatever is written to a client, by whomever, comes by these two. */
function overrideWrites (socket: Socket, record: ConnectionRecord): void {
  const { _write: write, _writev: writev } = socket
  socket._write = (data, encoding, callback) => {
    record.beforeBytes(data)
    write.call(socket, data, encoding, callback)
    record.afterBytes()
  }
  if (writev === undefined) return
  socket._writev = (chunks, callback) => {
    record.beforeBytes(chunks[0]?.chunk)
    writev.call(socket, chunks, callback)
    record.afterBytes()
  }
}
