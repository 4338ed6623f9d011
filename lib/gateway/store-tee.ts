import type { Running } from './handler.ts'
import type { Store, StoreFile } from '../store.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyRequest } from 'fastify'

/** Bytes that wait for the disk; beyond that the application waits too. */
const HIGH_WATER = 4_194_304
/** Longest time that it waits: then the reply is not stored. Milliseconds. */
const PATIENCE = 5_000

/** Who is held up by a slow disk. */
export interface StoreOwner {
  storeFull (): void
  storeDrained (): void
  /** The whole reply is there, and being put in its place: an application that closes waits for that. */
  storing (tee: StoreTee): void
  stored (tee: StoreTee): void
}

/** Copies the body of a reply into the store, and gives the copy up rather than the reply. (scgi_store) */
export class StoreTee implements Running {
  place = -1
  readonly #file: StoreFile
  readonly #owner: StoreOwner
  readonly #request: FastifyRequest
  #over = false
  #timer: NodeJS.Timeout | undefined

  constructor (file: StoreFile, owner: StoreOwner, request: FastifyRequest) {
    this.#file = file
    this.#owner = owner
    this.#request = request
  }

  /** `undefined` for a reply that is not to be stored, or that cannot be. */
  static open (
    store: Store<FastifyRequest>, request: FastifyRequest, pathInfo: string, head: ResponseHead, owner: StoreOwner
  ): StoreTee | undefined {
    if (!store.shouldStore(request.method, head, request.headers.authorization !== undefined)) return undefined
    try {
      const file = store.begin(request, pathInfo, head)
      return file === undefined ? undefined : new StoreTee(file, owner, request)
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
    this.#timer = setTimeout(() => {
      this.#request.log.warn({ store: this.#file.path }, `the reply is not stored: the disk took nothing for ${PATIENCE} ms`)
      this.abort()
    }, PATIENCE)
    this.#owner.storeFull()
  }

  /** The body is complete. */
  commit (head: ResponseHead): void {
    if (this.#over) return
    this.#over = true
    this.#drained()
    this.#owner.storing(this)
    this.#file.commit(head.contentLength, error => {
      if (error !== undefined) this.#request.log.error({ err: error }, error.message)
      this.#owner.stored(this)
    })
  }

  cut (): void {
    this.#file.abort()
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
