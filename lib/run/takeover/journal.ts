import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// What a worker has in flight, in a file in memory that outlives it. Each connection with a request has a slot: its id as a double, the
// length of the bytes that were read as 32 bits, the state as one byte, then the bytes, and their length again: a write that was cut by
// the end of the process is seen by that. A slot begins on a page, so that few writes can be cut.

/** Bytes of a slot: a page. */
const SLOT = 4096
const LENGTH_AT = 8
const STATE_AT = 12
const BYTES_AT = 16
const TAIL = 4

/** So long may a request be. */
const MOST = SLOT - BYTES_AT - TAIL

/** States of a slot: nothing, a request that may be repeated, a connection that cannot be taken over. */
const FREE = 0
const ASKED = 1
const CLOSES = 2
const STATES = Buffer.from([FREE, ASKED, CLOSES])

/** What a worker had in flight on a connection: the bytes of a request that nobody has begun to answer, or what cannot be taken over. */
export type Entry = { readonly request: Buffer } | 'closes'

/** The journal, as a worker writes it. */
export class JournalWriter {
  readonly #fd: number
  readonly #onFailure: (error: unknown) => void
  readonly #page = Buffer.alloc(SLOT)
  /** Last in, first out: few pages are used while few requests are in flight. */
  readonly #free: number[] = []
  #used = 0
  #failed = false

  /**
   * @param onFailure called once: nothing is written any more
   * @throws where the file cannot be opened
   */
  constructor (path: string, onFailure: (error: unknown) => void) {
    this.#fd = openSync(path, 'r+')
    this.#onFailure = onFailure
  }

  /** Notes a request; returns its slot. One that is too long is noted as one that cannot be repeated. */
  asked (id: number, bytes: Uint8Array): number {
    const { length } = bytes
    if (length > MOST) return this.closes(id)
    const slot = this.#free.pop() ?? this.#used++
    const page = this.#page
    page.writeDoubleLE(id, 0)
    page.writeUInt32LE(length, LENGTH_AT)
    page[STATE_AT] = ASKED
    page.set(bytes, BYTES_AT)
    page.writeUInt32LE(length, BYTES_AT + length)
    this.#write(page, 0, BYTES_AT + length + TAIL, slot * SLOT)
    return slot
  }

  /** Notes that a connection cannot be taken over; returns its slot. */
  closes (id: number): number {
    const slot = this.#free.pop() ?? this.#used++
    this.#page.writeDoubleLE(id, 0)
    this.#page[STATE_AT] = CLOSES
    this.#write(this.#page, 0, BYTES_AT, slot * SLOT)
    return slot
  }

  /** From now on the connection of a slot cannot be taken over. */
  turn (slot: number): void {
    this.#write(STATES, CLOSES, 1, slot * SLOT + STATE_AT)
  }

  /** The request of a slot is answered. */
  answered (slot: number): void {
    this.#write(STATES, FREE, 1, slot * SLOT + STATE_AT)
    this.forget(slot)
  }

  /** The primary knows that the connection of a slot is no more: what the slot says of it means nothing. */
  forget (slot: number): void {
    this.#free.push(slot)
  }

  /** Nothing is written any more. */
  fail (error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    this.#onFailure(error)
  }

  #write (from: Buffer, offset: number, length: number, position: number): void {
    if (this.#failed) return
    try {
      writeSync(this.#fd, from, offset, length, position)
    } catch (error) {
      this.fail(error)
    }
  }
}

/** The journal of a worker, as the primary has it. */
export class JournalFile {
  readonly path: string
  readonly #fd: number
  #named = true

  /** @throws where none can be made */
  constructor () {
    // In memory, where the system has that for files.
    this.path = join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `fastify-scgi-${randomUUID()}`)
    this.#fd = openSync(this.path, 'wx+', 0o600)
  }

  /** Nobody else can open it from now on. */
  unlink (): void {
    if (!this.#named) return
    this.#named = false
    try {
      unlinkSync(this.path)
    } catch {
      // Somebody else has removed it.
    }
  }

  /**
   * What is in it, by the ids of the connections.
   * @throws where it cannot be read
   */
  read (): Map<number, Entry> {
    const bytes = Buffer.alloc(fstatSync(this.#fd).size)
    return readEntries(bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, 0)))
  }

  close (): void {
    this.unlink()
    closeSync(this.#fd)
  }
}

function readEntries (bytes: Buffer): Map<number, Entry> {
  const entries = new Map<number, Entry>()
  for (let at = 0; at + BYTES_AT <= bytes.length; at += SLOT) {
    const state = bytes[at + STATE_AT]
    if (state === FREE) continue
    const id = bytes.readDoubleLE(at)
    // A connection has one slot at a time: of two, one is left of a write that was cut.
    entries.set(id, state === ASKED && !entries.has(id) ? readRequest(bytes, at) : 'closes')
  }
  return entries
}

function readRequest (bytes: Buffer, at: number): Entry {
  const length = bytes.readUInt32LE(at + LENGTH_AT)
  const end = at + BYTES_AT + length
  if (length > MOST || end + TAIL > bytes.length || bytes.readUInt32LE(end) !== length) return 'closes'
  return { request: bytes.subarray(at + BYTES_AT, end) }
}
