import { errors } from 'undici'
import { RequestInfo } from '../exchange/info.ts'
import { isGone } from '../http/raw-reply.ts'
import { redirectStateOf } from '../http/redirect-state.ts'
import { ASKING, DETACHED, OVER, REPLYING, UNHEARD, type TrackingPhase } from './phase.ts'
import type { Dispatcher } from 'undici'
import type { FastifyRequest } from 'fastify'
import type { Asking, Call } from './from-call.ts'
import type { DispatchContext } from '../../types/dispatcher.ts'
import type { Attempt } from '../../types/request.ts'

type Headers = Record<string, string | string[]>

/** `request.scgi` of such a call. */
class FromInfo extends RequestInfo {
  override readonly attempts: Attempt[]

  constructor (request: FastifyRequest, { attempts }: DispatchContext) {
    super(redirectStateOf(request.raw))
    // The list is the dispatcher's, and grows.
    this.attempts = attempts
  }
}

/** Watches a request for `request.scgi`, for the log, and for the client. */
export class Tracking implements Dispatcher.DispatchHandler, Asking {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #call: Call
  readonly #ignoreClientAbort: boolean
  #context: DispatchContext | undefined
  #controller: Dispatcher.DispatchController | undefined
  #info: FromInfo | undefined
  #phase: TrackingPhase = ASKING

  constructor (handler: Dispatcher.DispatchHandler, call: Call, ignoreClientAbort: boolean) {
    this.#handler = handler
    this.#call = call
    this.#ignoreClientAbort = ignoreClientAbort
  }

  onRequestStart (controller: Dispatcher.DispatchController, context: DispatchContext): void {
    const { request } = this.#call
    this.#context = context
    // Of an earlier attempt of @fastify/reply-from nothing holds for this one.
    this.#call.setCookie = undefined
    this.#call.phrase = ''
    this.#info = new FromInfo(request, context)
    this.#info.clientAddress = this.#call.view.remoteAddr
    request.scgi = this.#info
    const given = this.#ignoreClientAbort ? new Lasting(controller, reason => this.#abort(controller, reason)) : controller
    this.#handler.onRequestStart?.(given, context)
    if (controller.aborted) return
    this.#controller = controller
    this.#call.began(this)
  }

  left (): void {
    // Of a stream of HTTP/2 that was reset Node.js says that it has finished.
    if (!this.#ignoreClientAbort) this.#controller?.abort(clientLeft())
    // Once there is a body, it is its reader's to say that nobody wants it.
    else if (this.#phase === ASKING) this.#phase = this.#phase.to(UNHEARD)
  }

  cut (): void {
    this.#controller?.abort(new errors.RequestAbortedError('The application is closing'))
  }

  onResponseStart (controller: Dispatcher.DispatchController, statusCode: number, headers: Headers, statusMessage?: string): void {
    if (this.#info !== undefined) this.#info.head = this.#context?.head
    this.#call.setCookie = this.#context?.setCookie
    this.#call.phrase = statusMessage ?? ''
    if (this.#phase !== ASKING) return
    this.#phase = this.#phase.to(REPLYING)
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
    this.#goOn(controller)
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase !== REPLYING) return
    this.#handler.onResponseData?.(controller, chunk)
    this.#goOn(controller)
  }

  onResponseEnd (controller: Dispatcher.DispatchController, trailers: Headers): void {
    const before = this.#end()
    if (before === REPLYING) this.#handler.onResponseEnd?.(controller, trailers)
    else if (before === UNHEARD) this.#handler.onResponseError?.(controller, clientLeft())
  }

  onResponseError (controller: Dispatcher.DispatchController, error: Error): void {
    // After its end there are no errors but the handler's own.
    const before = this.#phase === OVER ? OVER : this.#end(error)
    if (before !== DETACHED) this.#handler.onResponseError?.(controller, error)
  }

  /** The body is given up: by a hook, or because the client is gone. */
  #abort (controller: Dispatcher.DispatchController, reason: Error | undefined): void {
    if (this.#phase === REPLYING && isGone(this.#call.reply.raw)) {
      this.#phase = this.#phase.to(DETACHED)
      this.#handler.onResponseError?.(controller, reason ?? clientLeft())
      controller.resume()
    } else if (this.#phase === ASKING || this.#phase === REPLYING) {
      controller.abort(reason ?? new errors.RequestAbortedError())
    }
  }

  /** A handler that has given up its body while it took a piece asks to pause all the same. */
  #goOn (controller: Dispatcher.DispatchController): void {
    if (this.#phase === DETACHED && controller.paused) controller.resume()
  }

  /** The application has finished, or failed. Returns where the request stood. */
  #end (error?: Error): TrackingPhase {
    const before = this.#phase
    this.#phase = before.to(OVER)
    this.#call.finished()
    this.#log(error)
    return before
  }

  #log (error?: Error): void {
    const { log } = this.#call.request
    if (log.level !== 'debug' && log.level !== 'trace') return
    const attempts = this.#context?.attempts ?? []
    for (const attempt of attempts) {
      log.debug({ upstream: attempt, err: attempt === attempts.at(-1) ? error : undefined }, `upstream ${attempt.address} ${attempt.status ?? '-'}`)
    }
  }
}

/** What a handler gets of a request that may outlive its client. */
class Lasting implements Dispatcher.DispatchController {
  rawHeaders: Buffer[] | string[] | null = null
  rawTrailers: Buffer[] | string[] | null = null
  readonly abort: (reason?: Error) => void
  readonly #controller: Dispatcher.DispatchController

  constructor (controller: Dispatcher.DispatchController, abort: (reason?: Error) => void) {
    this.#controller = controller
    this.abort = abort
  }

  get aborted (): boolean {
    return this.#controller.aborted
  }

  get reason (): Error | null {
    return this.#controller.reason
  }

  get paused (): boolean {
    return this.#controller.paused
  }

  pause (): void {
    this.#controller.pause()
  }

  resume (): void {
    this.#controller.resume()
  }
}

function clientLeft (): Error {
  return new errors.RequestAbortedError('The client closed the connection')
}
