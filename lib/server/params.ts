import { METHODS } from 'node:http'
import { isToken } from '../http/token.ts'

/** The parameters of a request by name, as latin1 text: one character is one byte, as in Node.js' HTTP headers. */
export type Params = ReadonlyMap<string, string>

/** What an HTTP server would have read from the request line and the header lines. */
export interface RequestHead {
  readonly method: string
  readonly url: string
  readonly httpVersion: string
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  /** `[name, value, name, value, ...]` */
  readonly rawHeaders: string[]
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)
// The header value of RFC 9110 as Node.js passes it on: no control character but TAB.
const NOT_TEXT = /[\0-\x08\x0a-\x1f\x7f]/ // eslint-disable-line no-control-regex
const NOT_URL = /[\0-\x20\x7f]/
const PROTOCOL = /^HTTP\/(\d)(?:\.(\d))?$/
// What may stand in a path as it is (RFC 3986 pchar and the slash).
const NOT_PATH = /[^\w.~!$&'()*+,;=:@/-]/gu

// The gateway has removed the chunked coding, so Transfer-Encoding would be a lie; type and length have parameters of their own. However
// they are spelt: as headers all spellings are one.
const NO_FIELDS: ReadonlySet<string> = new Set(['HTTP_CONTENT_TYPE', 'HTTP_CONTENT_LENGTH', 'HTTP_TRANSFER_ENCODING'])
// Names of header fields by parameter name; '' is a parameter that is not passed on as a header.
const fields = new Map<string, string>([
  ['HTTP_ETAG', 'ETag'],
  ['HTTP_TE', 'TE'],
  ['HTTP_DNT', 'DNT'],
])
// Clients choose header names: the table must not grow without end.
const MAX_FIELDS = 1024
const MAX_FIELD_LENGTH = 64

const UPPER_H = 72

function fieldName (param: string): string {
  const known = fields.get(param)
  if (known !== undefined) return known
  let name = param.slice(5)
  const canonical = param.toUpperCase().replaceAll('-', '_')
  if (NO_FIELDS.has(canonical)) {
    name = ''
  } else if (isToken(name)) {
    name = name.toLowerCase().replaceAll('_', '-').replace(/(^|-)[a-z]/g, (first) => first.toUpperCase())
  } else {
    name = ''
  }
  if (fields.size < MAX_FIELDS && param.length <= MAX_FIELD_LENGTH) fields.set(param, name)
  return name
}

// No Content-Length where a client without a body sends none (RFC 9110 section 8.6): SCGI has a CONTENT_LENGTH in every request.
function lengthMatters (method: string): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'DELETE' && method !== 'OPTIONS' && method !== 'TRACE' && method !== 'CONNECT'
}

function encodePath (path: string): string {
  return path.replace(NOT_PATH, (char) => {
    const code = char.charCodeAt(0)
    return `%${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`
  })
}

function requestUrl (params: Params): string {
  const uri = params.get('REQUEST_URI')
  if (uri !== undefined && uri !== '') return uri
  // SCRIPT_NAME and PATH_INFO are decoded (RFC 3875 sections 4.1.5 and 4.1.13).
  const path = encodePath((params.get('SCRIPT_NAME') ?? '') + (params.get('PATH_INFO') ?? ''))
  const query = params.get('QUERY_STRING') ?? ''
  return (path === '' ? '/' : path) + (query === '' ? '' : `?${query}`)
}

/**
 * The HTTP request that the parameters stand for, or, as a string, what is wrong with it.
 * `maxHeaders` as `http.Server.maxHeadersCount`: what goes beyond is left out; 0 is without limit.
 */
export function readRequestHead (params: Params, contentLength: number, maxHeaders: number): RequestHead | string {
  // Small clients that speak XML-RPC send no method.
  let method = params.get('REQUEST_METHOD')
  if (method === undefined || method === '') method = contentLength > 0 ? 'POST' : 'GET'
  if (!KNOWN_METHODS.has(method) && !isToken(method)) return 'REQUEST_METHOD is not a token'

  const url = requestUrl(params)
  if (NOT_URL.test(url)) return 'REQUEST_URI has a space or a control character'

  const rawHeaders: string[] = []
  for (const [param, value] of params) {
    let name
    if (param.charCodeAt(0) === UPPER_H && param.startsWith('HTTP_')) {
      name = fieldName(param)
      if (name === '') continue
    } else if (param === 'CONTENT_TYPE') {
      if (value === '') continue
      name = 'Content-Type'
    } else if (param === 'CONTENT_LENGTH') {
      if (contentLength === 0 && !lengthMatters(method)) continue
      name = 'Content-Length'
    } else {
      continue
    }
    if (NOT_TEXT.test(value)) return `${param} has a control character`
    if (maxHeaders > 0 && rawHeaders.length >= maxHeaders * 2) break
    rawHeaders.push(name, value)
  }

  let httpVersion = '1.1'
  let httpVersionMinor = 1
  const protocol = params.get('SERVER_PROTOCOL')
  if (protocol !== undefined && protocol !== 'HTTP/1.1') {
    const match = PROTOCOL.exec(protocol)
    if (match !== null) {
      httpVersion = `${match[1]}.${match[2] ?? '0'}`
      if (httpVersion === '1.0') httpVersionMinor = 0
    }
  }
  // The numbers tell libraries which API the objects have, and that is the one of HTTP/1, whatever the client spoke.
  return { method, url, httpVersion, httpVersionMajor: 1, httpVersionMinor, rawHeaders }
}
