import net from 'node:net'
import { encodePairs } from '../scgi/netstring.ts'
import { show } from '../options/units.ts'
import type { ExchangeHandler, ExchangeRequest, HttpRequestHead, ResponseHead, ServerAddress, UpstreamError } from '../../types/exchange.ts'
import type { Endpoint } from '../connections/endpoint.ts'
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

interface RequestProbeSettings {
  readonly method: string
  readonly path: string
  readonly expect: Expectation
  /** Milliseconds for all of it. */
  readonly timeout: number
}

export interface ScgiProbeSettings extends RequestProbeSettings {
  /** Parameters over those that a check has by itself. */
  readonly params: readonly (readonly [name: string, value: string])[]
}

/** So much of a body is looked at; what comes after it is not waited for. */
const MOST_BODY = 65_536
const BUFFER_SIZE = 65_536
const AGENT = 'fastify-scgi (health check)'

/** Passes when the server takes a connection. */
export function connectProbe (timeout: number): Probe<Endpoint> {
  return ({ address }, done) => {
    const socket = address.host === undefined
      ? net.connect({ path: address.socketPath ?? '' })
      : net.connect({ host: address.host, port: address.port, autoSelectFamily: false })
    const timer = setTimeout(() => over(`no connection within ${timeout} ms`), timeout).unref()
    const end = (): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      // What comes late is nobody's business.
      socket.on('error', () => {})
      socket.destroy()
    }
    const over = (reason: string | undefined): void => {
      end()
      done(reason)
    }
    socket.unref()
    socket.on('connect', () => over(undefined))
    socket.on('error', error => over(`connect() failed: ${codeOf(error)}`))
    return end
  }
}

export interface HttpProbeSettings extends RequestProbeSettings {
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
}

/** What differs from protocol to protocol. */
type RequestOf = (address: ServerAddress) => Pick<ExchangeRequest, 'head' | 'http'>

/** Passes when the server answers an SCGI request as it is expected to. */
export function scgiProbe (settings: ScgiProbeSettings): Probe<Endpoint> {
  return requestProbe(settings, address => ({ head: scgiHead(address, settings) }))
}

/** Passes when the server answers an HTTP request as it is expected to. */
export function httpProbe (settings: HttpProbeSettings): Probe<Endpoint> {
  return requestProbe(settings, address => ({ head: Buffer.alloc(0), http: httpHead(address, settings) }))
}

function requestProbe (settings: RequestProbeSettings, requestOf: RequestOf): Probe<Endpoint> {
  return (endpoint, done) => {
    const check = new RequestCheck(endpoint, settings, requestOf(endpoint.address), done)
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
    endpoint: Endpoint, settings: RequestProbeSettings, request: Pick<ExchangeRequest, 'head' | 'http'>, done: (reason: string | undefined) => void
  ) {
    const { timeout, method } = settings
    this.#done = done
    this.#answer = new AnswerCheck(settings.expect)
    this.#control = endpoint.exchange({
      ...request,
      body: null,
      method,
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

function scgiHead ({ host, port, socketPath, pathPrefix }: ServerAddress, { method, path, params }: ScgiProbeSettings): Buffer {
  const query = path.indexOf('?')
  const bare = query === -1 ? path : path.slice(0, query)
  const name = host ?? 'localhost'
  const pairs = new Map([
    ['CONTENT_LENGTH', '0'],
    ['SCGI', '1'],
    ['SERVER_SOFTWARE', 'fastify-scgi'],
    ['SERVER_NAME', name.includes(':') ? `[${name}]` : name],
    ['SERVER_PORT', socketPath === undefined ? String(port) : ''],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['REQUEST_METHOD', method],
    ['REQUEST_URI', path],
    ['REQUEST_SCHEME', 'http'],
    ['QUERY_STRING', query === -1 ? '' : path.slice(query + 1)],
    ['SCRIPT_NAME', ''],
    ['PATH_INFO', pathPrefix + decoded(bare)],
    ['DOCUMENT_URI', decoded(bare)],
    ['REMOTE_ADDR', '127.0.0.1'],
    ['HTTP_HOST', name],
    ['HTTP_USER_AGENT', AGENT],
    ...params,
  ])
  return encodePairs([...pairs])
}

function httpHead ({ host, hostname, port, protocol, pathPrefix }: ServerAddress, { path, headers }: HttpProbeSettings): HttpRequestHead {
  const name = hostname ?? host ?? 'localhost'
  const bare = name.includes(':') ? `[${name}]` : name
  const given = headers.find(([header]) => header === 'host')?.[1]
  const usual = port === 0 || port === (protocol === 'https' ? 443 : 80)
  return {
    path: pathPrefix + path,
    host: given ?? (usual ? bare : `${bare}:${port}`),
    headers: [...new Map([['user-agent', AGENT], ...headers])].filter(([header]) => header !== 'host').flat(),
  }
}

/** As PATH_INFO has it: decoded, one character a byte. The options are checked: it can be decoded. */
function decoded (path: string): string {
  return Buffer.from(decodeURIComponent(path)).toString('latin1')
}

function codeOf (error: Error): string {
  return 'code' in error ? String(error.code) : error.message
}
