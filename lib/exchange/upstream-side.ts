import { BodyReader, findBody, sendsBody } from '../request/body-reader.ts'
import { FST_SCGI_BODY_TOO_LARGE } from '../errors.ts'
import { OVER } from './phase.ts'
import { Pass, type PassHandler } from '../attempts/pass.ts'
import { UpstreamRate } from '../reply/rate.ts'
import type { Readable } from 'node:stream'
import type { Group } from '../balancer/group.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { RedirectState } from '../http/redirect-state.ts'
import type { OutgoingRequest } from './outgoing.ts'
import type { Exchanging } from './exchanging.ts'
import type { Service } from './service.ts'
import type { Attempt } from '../../types/request.ts'
import type { RequestBody } from '../../types/exchange.ts'

// Why the application is not read for now.
export const CLIENT = 1
const RATE = 2
export const STORE = 4
export const CACHE = 8

/**
 * The side of the servers: has the body of a request read and a group asked, and reads the reply no faster than the slowest takes it of
 * those whom it goes to.
 */
export class UpstreamSide {
  outgoing: OutgoingRequest
  group: Group<Endpoint> | undefined
  pass: Pass | undefined
  /** The body that was given instead of the request's own. */
  #given: Buffer | string | Readable | undefined
  readonly #exchange: Exchanging & PassHandler
  readonly #service: Service
  readonly #redirected: RedirectState | undefined
  readonly #attempts: Attempt[]
  #reader: BodyReader | undefined
  #held = 0
  #rate: UpstreamRate | undefined
  #timer: NodeJS.Timeout | undefined

  constructor (
    exchange: Exchanging & PassHandler, service: Service, redirected: RedirectState | undefined,
    outgoing: OutgoingRequest, attempts: Attempt[]
  ) {
    this.#exchange = exchange
    this.#service = service
    this.#redirected = redirected
    this.outgoing = outgoing
    this.#attempts = attempts
  }

  /** @param given the body, where it is not the request's own */
  choose (group: Group<Endpoint>, given: Buffer | string | Readable | undefined): void {
    this.group = group
    this.#given = given
  }

  /** The application gets a body with the request. */
  get sendsBody (): boolean {
    return this.#service.mount.body.pass && sendsBody(this.outgoing.source, this.#redirected, this.#given)
  }

  /** Has the body read; when it is there the exchange is told to ask. */
  read (): void {
    const { mount, bodyLimit } = this.#service
    const exchange = this.#exchange
    const given = this.#given
    try {
      this.outgoing.prepare()
    } catch (error) {
      exchange.answerError(error)
      return
    }
    if (this.#redirected !== undefined && given === undefined) {
      // An earlier route has read what there was.
      const { body } = this.#redirected
      if (body !== null && body.length > bodyLimit) exchange.answerError(new FST_SCGI_BODY_TOO_LARGE(bodyLimit))
      else exchange.ask(mount.body.pass ? body : null)
      return
    }
    const request = this.outgoing.source
    let found: Buffer | Readable | null
    try {
      found = findBody(request, given)
    } catch (error) {
      if (mount.body.pass) {
        exchange.answerError(error)
        return
      }
      // Of what is not to be sent nothing is missing.
      found = null
    }
    if (found === null) {
      exchange.ask(null)
      return
    }
    const { context } = exchange
    const reader = this.#reader = new BodyReader(request, mount.body, bodyLimit, (error, body) => {
      if (exchange.phase === OVER) return
      if (error === null) context.runInAsyncScope(exchange.ask, exchange, body)
      else context.runInAsyncScope(exchange.refuseBody, exchange, error)
    })
    reader.onStreamTimeout = error => context.runInAsyncScope(exchange.bodyTimedOut, exchange, error)
    reader.read(found, given !== undefined)
  }

  /** Sends the request, with this body, to one server after the other. */
  ask (body: RequestBody | null): void {
    this.outgoing.body = body
    if (this.group === undefined) return
    const exchange = this.#exchange
    this.pass = new Pass(this.group, this.#service.mount.pass, this.outgoing, exchange, this.#attempts, exchange.context)
    this.pass.start()
  }

  /** A request that was sent may have been done, whether or not anybody has heard of it. */
  get sent (): boolean {
    return this.#attempts.some(({ connectTime }) => connectTime !== undefined)
  }

  /** Reads no further until what holds it up is released. */
  hold (reason: number): void {
    if (this.#held === 0) this.pass?.pause()
    this.#held |= reason
  }

  release (reason: number): void {
    if (this.#held === 0) return
    this.#held &= ~reason
    if (this.#held === 0) this.pass?.resume()
  }

  /** @param rate bytes a second that are read; 0 is without limit */
  limit (rate: number): void {
    if (rate > 0) this.#rate = new UpstreamRate(rate)
  }

  /** So many bytes have been read. No more are until the rate allows it. */
  took (bytes: number): void {
    if (this.#rate === undefined) return
    const wait = this.#rate.read(bytes)
    if (wait === 0 || this.#timer !== undefined) return
    this.hold(RATE)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.release(RATE)
    }, wait)
  }

  /** Lets go of the server. */
  abort (): void {
    this.pass?.abort()
  }

  /**
   * There is nothing more to send or to read.
   * @param keepsBody whoever answers instead of the servers gets the body, and needs what was read of it
   */
  end (keepsBody: boolean): void {
    clearTimeout(this.#timer)
    if (!keepsBody) this.#reader?.close()
  }
}
