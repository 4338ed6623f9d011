import { FST_SCGI_BAD_REQUEST } from '../errors.ts'
import { isConditional } from '../http/conditions.ts'
import { pathError, splitPath } from '../routing/canonical-path.ts'
import { clientOf } from '../http/client-address.ts'
import { serverEnd } from '../http/server-end.ts'
import { rewrittenHeaders } from './rewritten-headers.ts'
import type { RedirectState } from '../http/redirect-state.ts'
import type { MountPoint } from '../routing/place.ts'
import type { RequestView } from './params.ts'
import type { RequestHeaders } from '../../types/options.ts'
import type { FastifyRequest } from 'fastify'

const SLASH = 47
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i
/** RFC 3986 section 3.2.2, with a port. It goes into SERVER_NAME and into the links that applications make. */
const HOST = /^(?:\[[0-9a-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?$/i

/**
 * A request as the application will see it, taken down when it arrives: addresses and the like are gone with the client's
 * connection, and a later attempt must not differ from the first.
 */
export class FastifyView implements RequestView {
  readonly method: string
  readonly uri: string
  readonly target: string | undefined
  readonly scriptName: string
  readonly pathInfo: string
  readonly documentUri: string
  readonly urlInfo: string
  readonly protocol: string
  readonly scheme: 'http' | 'https'
  readonly host: string
  /** Where the request came in; of the socket, and so empty until `takeServer`. */
  serverAddr = ''
  serverPort: number | string = ''
  readonly remoteAddr: string
  readonly remotePort: number | string
  readonly forwardedFor: string
  readonly contentType: string | undefined
  readonly headers: RequestHeaders
  readonly rawHeaders: readonly string[]
  readonly rewritten: boolean = false
  readonly validates: boolean = false

  /**
   * @param redirected how the request came here, if by an internal redirect
   * @throws FST_SCGI_BAD_REQUEST for a path that cannot be served
   */
  constructor (request: FastifyRequest, mount: MountPoint, redirected: RedirectState | undefined) {
    const { raw } = request
    // request.url may be what rewriteUrl made of it; the application gets what the client sent.
    const uri = request.originalUrl
    const path = splitPath(raw.url ?? uri, mount.segments, mount.rules)
    if ('error' in path) throw pathError(path)
    this.method = raw.method ?? 'GET'
    this.uri = uri
    this.target = redirected === undefined ? undefined : raw.url
    this.scriptName = path.scriptName
    this.pathInfo = mount.rewritePrefix + path.pathInfo
    this.documentUri = mount.rewritePrefix === '' ? path.documentUri : path.scriptName + this.pathInfo
    this.urlInfo = path.urlInfo
    this.protocol = raw.httpVersionMajor === 2 ? 'HTTP/2.0' : raw.httpVersionMinor === 0 ? 'HTTP/1.0' : 'HTTP/1.1'
    this.scheme = schemeOf(request)
    this.host = hostOf(request, uri)
    const client = clientOf(request)
    this.remoteAddr = client.address
    this.remotePort = client.port
    this.forwardedFor = client.chain
    this.headers = request.headers
    this.rawHeaders = raw.rawHeaders
    // Of request.headers it may be the type that the route has put there to get past Fastify's check.
    this.contentType = raw.headers['content-type'] ?? redirected?.contentType
  }

  /** Takes the address down that the request came in at, which only those who send it to a server need. */
  takeServer ({ socket }: FastifyRequest['raw']): void {
    const { address, port } = serverEnd(socket)
    this.serverAddr = address
    this.serverPort = port
  }

  /** The same request with the headers that a hook has made of what the client sent. */
  withHeaders (given: RequestHeaders): FastifyView {
    const headers = rewrittenHeaders(given, this.headers)
    const host = valueOf(headers['host'])
    if (host === this.host) delete headers['host']
    const copy: FastifyView = Object.create(FastifyView.prototype)
    return Object.assign(copy, this, {
      headers,
      rewritten: true,
      host: host === undefined ? this.host : host.toLowerCase(),
      contentType: valueOf(headers['content-type']),
    })
  }

  /** There is a Range or a condition in it. */
  get isConditional (): boolean {
    const { headers } = this
    return headers['range'] !== undefined || headers['if-range'] !== undefined || isConditional(this)
  }

  /**
   * The same request, as a cache asks for what it can store.
   * @param strip without the client's Range and conditions
   * @param etag value of If-None-Match
   * @param lastModified value of If-Modified-Since
   */
  with (method: string, strip: boolean, etag: string | undefined, lastModified: string | undefined): FastifyView {
    const headers = { ...this.headers }
    let rawHeaders = this.rawHeaders
    if (strip) {
      for (const name of CONDITIONS) delete headers[name]
      rawHeaders = rawHeaders.filter((_, index) => !CONDITIONS.has(rawHeaders[index & ~1]?.toLowerCase() ?? ''))
    }
    for (const [name, value] of [['if-none-match', etag], ['if-modified-since', lastModified]] as const) {
      if (value === undefined) continue
      headers[name] = value
      rawHeaders = [...rawHeaders, name, value]
    }
    const copy: FastifyView = Object.create(FastifyView.prototype)
    return Object.assign(copy, this, { method, headers, rawHeaders, validates: etag !== undefined || lastModified !== undefined })
  }
}

function valueOf (header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header
}

const CONDITIONS = new Set(['range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'])

/** What X-Forwarded-Proto of a trusted proxy says is passed over where it is no scheme. */
function schemeOf (request: FastifyRequest): 'http' | 'https' {
  // The type of Fastify says no other is possible.
  const told: string = request.protocol
  if (told === 'http' || told === 'https') return told
  const scheme = told.toLowerCase()
  if (scheme === 'http' || scheme === 'https') return scheme
  return 'encrypted' in request.raw.socket && request.raw.socket.encrypted === true ? 'https' : 'http'
}

/** The host of a target in absolute-form goes before the Host header (RFC 9112 section 3.2.2), but not before a trusted proxy's word. */
function hostOf (request: FastifyRequest, uri: string): string {
  let { host } = request
  const sent = request.raw.headers.host ?? request.raw.headers[':authority'] ?? ''
  // What X-Forwarded-Host of a trusted proxy says is passed over where it is no host.
  if (host !== sent && !HOST.test(host) && typeof sent === 'string') host = sent
  if (uri.charCodeAt(0) !== SLASH && host === sent) host = ABSOLUTE_FORM.exec(uri)?.[1] ?? host
  // Most requests are for the same host as the one before.
  if (host === latest) return latestLower
  if (host !== '' && !HOST.test(host)) throw new FST_SCGI_BAD_REQUEST('the Host header is no host')
  latestLower = host.toLowerCase()
  latest = host
  return latestLower
}

/** The host that was good last, and the same in lower case. */
let latest = ''
let latestLower = ''
