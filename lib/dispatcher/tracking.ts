import { errors } from 'undici'
import { RequestInfo } from '../exchange/info.ts'
import { isGone, onReplyClose } from '../http/raw-reply.ts'
import { redirectStateOf } from '../http/redirect-state.ts'
import type { Dispatcher } from 'undici'
import type { FastifyRequest } from 'fastify'
import type { Call } from './from-call.ts'
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
export class Tracking implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler
  readonly #call: Call
  readonly #ignoreClientAbort: boolean
  #context: DispatchContext | undefined
  #info: FromInfo | undefined
  #headGiven = false
  /** The client is gone, and the application finishes all the same: what comes is dropped. */
  #detached = false
  /** The handler has heard of the end. */
  #told = false
  #over = false

  constructor (handler: Dispatcher.DispatchHandler, call: Call, ignoreClientAbort: boolean) {
    this.#handler = handler
    this.#call = call
    this.#ignoreClientAbort = ignoreClientAbort
  }

  onRequestStart (controller: Dispatcher.DispatchController, context: DispatchContext): void {
    const { request, reply } = this.#call
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
    const leave = (): void => {
      // Of a stream of HTTP/2 that was reset Node.js says that it has finished.
      if (this.#over) return
      if (!this.#ignoreClientAbort) controller.abort(clientLeft())
      // Once there is a body, it is its reader's to say that nobody wants it.
      else if (!this.#headGiven) this.#detached = true
    }
    if (reply.raw.destroyed) leave()
    else onReplyClose(reply.raw, request.raw.socket, leave)
  }

  onResponseStart (controller: Dispatcher.DispatchController, statusCode: number, headers: Headers, statusMessage?: string): void {
    if (this.#info !== undefined) this.#info.head = this.#context?.head
    this.#call.setCookie = this.#context?.setCookie
    this.#call.phrase = statusMessage ?? ''
    if (this.#detached) return
    this.#headGiven = true
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
    this.#goOn(controller)
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#detached) return
    this.#handler.onResponseData?.(controller, chunk)
    this.#goOn(controller)
  }

  onResponseEnd (controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.#over = true
    this.#log()
    if (this.#detached) this.#tell(controller, clientLeft())
    else this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError (controller: Dispatcher.DispatchController, error: Error): void {
    this.#over = true
    this.#log(error)
    this.#tell(controller, error)
  }

  /** The body is given up: by a hook, or because the client is gone. */
  #abort (controller: Dispatcher.DispatchController, reason: Error | undefined): void {
    if (this.#over || this.#detached) return
    if (!this.#headGiven || !isGone(this.#call.reply.raw)) {
      controller.abort(reason ?? new errors.RequestAbortedError())
      return
    }
    this.#detached = true
    this.#tell(controller, reason ?? clientLeft())
    controller.resume()
  }

  /** A handler that has given up its body while it took a piece asks to pause all the same. */
  #goOn (controller: Dispatcher.DispatchController): void {
    if (this.#detached && controller.paused) controller.resume()
  }

  #tell (controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#told) return
    this.#told = true
    this.#handler.onResponseError?.(controller, error)
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
