import { FST_SCGI_BAD_REQUEST } from '../errors.ts'
import { escapePath } from '../routing/canonical-path.ts'
import { utf8 } from '../bytes/text.ts'
import { isWide, queryPart } from '../http/path.ts'
import type { HeaderEncoder } from '../http/request-headers.ts'
import type { RequestView } from './param-sets.ts'
import type { HttpRequestHead } from '../../types/exchange.ts'

/** What is known of a request only when a server that speaks HTTP is chosen. */
export interface HttpExchange {
  /** Put before the path below the mount; binary string, not encoded. */
  readonly rewritePrefix: string
  /** `ServerAddress.pathPrefix`, put before all. */
  readonly pathPrefix: string
  /** The protocol that is asked for by Upgrade. */
  readonly upgrade?: string | undefined
}

/** A header that is set by the options: a fixed value, or what a function gives for the request; `undefined` and '' send none. */
export interface SetHeader<R> {
  readonly name: string
  readonly value: string | ((request: R, view: RequestView) => string | undefined)
}

/** How requests become HTTP; made of the same options as the SCGI block. */
export interface HttpRequestRules<R> {
  /** Whose rules hold for the headers of a request. */
  readonly encoderFor: (view: RequestView) => HeaderEncoder
  readonly forwardedFor: boolean
  readonly forwardedHost: boolean
  readonly forwardedProto: boolean
  /** The parameters HTTP_* and CONTENT_TYPE of the option `params`. */
  readonly set: readonly SetHeader<R>[]
}

const SLASH = 47
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i
/** RFC 9110 section 5.5; a line break would begin a header of its own, or another request. */
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/
/** What an HTTP/1 request line cannot hold. */
const NO_TARGET = /[^\x21-\xff]/

// This server reads the body whole before it sends it, so nobody is asked whether it may come.
const NOT_FORWARDED: ReadonlySet<string> = new Set(['expect'])

/**
 * Makes the head of a request to a server that speaks HTTP. The client's lines go through byte for byte, less those that end here; which
 * headers are sent is decided by the same rules as for HTTP_* parameters.
 */
export class HttpRequestEncoder<R> {
  readonly #rules: HttpRequestRules<R>
  readonly #host: SetHeader<R> | undefined
  readonly #contentType: SetHeader<R> | undefined
  readonly #set: readonly SetHeader<R>[]

  constructor (rules: HttpRequestRules<R>) {
    this.#rules = rules
    this.#host = rules.set.find(header => header.name === 'host')
    this.#contentType = rules.set.find(header => header.name === 'content-type')
    this.#set = rules.set.filter(header => header !== this.#host && header !== this.#contentType)
  }

  /**
   * @throws FST_SCGI_BAD_REQUEST for what HTTP cannot carry: a control character in a value, a target that is no path; and for repeated
   *   single headers; whatever a function in `params` throws
   */
  encode (view: RequestView, request: R, exchange: HttpExchange): HttpRequestHead {
    if (view.method === 'CONNECT') throw new FST_SCGI_BAD_REQUEST('CONNECT asks for a tunnel, and this is none')
    const { forwardedFor, forwardedHost, forwardedProto } = this.#rules
    const rewritten = view.rewritten === true
    const headers: string[] = []
    const contentType = this.#contentType === undefined ? view.contentType : valueOf(this.#contentType, request, view)
    const lines = this.#rules.encoderFor(view).lines(view.headers, view.rawHeaders, contentType ?? '')
    for (let i = 0; i < lines.length; i += 2) {
      const name = lines[i] ?? ''
      if (!NOT_FORWARDED.has(name.toLowerCase())) add(headers, name, lines[i + 1] ?? '')
    }
    if (!rewritten && forwardedFor && view.forwardedFor !== '') add(headers, 'x-forwarded-for', view.forwardedFor)
    if (!rewritten && forwardedHost && view.host !== '') add(headers, 'x-forwarded-host', view.host)
    if (!rewritten && forwardedProto) add(headers, 'x-forwarded-proto', view.scheme)
    for (const header of this.#set) {
      const value = valueOf(header, request, view)
      if (value !== undefined && value !== '') add(headers, header.name, value)
    }
    const host = this.#host === undefined ? hostOf(view) : valueOf(this.#host, request, view) ?? ''
    const head: HttpRequestHead = { path: httpPath(view, exchange), host: checked('host', host), headers }
    return exchange.upgrade === undefined ? head : { ...head, upgrade: checked('upgrade', exchange.upgrade) }
  }
}

function valueOf<R> ({ value }: SetHeader<R>, request: R, view: RequestView): string | undefined {
  return typeof value === 'string' ? value : value(request, view)
}

function add (headers: string[], name: string, value: string): void {
  headers.push(name, checked(name, value))
}

function checked (name: string, value: string): string {
  const bytes = isWide(value) ? utf8(value) : value
  if (NO_VALUE.test(bytes)) throw new FST_SCGI_BAD_REQUEST(`the header ${name} holds a control character`)
  return bytes
}

/** Host as the client sent it: that of a target in absolute-form goes before the header (RFC 9112 section 3.2.2). */
export function hostOf (view: RequestView): string {
  const { uri, headers, rawHeaders, rewritten } = view
  if (rewritten === true && typeof headers['host'] === 'string') return headers['host']
  if (uri.charCodeAt(0) !== SLASH) {
    const authority = ABSOLUTE_FORM.exec(uri)?.[1]
    if (authority !== undefined && authority !== '') return authority
  }
  // A hook may have put another in its place.
  const host = headers.host ?? headers[':authority']
  if (typeof host === 'string') return host
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === 'host') return rawHeaders[i + 1] ?? ''
  }
  return view.host
}

/**
 * Path and query for the server: the path of its address, `rewritePrefix`, the canonical path below the mount, encoded anew, and the
 * client's query verbatim.
 * @throws FST_SCGI_BAD_REQUEST
 */
function httpPath ({ target, uri, urlInfo }: RequestView, { rewritePrefix, pathPrefix }: HttpExchange): string {
  if (urlInfo === '*') return '*'
  const path = pathPrefix + escapePath(rewritePrefix) + urlInfo
  const query = queryPart(target ?? uri)
  const whole = (path === '' ? '/' : path) + (isWide(query) ? utf8(query) : query)
  if (NO_TARGET.test(whole)) throw new FST_SCGI_BAD_REQUEST('the request target holds a blank or a control character')
  return whole
}
