import { errors } from 'undici'
import { RequestInfo } from '../exchange/info.ts'
import { onReplyClose } from '../http/raw-reply.ts'
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
    this.#handler.onRequestStart?.(controller, context)
    if (this.#ignoreClientAbort || controller.aborted) return
    const leave = (): void => {
      // Of a stream of HTTP/2 that was reset Node.js says that it has finished.
      if (!this.#over) controller.abort(new errors.RequestAbortedError('The client closed the connection'))
    }
    if (reply.raw.destroyed) leave()
    else onReplyClose(reply.raw, request.raw.socket, leave)
  }

  onResponseStart (controller: Dispatcher.DispatchController, statusCode: number, headers: Headers, statusMessage?: string): void {
    if (this.#info !== undefined) this.#info.head = this.#context?.head
    this.#call.setCookie = this.#context?.setCookie
    this.#call.phrase = statusMessage ?? ''
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd (controller: Dispatcher.DispatchController, trailers: Headers): void {
    this.#over = true
    this.#log()
    this.#handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError (controller: Dispatcher.DispatchController, error: Error): void {
    this.#over = true
    this.#log(error)
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
