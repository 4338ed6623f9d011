import { errors } from 'undici'
import { Pass, type PassHandler, type PassRequest, type PassSettings } from '../attempts/pass.ts'
import { BodyReader } from './body.ts'
import { withHeaders } from '../request/added-headers.ts'
import { currentContext } from '../runtime/context.ts'
import { toError } from '../runtime/caught.ts'
import { undiciError } from './errors.ts'
import { DispatchView } from './view.ts'
import type { Group } from '../balancer/group.ts'
import type { AddedHeaders, Endpoint } from '../connections/protocol.ts'
import type { Receiver, RequestControl } from './handlers.ts'
import type { Settings } from './options.ts'
import type { Listed } from '../runtime/active-list.ts'
import type { DispatchContext, DispatchOptions } from '../../types/dispatcher.ts'
import type { ExchangeTimeouts, HttpRequestHead, RequestBody, ResponseHead } from '../../types/exchange.ts'
import type { Attempt } from '../../types/request.ts'

/** Finds the group that serves a request. */
export type Find = (options: DispatchOptions) => Group<Endpoint> | Promise<Group<Endpoint>>

/** The time limits of one request, of which undici has one for the head and one for the body. */
class Timeouts implements ExchangeTimeouts {
  readonly connect: number
  readonly send: number
  read: number

  constructor ({ connect, send }: ExchangeTimeouts, read: number) {
    this.connect = connect
    this.send = send
    this.read = read
  }
}

class Context implements DispatchContext {
  readonly attempts: Attempt[] = []
  head: ResponseHead | undefined = undefined
  setCookie: string | undefined = undefined
}

/** One request that undici has dispatched. */
export class DispatchedRequest implements PassRequest, PassHandler, RequestControl, Listed {
  place = -1
  readonly method: string
  body: RequestBody | null = null
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  readonly transparent: boolean | undefined
  aborted = false
  reason: Error | null = null
  paused = false
  readonly #settings: Settings
  readonly #options: DispatchOptions
  readonly #receiver: Receiver
  readonly #done: (request: DispatchedRequest) => void
  readonly #view: DispatchView
  readonly #pass: PassSettings
  /** The limit for the body, and where to put it; `undefined` if it is that for the head. */
  readonly #bodyTimeout: { readonly limit: number, readonly timeouts: Timeouts } | undefined
  /** What the receiver is called in. */
  readonly #scope = currentContext()
  readonly #context = new Context()
  #reader: BodyReader | undefined
  #running: Pass | undefined
  /** Bytes of the header block. */
  #headLength = 0
  #headGiven = false
  #over = false

  /**
   * @param done called when the request is over
   * @throws InvalidArgumentError, NotSupportedError, FST_SCGI_BAD_REQUEST
   */
  constructor (settings: Settings, options: DispatchOptions, receiver: Receiver, done: (request: DispatchedRequest) => void) {
    checkOptions(options)
    this.#settings = settings
    this.#options = options
    this.#receiver = receiver
    this.#done = done
    this.#view = new DispatchView(options, settings)
    this.method = this.#view.method
    const local = settings.bind(options)
    this.localAddress = local?.localAddress
    this.localPort = local?.localPort
    this.transparent = local?.transparent
    const { timeouts } = settings.pass
    const forHead = options.headersTimeout ?? timeouts.read
    const forBody = options.bodyTimeout ?? timeouts.read
    if (forHead === timeouts.read && forBody === timeouts.read) {
      this.#pass = settings.pass
    } else {
      const own = new Timeouts(timeouts, forHead)
      this.#pass = { ...settings.pass, timeouts: own }
      if (forBody !== forHead) this.#bodyTimeout = { limit: forBody, timeouts: own }
    }
  }

