import { queryString } from '../http/path.ts'
import type { Running } from './drain.ts'
import type { OutgoingRequest } from './outgoing.ts'
import type { Group } from '../balancer/group.ts'
import type { Mirror, StoreAsked, MirrorFile } from '../mirror/store.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyRequest } from 'fastify'

/** Bytes that wait for the disk; beyond that the application waits too. */
const HIGH_WATER = 4_194_304
/** Longest time in which the disk takes nothing: then the reply is not stored. Milliseconds. */
const PATIENCE = 5_000

/** What is used of a file. */
export type MirrorCopy = Pick<MirrorFile, 'write' | 'commit' | 'abort' | 'path' | 'length' | 'queued'>

/** Who is held up by a slow disk. */
export interface MirrorTapOwner {
  storeFull (): void
  storeDrained (): void
  /** The whole reply is there, and being put in its place: an application that closes waits for that. */
  storing (tee: MirrorTap): void
  stored (tee: MirrorTap): void
}

/** Copies the body of a reply into the store, and gives the copy up rather than the reply. (scgi_store) */
export class MirrorTap implements Running {
  place = -1
  readonly #file: MirrorCopy
  readonly #length: number
  readonly #owner: MirrorTapOwner
  readonly #request: FastifyRequest
  #over = false
  #timer: NodeJS.Timeout | undefined
  #committed: (() => void) | undefined

  /** @param length bytes of the body, -1 if it is unknown */
  constructor (file: MirrorCopy, length: number, owner: MirrorTapOwner, request: FastifyRequest) {
    this.#file = file
    this.#length = length
    this.#owner = owner
    this.#request = request
  }

  /** `undefined` for a reply that is not to be stored, or that cannot be. */
  static open (
    store: Mirror<FastifyRequest>, request: FastifyRequest, pathInfo: string, head: ResponseHead, owner: MirrorTapOwner
  ): MirrorTap | undefined {
    if (!store.shouldStore(head)) return undefined
    try {
      const file = store.begin(request, pathInfo, head)
      return file === undefined ? undefined : new MirrorTap(file, head.contentLength, owner, request)
    } catch (error) {
      request.log.error({ err: error }, error instanceof Error ? error.message : 'the reply is not stored')
      return undefined
    }
  }

  /** The reply is to be read to its end, also when its client has gone. */
  get wanted (): boolean {
    return !this.#over
  }

  write (chunk: Buffer): void {
    if (this.#over) return
    this.#file.write(chunk, error => {
      if (error !== undefined) this.#failed(error)
      else if (this.#timer !== undefined && this.#file.queued < HIGH_WATER / 2) this.#drained()
    })
    if (this.#file.queued <= HIGH_WATER || this.#timer !== undefined) return
    this.#watchDisk()
    this.#owner.storeFull()
  }

  /** A disk that is slow but takes something is waited for. */
  #watchDisk (): void {
    const { queued } = this.#file
    this.#timer = setTimeout(() => {
      if (this.#file.queued < queued) {
        this.#watchDisk()
        return
      }
      this.#request.log.warn({ store: this.#file.path }, `the reply is not stored: the disk took nothing for ${PATIENCE} ms`)
      this.abort()
    }, PATIENCE)
  }

  /** Of a piece that was written: the client knows by it that the body is complete. */
  isLast (chunk: Buffer): boolean {
    return !this.#over && chunk.length > 0 && this.#length >= 0 && this.#file.length >= this.#length
  }

  /**
   * The body is complete. False if it is not stored; else it calls back once, when the file is in its place or cannot be, and in any
   * case after a time.
   */
  commit (done: () => void): boolean {
    if (this.#over) return false
    this.#over = true
    this.#drained()
    this.#committed = done
    this.#timer = setTimeout(() => {
      this.#request.log.warn({ store: this.#file.path }, `the reply ends before it is stored: the disk took more than ${PATIENCE} ms`)
      this.#settle()
    }, PATIENCE)
    this.#owner.storing(this)
    this.#file.commit(this.#length, error => {
      if (error !== undefined) this.#request.log.error({ err: error }, error.message)
      this.#settle()
      this.#owner.stored(this)
    })
    return true
  }

  #settle (): void {
    clearTimeout(this.#timer)
    const done = this.#committed
    this.#committed = undefined
    done?.()
  }

  cut (): void {
    this.#file.abort()
    this.#settle()
    this.#owner.stored(this)
  }

  closing (): void {}

  abort (): void {
    if (this.#over) return
    this.#over = true
    this.#file.abort()
    this.#drained()
  }

  #failed (error: Error): void {
    if (this.#over) return
    this.#request.log.error({ err: error }, error.message)
    this.abort()
  }

  #drained (): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#owner.storeDrained()
  }
}

/** A request as the application sees it. */
export function askedOf (outgoing: OutgoingRequest, hasBody: boolean, group: Group<Endpoint>): StoreAsked {
  const { method, view } = outgoing
  let isAuthorized = true
  try {
    isAuthorized = outgoing.seen(group)['authorization'] !== undefined
  } catch {
    // It cannot be sent: whoever sends it is told.
  }
  return { method, isAuthorized, hasBody, hasQuery: queryString(view.target ?? view.uri) !== '' }
}
