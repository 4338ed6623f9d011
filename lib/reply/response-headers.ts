import { validateHeaderName, validateHeaderValue } from 'node:http'
import { steeringHeaders } from '../http/accel-headers.ts'
import { toBytes } from '../bytes/text.ts'
import { namedByConnection } from '../http/connection-field.ts'
import { addHeader } from './header-lists.ts'
import { show } from '../options/units.ts'
import type { FastifyReply } from 'fastify'
import type { ResponseHead } from '../../types/exchange.ts'
import type { RequestHeaders } from '../../types/options.ts'

/** Headers that have their meaning between application and gateway. */
const HIDDEN = ['status', ...steeringHeaders(({ hidden }) => hidden).map(({ name }) => name), 'scgi-keepalive']
/**
 * Headers of the connection between application and gateway, and those that the gateway makes anew; and the one name that Fastify's table
 * of headers cannot hold: it would become the prototype of that table.
 */
const NEVER = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'content-length', '__proto__'])
/** What HTTP/2 forbids of what passes over HTTP/1: there a 426 needs Upgrade. */
const OF_HTTP1 = new Set(['upgrade', 'http2-settings'])
/** What Node.js sends only once over HTTP/2. */
const SINGLE = new Set([
  'access-control-allow-credentials', 'access-control-max-age', 'access-control-request-method', 'age', 'authorization', 'content-encoding',
  'content-language', 'content-location', 'content-md5', 'content-range', 'content-type', 'date', 'dnt', 'etag', 'expires', 'from', 'host',
  'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'last-modified', 'location', 'max-forwards',
  'proxy-authorization', 'range', 'referer', 'retry-after', 'tk', 'upgrade-insecure-requests', 'user-agent', 'x-content-type-options',
])

/** Decides which headers of a reply the client gets. */
export class HeaderFilter {
  readonly #hidden: ReadonlySet<string>

  constructor (hideHeaders: readonly string[], passHeaders: readonly string[]) {
    const hidden = new Set([...HIDDEN, ...hideHeaders.map(lower)])
    for (const name of passHeaders) hidden.delete(lower(name))
    for (const name of NEVER) hidden.add(name)
    this.#hidden = hidden
  }

  /**
   * The headers for the client by lower-case name; Content-Length is not among them.
   * @param http2 leave out what HTTP/2 forbids
   */
  apply (head: ResponseHead, http2: boolean): Record<string, string | string[]> {
    const { headers } = head
    const { connection } = headers
    const listed = connection === undefined ? undefined : namedByConnection(connection)
    const passed: Record<string, string | string[]> = {}
    for (const name in headers) {
      const value = headers[name]
      if (value === undefined || this.#hidden.has(name) || listed?.has(name) === true) continue
      // Hooks may add to a list, and this one may be the cache's.
      passed[name] = typeof value === 'string' ? value : [...value]
    }
    return http2 ? forHttp2(passed) : passed
  }

  /** Gives a reply over HTTP/1 the same headers at once, joined with what hooks have said before. */
  give (head: ResponseHead, reply: FastifyReply): void {
    const { headers } = head
    const { connection } = headers
    const listed = connection === undefined ? undefined : namedByConnection(connection)
    for (const name in headers) {
      const value = headers[name]
      if (value === undefined || this.#hidden.has(name) || listed?.has(name) === true) continue
      addHeader(reply, name, typeof value === 'string' ? value : [...value])
    }
  }

  /** The lower-case names of the headers with the first spelling that the application gave each. */
  spelling (head: ResponseHead): Map<string, string> {
    const names = new Map<string, string>()
    for (let i = 0; i < head.rawHeaders.length; i += 2) {
      const name = head.rawHeaders[i]
      if (name !== undefined && !names.has(name.toLowerCase())) names.set(name.toLowerCase(), name)
    }
    return names
  }
}

/**
 * The headers that the hook `rewriteHeaders` gave instead, as bytes, without those that are not the hook's to give. All that hooks give
 * passes here on its way to a client.
 * @param received what the hook was given
 * @param http2 leave out what HTTP/2 forbids
 * @throws TypeError for what is no header: Node.js would refuse it only where nobody can take the head back any more
 */
export function hookHeaders (given: RequestHeaders, received: RequestHeaders, http2: boolean): Record<string, string | string[]> {
  if (typeof given !== 'object' || given === null) throw new TypeError(`the hook 'rewriteHeaders' gave ${show(given)}, expected an object of headers`)
  const listed = new Set<string>()
  for (const name of Object.keys(given)) {
    if (name.toLowerCase() === 'connection') for (const field of namedByConnection(given[name])) listed.add(field)
  }
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(given)) {
    const key = name.toLowerCase()
    if (value === undefined || NEVER.has(key) || listed.has(key)) continue
    const text = Array.isArray(value) ? value.map(line => textOf(line, received)) : textOf(value, received)
    validate(name, text)
    headers[name] = text
  }
  return http2 ? forHttp2(headers) : headers
}

/** Those who write JavaScript may give a number, say. */
function textOf (value: string, received: RequestHeaders): string {
  return typeof value === 'string' ? toBytes(value, received) : value
}

function validate (name: string, value: string | string[]): void {
  validateHeaderName(name)
  for (const line of Array.isArray(value) ? value : [value]) validateHeaderValue(name, line)
}

function forHttp2 (headers: Record<string, string | string[]>): Record<string, string | string[]> {
  for (const name in headers) {
    if (OF_HTTP1.has(name.toLowerCase())) {
      delete headers[name]
      continue
    }
    const value = headers[name]
    if (!Array.isArray(value) || !SINGLE.has(name.toLowerCase())) continue
    headers[name] = name === 'content-encoding' || name === 'content-language' ? value.join(', ') : value[0] ?? ''
  }
  return headers
}

function lower (name: string): string {
  return name.toLowerCase()
}
