import { errors } from 'undici'
import { namedByConnection } from '../http/connection-field.ts'
import { setOwn } from '../runtime/own-property.ts'
import type { Dispatcher } from 'undici'
import type { ResponseHead } from '../../types/exchange.ts'

/** What a receiver may do with the request that it receives. */
export interface RequestControl {
  readonly aborted: boolean
  readonly reason: Error | null
  readonly paused: boolean
  abort (reason?: Error): void
  pause (): void
  resume (): void
}

/** undici's handler, in one dialect or the other. What its methods throw goes on to the caller. */
export interface Receiver {
  start (control: RequestControl, context: object): void
  head (head: ResponseHead): void
  data (chunk: Buffer): void
  end (): void
  error (error: Error): void
}

/** The old dialect as it is really called: with a context, and arguments that may be left out. */
interface LegacyHandler {
  onConnect? (abort: (error?: Error) => void, context: object): void
  onResponseStarted? (): void
  onHeaders? (statusCode: number, headers: Buffer[], resume: () => void, statusText: string): boolean
  onData? (chunk: Buffer): boolean
  onComplete? (trailers: string[]): void
  onError? (error: Error): void
}

// Headers that have their meaning on the connection to the application, or that no longer fit what the handler gets.
const HIDDEN: ReadonlySet<string> = new Set([
  'status', 'scgi-keepalive', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection',
])

/**
 * The receiver for a handler: the new dialect has `onRequestStart`.
 * @throws InvalidArgumentError for a handler that cannot receive
 */
export function receiverOf (handler: Dispatcher.DispatchHandler): Receiver {
  if (typeof handler !== 'object' || handler === null) throw new errors.InvalidArgumentError('handler must be an object')
  if (typeof handler.onRequestStart === 'function') return new ControllerReceiver(handler)
  if (typeof handler.onError !== 'function') throw new errors.InvalidArgumentError('invalid onError method')
  return new LegacyReceiver(handler)
}

class LegacyReceiver implements Receiver {
  readonly #handler: LegacyHandler
  #control: RequestControl | undefined

  constructor (handler: LegacyHandler) {
    this.#handler = handler
  }

  start (control: RequestControl, context: object): void {
    for (const name of ['onConnect', 'onHeaders', 'onData', 'onComplete'] as const) {
      if (typeof this.#handler[name] !== 'function') throw new errors.InvalidArgumentError(`invalid ${name} method`)
    }
    this.#control = control
    this.#handler.onConnect?.(reason => control.abort(reason), context)
  }

  head (head: ResponseHead): void {
    this.#handler.onResponseStarted?.()
    if (this.#control?.aborted === true) return
    const resume = (): void => this.#control?.resume()
    if (this.#handler.onHeaders?.(head.statusCode, rawHeaders(head), resume, head.statusMessage) === false) this.#control?.pause()
  }

  data (chunk: Buffer): void {
    if (this.#handler.onData?.(chunk) === false) this.#control?.pause()
  }

  end (): void {
    this.#handler.onComplete?.([])
  }

  error (error: Error): void {
    this.#handler.onError?.(error)
  }
}

class ControllerReceiver implements Receiver {
  readonly #handler: Dispatcher.DispatchHandler
  #controller: Controller | undefined

  constructor (handler: Dispatcher.DispatchHandler) {
    this.#handler = handler
  }

  start (control: RequestControl, context: object): void {
    this.#controller = new Controller(control)
    this.#handler.onRequestStart?.(this.#controller, context)
  }

  head (head: ResponseHead): void {
    if (this.#controller === undefined) return
    this.#controller.rawHeaders = rawHeaders(head)
    this.#handler.onResponseStart?.(this.#controller, head.statusCode, headersOf(head), head.statusMessage)
  }

  data (chunk: Buffer): void {
    if (this.#controller !== undefined) this.#handler.onResponseData?.(this.#controller, chunk)
  }

  end (): void {
    if (this.#controller !== undefined) this.#handler.onResponseEnd?.(this.#controller, {})
  }

  error (error: Error): void {
    // A request that is refused has not begun.
    this.#controller ??= new Controller({ aborted: false, reason: null, paused: false, abort () {}, pause () {}, resume () {} })
    this.#handler.onResponseError?.(this.#controller, error)
  }
}

/** Interceptors put methods of their own in place of these, and write `rawHeaders`. */
class Controller implements Dispatcher.DispatchController {
  rawHeaders: Buffer[] | string[] | null = null
  rawTrailers: Buffer[] | string[] | null = null
  readonly #control: RequestControl

  constructor (control: RequestControl) {
    this.#control = control
  }

  get aborted (): boolean {
    return this.#control.aborted
  }

  get reason (): Error | null {
    return this.#control.reason
  }

  get paused (): boolean {
    return this.#control.paused
  }

  abort (reason?: Error): void {
    this.#control.abort(reason)
  }

  pause (): void {
    this.#control.pause()
  }

  resume (): void {
    this.#control.resume()
  }
}

/** Tells which headers of a reply the handler does not get. */
function hiddenOf ({ headers, statusCode }: ResponseHead): (name: string) => boolean {
  // The handler does not see Connection either, and could not tell what it names.
  const listed = namedByConnection(headers['connection'])
  return name => HIDDEN.has(name) || listed.has(name) || (statusCode === 204 && name === 'content-length')
}

function headersOf (head: ResponseHead): Record<string, string | string[]> {
  const isHidden = hiddenOf(head)
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(head.headers)) {
    if (isHidden(name)) continue
    setOwn(headers, name, value)
  }
  return headers
}

/** The lines as the application wrote them; of a header that may come once the line that counts. */
function rawHeaders (head: ResponseHead): Buffer[] {
  const isHidden = hiddenOf(head)
  const lines: Buffer[] = []
  const seen = new Set<string>()
  for (let i = 0; i < head.rawHeaders.length; i += 2) {
    const name = head.rawHeaders[i] ?? ''
    const lower = name.toLowerCase()
    const value = head.headers[lower]
    if (value === undefined || isHidden(lower)) continue
    if (typeof value === 'string') {
      if (seen.has(lower)) continue
      seen.add(lower)
    }
    lines.push(Buffer.from(name, 'latin1'), Buffer.from(typeof value === 'string' ? value : head.rawHeaders[i + 1] ?? '', 'latin1'))
  }
  return lines
}