  /** Begins. What goes wrong from here on the receiver is told. */
  start (find: Find): void {
    const reader = this.#reader = new BodyReader(this.#options.body, this.#settings, this.#view, (error, body) => {
      if (error === null) this.#scope.runInAsyncScope(this.#send, this, find, body)
      else this.#scope.runInAsyncScope(this.#fail, this, error)
    })
    this.#call(() => this.#receiver.start(this, this.#context))
    if (!this.#over) this.#call(() => reader.read())
  }

  /** Ends the request; the receiver is told the reason. */
  abort (reason?: Error): void {
    if (this.#over) return
    this.aborted = true
    this.reason = reason ?? new errors.RequestAbortedError()
    this.#scope.runInAsyncScope(this.#fail, this, this.reason)
  }

  pause (): void {
    this.paused = true
    // Before the head there is nothing that could be held back.
    if (this.#headGiven) this.#running?.pause()
  }

  resume (): void {
    this.paused = false
    this.#running?.resume()
  }

  /** What the functions of a group are given. */
  get source (): DispatchOptions {
    return this.#options
  }

  get cookie (): string | undefined {
    const { cookie } = this.#view.headers
    return typeof cookie === 'object' ? cookie.join('; ') : cookie
  }

  get secure (): boolean {
    return this.#view.scheme === 'https'
  }

  get target (): string {
    return this.#view.uri
  }

  encode (endpoint: Endpoint, added?: AddedHeaders): Buffer {
    const head = this.#settings.encoder.encode(withHeaders(this.#view, added), this.#options, {
      contentLength: this.body === null ? 0 : this.body.length,
      pathPrefix: endpoint.pathPrefix,
      keepalive: endpoint.keepalive,
    })
    this.#headLength = head.length
    return head
  }

  encodeHttp ({ pathPrefix }: Endpoint, added?: AddedHeaders): HttpRequestHead {
    const head = this.#settings.encoder.encodeHttp(withHeaders(this.#view, added), this.#options, { rewritePrefix: '', pathPrefix })
    // At least that; undici adds the lines of the connection.
    this.#headLength = head.path.length + head.headers.join('').length
    return head
  }

  onHead (head: ResponseHead): void {
    this.#headGiven = true
    this.#context.head = head
    this.#context.setCookie = this.#running?.setCookie
    const bodyTimeout = this.#bodyTimeout
    if (bodyTimeout !== undefined) bodyTimeout.timeouts.read = bodyTimeout.limit
    this.#call(() => this.#receiver.head(head))
    if (this.#over) return
    if (this.paused) {
      this.#running?.pause()
    } else if (bodyTimeout !== undefined) {
      // The clock takes the new limit when reading starts again.
      this.#running?.pause()
      this.#running?.resume()
    }
  }

  onData (chunk: Buffer): void {
    try {
      this.#receiver.data(chunk)
    } catch (error) {
      this.#fail(toError(error))
    }
  }

  onEnd (): void {
    this.#finish()
    try {
      this.#receiver.end()
    } catch (error) {
      this.#report(toError(error))
    }
  }

  onError (error: Error): void {
    this.#finish(error)
    this.#report(undiciError(error))
  }

  onAttempt (): void {}

  #send (find: Find, body: RequestBody | null): void {
    if (this.#over) return
    this.body = body
    this.#call(() => {
      const group = find(this.#options)
      if (group instanceof Promise) group.then(found => this.#begin(found), (error: unknown) => this.#fail(toError(error)))
      else this.#begin(group)
    })
  }

  #begin (group: Group<Endpoint>): void {
    if (this.#over) return
    this.#running = new Pass(group, this.#pass, this, this, this.#context.attempts, this.#scope)
    this.#running.start()
  }

  /** Calls what is not ours; what it throws ends the request. */
  #call (call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#fail(toError(error))
    }
  }

  #fail (error: Error): void {
    if (this.#over) return
    this.#running?.abort()
    this.#finish(error)
    this.#report(undiciError(error))
  }

  #finish (error?: Error): void {
    this.#over = true
    const attempt = this.#context.attempts.at(-1)
    const sent = attempt !== undefined && attempt.bytesSent >= this.#headLength + (this.body?.length ?? 0)
    this.#reader?.close(sent, error)
    this.#done(this)
  }

  #report (error: Error): void {
    try {
      this.#receiver.error(error)
    } catch (thrown) {
      // It is the handler's own, and has no place in the callback of a socket.
      queueMicrotask(() => { throw thrown })
    }
  }
}

function checkOptions (options: DispatchOptions): void {
  if (typeof options !== 'object' || options === null) throw new errors.InvalidArgumentError('opts must be an object.')
  const { method, upgrade, headersTimeout, bodyTimeout, throwOnError } = options
  if (method === 'CONNECT' || (upgrade !== undefined && upgrade !== null && upgrade !== false && upgrade !== '')) {
    throw new errors.NotSupportedError('SCGI has neither CONNECT nor upgrades')
  }
  for (const [name, value] of [['headersTimeout', headersTimeout], ['bodyTimeout', bodyTimeout]] as const) {
    if (value !== undefined && value !== null && !(Number.isFinite(value) && value >= 0)) throw new errors.InvalidArgumentError(`invalid ${name}`)
  }
  if (throwOnError !== undefined && throwOnError !== null) throw new errors.InvalidArgumentError('invalid throwOnError')
  const redirections: unknown = Reflect.get(options, 'maxRedirections')
  if (redirections !== undefined && redirections !== null && redirections !== 0) {
    throw new errors.InvalidArgumentError('maxRedirections is not supported, use the redirect interceptor')
  }
}
