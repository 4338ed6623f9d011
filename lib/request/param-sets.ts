import { utf8 } from '../bytes/text.ts'
import { queryString, requestUri } from '../http/path.ts'

/**
 * A request as the parameters see it. All strings are binary strings (one char a byte, as Node gives header values) unless they hold
 * a char beyond 0xFF; such a value is sent as UTF-8.
 */
export interface RequestView {
  readonly method: string
  /** Request target as the client wrote it. */
  readonly uri: string
  /** Where an internal redirect has led, if one has: QUERY_STRING is its query, while REQUEST_URI stays the client's. */
  readonly target?: string | undefined
  /** The three of `splitPath`. */
  readonly scriptName: string
  readonly pathInfo: string
  readonly documentUri: string
  /** PATH_INFO less what is put before it, percent-encoded: what a server that speaks HTTP gets. */
  readonly urlInfo: string
  /** `'HTTP/1.1'`, `'HTTP/2.0'` */
  readonly protocol: string
  readonly scheme: 'http' | 'https'
  /** Effective host, lower case, with the port if the client gave one; empty when it gave none. */
  readonly host: string
  /** Local address; empty on a unix socket. */
  readonly serverAddr: string
  readonly serverPort: number | string
  /** Effective client. */
  readonly remoteAddr: string
  /** Its port; empty if it is unknown: then it is not sent. */
  readonly remotePort: number | string
  /** What X-Forwarded-For is set to: the trusted part of the chain, then the client. Empty sends none. */
  readonly forwardedFor: string
  /** Content-Type of the request; `undefined` or empty when it has none. */
  readonly contentType: string | undefined
  /** Headers by name, with what the user's hooks changed. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Header lines as they came, `[name, value, ...]`. */
  readonly rawHeaders: readonly string[]
  /** The headers are what a hook has made of what the client sent, X-Forwarded-* and Host included: they are sent as they are. Host is among them only if the hook gave another one. */
  readonly rewritten?: boolean
  /** If-None-Match and If-Modified-Since among the headers are those of the cache, which no rule for the client's headers keeps back. */
  readonly validates?: boolean
}

/** What is known of a request only when a server is chosen. */
export interface ParamsExchange {
  /** Bytes of body that follow. */
  readonly contentLength: number
  /** `ServerAddress.pathPrefix` */
  readonly pathPrefix: string
  /** Offer to keep the connection: `SCGI_KEEPALIVE=1`. */
  readonly keepalive: boolean
  /** The protocol that is asked for by Upgrade. */
  readonly upgrade?: string | undefined
}

export type ParamSetName = 'cgi' | 'nginx' | 'minimal'

/** One parameter of a set: fixed, or read from the request. */
export type DefaultParam =
  | { readonly name: string, readonly value: string }
  | {
    readonly name: string
    readonly read: (view: RequestView, exchange: ParamsExchange) => string | number
    /** Not sent while empty. */
    readonly ifNotEmpty?: boolean
    /** Seldom what it was in the request before: default false. */
    readonly varies?: boolean
  }

/** A set, beside CONTENT_LENGTH and SCGI, which begin every request. */
export interface ParamSet {
  readonly params: readonly DefaultParam[]
  readonly passRequestHeaders: boolean
  /** Bytes; 0 is without limit. */
  readonly maxParamsSize: number
}

/** RFC 3875 section 4.1.14: the host name of the request, an IPv6 address in brackets; never empty. */
function serverName ({ host, serverAddr }: RequestView): string {
  if (host !== '') {
    const end = host.charCodeAt(0) === 91 ? host.indexOf(']') + 1 : host.indexOf(':')
    if (end > 0) return host.slice(0, end)
    if (end === -1) return host
  }
  if (serverAddr === '') return 'localhost'
  return serverAddr.includes(':') ? `[${serverAddr}]` : serverAddr
}

/** The server's own path goes before that of the request; `*` (OPTIONS) is no path. */
function pathInfo ({ pathInfo }: RequestView, { pathPrefix }: ParamsExchange): string {
  return pathPrefix === '' || pathInfo === '*' ? pathInfo : utf8(pathPrefix) + pathInfo
}

const requestMethod: DefaultParam = { name: 'REQUEST_METHOD', read: (view) => view.method }
const requestUriParam: DefaultParam = { name: 'REQUEST_URI', read: (view) => requestUri(view.uri), varies: true }
const queryStringParam: DefaultParam = { name: 'QUERY_STRING', read: (view) => queryString(view.target ?? view.uri), varies: true }
const documentUri: DefaultParam = { name: 'DOCUMENT_URI', read: (view) => view.documentUri, varies: true }
const documentRoot: DefaultParam = { name: 'DOCUMENT_ROOT', value: '' }
const serverProtocol: DefaultParam = { name: 'SERVER_PROTOCOL', read: (view) => view.protocol }
const requestScheme: DefaultParam = { name: 'REQUEST_SCHEME', read: (view) => view.scheme }
const https: DefaultParam = { name: 'HTTPS', read: (view) => view.scheme === 'https' ? 'on' : '', ifNotEmpty: true }
const remoteAddr: DefaultParam = { name: 'REMOTE_ADDR', read: (view) => view.remoteAddr, varies: true }
const remotePort: DefaultParam = { name: 'REMOTE_PORT', read: (view) => view.remotePort, ifNotEmpty: true, varies: true }
const serverPort: DefaultParam = { name: 'SERVER_PORT', read: (view) => view.serverPort }
const serverNameParam: DefaultParam = { name: 'SERVER_NAME', read: serverName }
// RFC 3875 leaves the variable out where the request has no Content-Type, and SCGI's grammar knows no empty values.
const contentType: DefaultParam = { name: 'CONTENT_TYPE', read: (view) => view.contentType ?? '', ifNotEmpty: true }

export const PARAM_SETS: Readonly<Record<ParamSetName, ParamSet>> = {
  cgi: {
    params: [
      { name: 'SERVER_SOFTWARE', value: 'fastify-scgi' },
      serverNameParam,
      { name: 'SERVER_ADDR', read: (view) => view.serverAddr },
      serverPort,
      serverProtocol,
      { name: 'GATEWAY_INTERFACE', value: 'CGI/1.1' },
      requestMethod,
      requestUriParam,
      requestScheme,
      https,
      queryStringParam,
      { name: 'SCRIPT_NAME', read: (view) => view.scriptName },
      { name: 'PATH_INFO', read: pathInfo, varies: true },
      documentUri,
      documentRoot,
      remoteAddr,
      remotePort,
      contentType,
    ],
    passRequestHeaders: true,
    maxParamsSize: 0,
  },
  // nginx's file scgi_params, in its order.
  nginx: {
    params: [
      requestMethod,
      requestUriParam,
      queryStringParam,
      { name: 'CONTENT_TYPE', read: (view) => view.contentType ?? '' },
      documentUri,
      documentRoot,
      serverProtocol,
      requestScheme,
      https,
      remoteAddr,
      remotePort,
      serverPort,
      serverNameParam,
    ],
    passRequestHeaders: true,
    maxParamsSize: 0,
  },
  // rTorrent closes the connection on more than 2000 bytes.
  minimal: {
    params: [requestMethod, requestUriParam, contentType],
    passRequestHeaders: false,
    maxParamsSize: 2000,
  },
}
