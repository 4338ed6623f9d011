import { tryConnect } from '../connections/try-connect.ts'
import { show } from '../options/units.ts'
import type { ExchangeHandler, ExchangeRequest, ResponseHead, UpstreamError } from '../../types/exchange.ts'
import type { Endpoint, ProbeRequest, ProtocolProbe } from '../connections/protocol.ts'
import type { Probe } from './health.ts'

/** A header of a good answer: it is there (true) or not (false), has this value, or one that matches. Its name is in lower case. */
export type ExpectedHeader = readonly [name: string, value: boolean | string | RegExp]

/** What a good answer is. */
export interface Expectation {
  /** Ranges of statuses, both ends included. */
  readonly statuses: readonly (readonly [number, number])[]
  /** The body must contain the text, or match. `undefined` takes any. */
  readonly body: string | RegExp | undefined
  readonly headers: readonly ExpectedHeader[]
}

export interface ProbeSettings {
  readonly expect: Expectation
  /** Milliseconds for all of it. */
  readonly timeout: number
}

/** So much of a body is looked at; what comes after it is not waited for. */
const MOST_BODY = 65_536
const BUFFER_SIZE = 65_536

/** Passes when the server takes a connection. */
export function connectProbe (timeout: number): Probe<Endpoint> {
  return ({ address }, done) => tryConnect(address, timeout, done)
}

/** Passes when the server answers a request as it is expected to. */
export function requestProbe (probe: ProtocolProbe, request: ProbeRequest, settings: ProbeSettings): Probe<Endpoint> {
  return (endpoint, done) => {
    const check = new RequestCheck(endpoint, { ...probe.head(endpoint.address, request), method: request.method }, settings, done)
    check.start()
    return () => check.end()
  }
}

/** Looks at the answer to a check as it comes. Each method gives the verdict once there is one: '' is good. */
class AnswerCheck {
  readonly #expect: Expectation
  readonly #pieces: Buffer[] = []
  #length = 0

  constructor (expect: Expectation) {
    this.#expect = expect
  }

  head ({ statusCode, headers }: ResponseHead): string | undefined {
    const { statuses, headers: expected } = this.#expect
    if (!statuses.some(([from, to]) => statusCode >= from && statusCode <= to)) return `status ${statusCode}`
    for (const [name, value] of expected) {
      const verdict = judgeHeader(name, value, headers[name])
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  data (chunk: Buffer): string | undefined {
    this.#length += chunk.length
    if (this.#expect.body !== undefined) this.#pieces.push(chunk)
    return this.#length >= MOST_BODY ? this.end() : undefined
  }

  end (): string {
    const { body } = this.#expect
    if (body === undefined) return ''
    const text = Buffer.concat(this.#pieces).subarray(0, MOST_BODY).toString()
    if (typeof body === 'string') return text.includes(body) ? '' : `the body does not contain '${body}'`
    return matches(body, text) ? '' : `the body does not match ${String(body)}`
  }
}

/** Of several lines with this name one is enough. */
function judgeHeader (name: string, expected: ExpectedHeader[1], found: string | string[] | undefined): string | undefined {
  if (found === undefined) return expected === false ? undefined : `no header ${name}`
  if (expected === true) return undefined
  if (expected === false) return `a header ${name}`
  const lines = (Array.isArray(found) ? found : [found]).map(line => Buffer.from(line, 'latin1').toString())
  const good = typeof expected === 'string' ? lines.includes(expected) : lines.some(line => matches(expected, line))
  return good ? undefined : `header ${name} is ${lines.map(show).join(' and ')}, not ${typeof expected === 'string' ? show(expected) : String(expected)}`
}

function matches (expression: RegExp, text: string): boolean {
  // A global or sticky expression would go on where it ended the last time.
  expression.lastIndex = 0
  return expression.test(text)
}

/** One request of a check. */
class RequestCheck implements ExchangeHandler {
  readonly #done: (reason: string | undefined) => void
  readonly #answer: AnswerCheck
  readonly #control: ReturnType<Endpoint['exchange']>
  readonly #timer: NodeJS.Timeout

  constructor (
    endpoint: Endpoint, request: Pick<ExchangeRequest, 'head' | 'http' | 'method'>, { expect, timeout }: ProbeSettings,
    done: (reason: string | undefined) => void
  ) {
    this.#done = done
    this.#answer = new AnswerCheck(expect)
    this.#control = endpoint.exchange({
      ...request,
      body: null,
      // One limit for all of it.
      timeouts: { connect: 0, send: 0, read: 0 },
      bufferSize: BUFFER_SIZE,
    }, this)
    this.#timer = setTimeout(() => {
      this.#control.abort()
      this.#over(`no complete answer within ${timeout} ms`)
    }, timeout).unref()
  }

  start (): void {
    // A connection that stands already would prove nothing about new ones.
    this.#control.start(true)
  }

  end (): void {
    clearTimeout(this.#timer)
    this.#control.abort()
  }

  onConnect (): void {}

  onHead (head: ResponseHead): void {
    this.#judge(this.#answer.head(head))
  }

  onData (chunk: Buffer): void {
    this.#judge(this.#answer.data(chunk))
  }

  onEnd (): void {
    this.#over(this.#answer.end())
  }

  onError (error: UpstreamError): void {
    this.#over(error.message)
  }

  #judge (verdict: string | undefined): void {
    if (verdict === undefined) return
    this.#control.abort()
    this.#over(verdict)
  }

  #over (reason: string): void {
    clearTimeout(this.#timer)
    this.#done(reason === '' ? undefined : reason)
  }
}
