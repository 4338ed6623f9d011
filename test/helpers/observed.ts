import type { ExchangeHandler, ResponseHead, UpstreamError } from '../../types/index.ts'

/** Writes down what an exchange tells. */
export abstract class ObservedExchange implements ExchangeHandler {
  /** `connect`, `head`, `data`, `end`, `error` in the order in which they came. */
  readonly events: string[] = []
  readonly chunks: Buffer[] = []
  head: ResponseHead | undefined
  /** What was said of the body with the head. */
  whole = false
  error: UpstreamError | undefined
  /** Fulfilled when it has ended, well or not. */
  readonly over: Promise<void>
  #resolve = (): void => {}

  constructor () {
    this.over = new Promise(resolve => { this.#resolve = resolve })
  }

  /** May act on what was told. */
  protected abstract told (event: string): void

  onConnect (): void {
    this.#note('connect')
  }

  onHead (head: ResponseHead, whole = false): void {
    this.head = head
    this.whole = whole
    this.#note('head')
  }

  onData (chunk: Buffer): void {
    this.chunks.push(chunk)
    this.#note('data')
  }

  onEnd (): void {
    this.#note('end')
    this.#resolve()
  }

  onError (error: UpstreamError): void {
    this.error = error
    this.#note('error')
    this.#resolve()
  }

  #note (event: string): void {
    this.events.push(event)
    this.told(event)
  }
}
