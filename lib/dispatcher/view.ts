import { stringify } from 'node:querystring'
import { errors } from 'undici'
import { FST_SCGI_BAD_REQUEST } from '../errors.ts'
import { isToken } from '../http/token.ts'
import { pathError, splitPath } from '../routing/canonical-path.ts'
import { readHeaders, REWRITTEN, single, type RequestHeaders } from './headers.ts'
import type { RequestView } from '../request/params.ts'
import type { Settings } from './options.ts'
import type { DispatchOptions } from '../../types/dispatcher.ts'

const PATH = /^[\x21-\xff]+$/
const LOOPBACK = '127.0.0.1'

interface Origin {
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: string
}

const NO_ORIGIN: Origin = { scheme: 'http', host: '', port: '' }

/**
 * A request of undici as the application will see it. Behind it there is no connection of a client: REMOTE_ADDR and SERVER_ADDR are
 * 127.0.0.1, REMOTE_PORT is 0, SERVER_PORT is the port of the origin (else of Host, else 80 or 443), SERVER_PROTOCOL is HTTP/1.1.
 * The option `params` replaces any of them.
 */
export class DispatchView implements RequestView {
  readonly method: string
  readonly uri: string
  readonly scriptName: string
  readonly pathInfo: string
  readonly documentUri: string
  readonly urlInfo: string
  readonly protocol = 'HTTP/1.1'
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly serverAddr = LOOPBACK
  readonly serverPort: string
  readonly remoteAddr = LOOPBACK
  readonly remotePort = 0
  readonly forwardedFor = ''
  contentType: string | undefined
  readonly headers: RequestHeaders['byName']
  readonly rawHeaders: readonly string[]
  readonly rewritten: boolean
  /** Content-Length that was announced, or -1. */
  readonly announcedLength: number

  /** @throws InvalidArgumentError, FST_SCGI_BAD_REQUEST for a path that cannot be served */
  constructor (options: DispatchOptions, { scriptName, segments, paths }: Settings) {
    const { method } = options
    if (typeof method !== 'string' || !isToken(method)) throw new errors.InvalidArgumentError('invalid request method')
    const uri = targetOf(options)
    const path = splitPath(uri, segments, paths)
    if ('error' in path) throw pathError(path)
    if (path.scriptName !== scriptName) throw new FST_SCGI_BAD_REQUEST('the path is not below the scriptName of the dispatcher')
    const headers = readHeaders(options.headers)
    const origin = readOrigin(options.origin)
    const host = single(headers, 'host')
    this.method = method
    this.uri = uri
    this.scriptName = path.scriptName
    this.pathInfo = path.pathInfo
    this.documentUri = path.documentUri
    this.urlInfo = path.urlInfo
    this.scheme = origin.scheme
    this.host = (host ?? origin.host).toLowerCase()
    this.serverPort = origin.port || portOf(this.host) || (origin.scheme === 'https' ? '443' : '80')
    this.contentType = single(headers, 'content-type')
    this.headers = headers.byName
    this.rawHeaders = headers.raw
    this.rewritten = typeof options.headers === 'object' && options.headers !== null && REWRITTEN in options.headers
    this.announcedLength = lengthOf(single(headers, 'content-length'))
  }
}

/** The request target, with what `query` adds to it. */
function targetOf ({ path, query }: DispatchOptions): string {
  if (typeof path !== 'string') throw new errors.InvalidArgumentError('path must be a string')
  if (!path.startsWith('/') && !/^https?:\/\//.test(path) && path !== '*') {
    throw new errors.InvalidArgumentError('path must be an absolute URL or start with a slash')
  }
  if (!PATH.test(path)) throw new errors.InvalidArgumentError('invalid request path')
  if (query === undefined || query === null) return path
  if (/[?#]/.test(path)) throw new errors.InvalidArgumentError('Query params cannot be passed when url already contains "?" or "#".')
  const text = stringify(query)
  return text === '' ? path : `${path}?${text}`
}

/** Most requests have the origin of the one before. */
let lastText = ''
let lastOrigin = NO_ORIGIN

function readOrigin (origin: string | URL | undefined): Origin {
  if (origin === undefined || origin === null) return NO_ORIGIN
  const text = typeof origin === 'string' ? origin : origin.href
  if (text === lastText) return lastOrigin
  let url
  try {
    url = new URL(text)
  } catch {
    throw new errors.InvalidArgumentError('invalid origin')
  }
  lastText = text
  lastOrigin = { scheme: url.protocol === 'https:' ? 'https' : 'http', host: url.host, port: url.port }
  return lastOrigin
}

function portOf (host: string): string {
  return /:(\d+)$/.exec(host)?.[1] ?? ''
}

function lengthOf (text: string | undefined): number {
  if (text === undefined) return -1
  if (!/^\d{1,15}$/.test(text)) throw new errors.InvalidArgumentError('invalid content-length header')
  return Number(text)
}
