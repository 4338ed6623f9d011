import { errors } from 'undici'
import { NGINX_PATHS } from '../routing/canonical-path.ts'
import { FastifyView } from '../request/view.ts'
import { ended, type DrainState, type Running } from '../exchange/drain.ts'
import { breakOff, endAfter, isGone, isHttp2, onReplyClose } from '../http/raw-reply.ts'
import { redirectStateOf } from '../http/redirect-state.ts'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { DispatchOptions } from '../../types/dispatcher.ts'

/** Where the headers of a request carry it through @fastify/reply-from to the dispatcher, which does not see the key. */
export const CALL = Symbol('fastify-scgi.call')
const WHOLE_PATH = { segments: 0, rules: NGINX_PATHS, rewritePrefix: '' }

/** A request to the application, of which a call may make several: one after the other, as it is repeated. */
export interface Asking {
  /** The client is gone. */
  left (): void
  /** It ends at once. */
  cut (): void
}

/** One call of `reply.from()`, until its reply is over and the application has finished. */
export class Call implements Running {
  place = -1
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly view: FastifyView
  /** The path as the dispatcher shall read it, where a URL would read it otherwise. */
  path: string | undefined
  /** A Set-Cookie header for the reply. */
  setCookie: string | undefined
  /** Reason phrase of the reply; empty where there is none. */
  phrase = ''
  readonly #state: DrainState
  /** undici takes it off a request whose body it gives up. */
  readonly #socket: Socket
  /** It took too long for an application that closes. */
  isCut = false
  #asking: Asking | undefined
  /** The reply is over: it was sent, or the client is gone. */
  #isClosed = false

  constructor (reply: FastifyReply, state: DrainState) {
    this.request = reply.request
    this.reply = reply
    // Addresses are gone with the client's connection.
    this.view = new FastifyView(reply.request, WHOLE_PATH, redirectStateOf(reply.request.raw))
    this.view.takeServer(reply.request.raw)
    this.#state = state
    this.#socket = reply.request.raw.socket
    if (this.isUnanswerable) return
    state.running.add(this)
    onReplyClose(reply.raw, this.#socket, () => {
      this.#isClosed = true
      this.#asking?.left()
      this.#settle()
    })
  }

  /** The application is asked. */
  began (asking: Asking): void {
    this.#asking = asking
    this.#state.running.add(this)
    if (this.#isClosed) asking.left()
  }

  /** The application has finished, or failed. */
  finished (): void {
    this.#asking = undefined
    this.#settle()
  }

  /** Nobody is there to be answered. */
  get isUnanswerable (): boolean {
    return this.isCut || isGone(this.reply.raw) || this.#socket.destroyed
  }

  /** Of a connection that is not kept as the application closes it is the last reply. */
  markLast (): void {
    if (this.#state.closing && !isHttp2(this.reply.raw)) this.reply.header('connection', 'close')
  }

  cut (): void {
    this.isCut = true
    breakOff(this.reply.raw)
    this.#asking?.cut()
  }

  closing (): void {
    endAfter(this.reply.raw, this.#socket)
  }

  #settle (): void {
    if (this.#isClosed && this.#asking === undefined) ended(this.#state, this)
  }

  static of ({ headers }: DispatchOptions): Call {
    const call: unknown = typeof headers === 'object' && headers !== null ? Reflect.get(headers, CALL) : undefined
    if (call instanceof Call) return call
    throw new errors.InvalidArgumentError('this dispatcher serves reply.from() alone')
  }
}
