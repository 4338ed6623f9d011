import { byteText, netstring } from './block.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_PARAMS_TOO_LARGE } from '../errors.ts'
import { show } from '../options/units.ts'
import { HeaderEncoder, headerParam, isHeaderName, isNeverSent, type HeaderRules } from '../http/request-headers.ts'
import { hostOf, HttpRequestEncoder, type HttpExchange, type SetHeader } from './http-request.ts'
import { asked, configured, type Configured } from './param-values.ts'
import { Pairs, refuseNul } from './pairs.ts'
import { PARAM_SETS } from './param-sets.ts'
import { readSeen, type SeenHeaders } from './seen.ts'
import { toBytes } from '../bytes/text.ts'
import type { HttpRequestHead } from '../../types/exchange.ts'
import type { ParamValue } from '../../types/options.ts'
import type { DefaultParam, ParamSetName, ParamsExchange, RequestView } from './param-sets.ts'

export type { ParamsExchange, RequestView } from './param-sets.ts'

/** How requests are encoded; `R` is what the functions in `params` are given. */
export interface ParamsOptions<R> {
  /** Over the set: a name of the set is replaced in its place, others follow. (scgi_param) */
  readonly params?: Readonly<Record<string, ParamValue<R>>> | undefined
  /** Default `'cgi'`. */
  readonly defaultParams?: ParamSetName | false | undefined
  /** Bytes of the block, without the netstring's framing; 0 is without limit. Default: the set's, 2000 for `'minimal'`, else 0. */
  readonly maxParamsSize?: number | undefined
  /**
   * Headers sent as HTTP_*: all, none, or those of the list, which binds X-Forwarded-* also where `forwarded` sets them. HTTP_HOST is
   * sent in any case, save with `'minimal'`. Default: the set's, false for `'minimal'`, else true. (scgi_pass_request_headers)
   */
  readonly passRequestHeaders?: boolean | readonly string[] | undefined
  /** Default false. (underscores_in_headers) */
  readonly underscoresInHeaders?: boolean | undefined
  /** Default `'set'`. */
  readonly forwarded?: 'set' | 'pass' | 'drop' | undefined
  /** Names of headers, in lower case, that a client has no say in. */
  readonly dropped?: readonly string[] | undefined
}

/** Encodes requests in one way. */
export interface ParamsEncoder<R> {
  /** A client's Upgrade is sent, in its own words or those of `params`. */
  readonly sendsUpgrade: boolean
  /**
   * The complete header netstring, comma included.
   * @throws FST_SCGI_BAD_REQUEST for a NUL in a value and for repeated single headers; FST_SCGI_PARAMS_TOO_LARGE;
   *   FST_SCGI_OPT_INVALID if a function in `params` gives something else than a string; whatever such a function throws
   */
  encode (view: RequestView, request: R, exchange: ParamsExchange): Buffer
  /**
   * The same request for a server that speaks HTTP. Of `params` it gets what is a header: HTTP_* and CONTENT_TYPE; `maxParamsSize` is a
   * limit of the SCGI block.
   * @throws as `encode`, and FST_SCGI_BAD_REQUEST for what HTTP cannot carry
   */
  encodeHttp (view: RequestView, request: R, exchange: HttpExchange): HttpRequestHead
  /**
   * The request headers as an application sees them: what a hook, `params`, `forwarded` and the rest have made of the client's. A cache
   * selects variants by these.
   * @param http the server may be one that speaks HTTP
   * @throws as `encode`
   */
  seen (view: RequestView, request: R, http: boolean): SeenHeaders
  /** False if there is certainly no Authorization among these headers, which spares making them. */
  mayAuthorize (view: RequestView): boolean
  /**
   * The headers of a request as the application would get them, for a hook to change: X-Forwarded-* and Host are what is sent, and
   * what the client has no say in is gone. What the hook makes of them is sent without further rules (see `RequestView.rewritten`).
   * @throws FST_SCGI_BAD_REQUEST
   */
  received (view: RequestView): Record<string, string>
}

const HOST: DefaultParam = { name: 'HTTP_HOST', read: (view) => view.host, ifNotEmpty: true }
const X_FORWARDED_FOR: DefaultParam = { name: 'HTTP_X_FORWARDED_FOR', read: (view) => view.forwardedFor, ifNotEmpty: true, varies: true }
const X_FORWARDED_HOST: DefaultParam = { name: 'HTTP_X_FORWARDED_HOST', read: (view) => view.host, ifNotEmpty: true }
const X_FORWARDED_PROTO: DefaultParam = { name: 'HTTP_X_FORWARDED_PROTO', read: (view) => view.scheme }

/** How a block without a body begins, as most do. */
const NO_BODY = 'CONTENT_LENGTH\x000\0SCGI\x001'

/** With what a cache asks whether an entry is still good. */
const VALIDATORS = ['if-none-match', 'if-modified-since']

/** Headers are the same for every server. */
const ANY_SERVER: ParamsExchange = { contentLength: 0, pathPrefix: '', keepalive: false }

/**
 * Prepares the encoding of requests to SCGI's header block: CONTENT_LENGTH, `SCGI=1`, the set and `params`, SCGI_KEEPALIVE where it
 * is offered, HTTP_HOST, X-Forwarded-*, the headers. No name comes twice.
 * @throws FST_SCGI_OPT_INVALID
 */
export function compileParams<R> (options: ParamsOptions<R>): ParamsEncoder<R> {
  return new Encoder(options)
}

class Encoder<R> implements ParamsEncoder<R> {
  readonly sendsUpgrade: boolean
  readonly #params: Pairs<R>
  /** Those of the parameters that are headers to an application. */
  readonly #headerParams: Pairs<R>
  /** What is made of the client's host and address. */
  readonly #client: Pairs<undefined>
  /** The same beside headers that a hook gave. */
  readonly #host: Pairs<undefined>
  readonly #maxSize: number
  readonly #headers: HeaderEncoder
  /** The same for a request of the cache, which validates an entry. */
  readonly #validating: HeaderEncoder
  /** `params` says what Host is. */
  readonly #hidesHost: boolean
  /** For headers that a hook gave. */
  readonly #given: HeaderEncoder
  readonly #sendHost: boolean
  /** `params` has an Authorization. */
  readonly #authorizes: boolean
  /** `params` says what Upgrade is. */
  readonly #hidesUpgrade: boolean
  readonly #sendConnection: boolean
  readonly #sendForwardedFor: boolean
  readonly #sendForwardedHost: boolean
  readonly #sendForwardedProto: boolean
  readonly #http: HttpRequestEncoder<R>

  constructor (options: ParamsOptions<R>) {
    const { params = {}, defaultParams = 'cgi', maxParamsSize, passRequestHeaders, underscoresInHeaders = false, forwarded = 'set', dropped = [] } = options
    const set = defaultParams === false ? { params: [], passRequestHeaders: true, maxParamsSize: 0 } : PARAM_SETS[defaultParams]
    const pass = compilePass(passRequestHeaders ?? set.passRequestHeaders, underscoresInHeaders)
    const hidden = new Set<string>()
    const merged = mergeParams(set.params, params, hidden)
    this.#params = new Pairs(merged)
    this.#headerParams = new Pairs(merged.filter(({ name }) => name.startsWith('HTTP_') || name === 'CONTENT_TYPE'))
    this.#maxSize = maxParamsSize ?? set.maxParamsSize
    const kept = new Set([...hidden, ...dropped.map(headerParam)])
    const rules: HeaderRules = { pass, underscores: underscoresInHeaders, forwarded: forwarded === 'pass', hidden: kept }
    this.#headers = new HeaderEncoder(rules)
    this.#validating = pass === true
      ? this.#headers
      : new HeaderEncoder({ ...rules, pass: new Set([...pass === false ? [] : pass, ...VALIDATORS]) })
    this.#given = new HeaderEncoder({ pass: true, underscores: true, forwarded: true, hidden, trusted: true })
    const sends = (name: string): boolean => (typeof pass === 'boolean' ? pass : pass.has(name)) && !hidden.has(headerParam(name))
    this.#hidesHost = hidden.has('HTTP_HOST')
    this.#hidesUpgrade = pass === false || hidden.has('HTTP_UPGRADE')
    this.sendsUpgrade = !this.#hidesUpgrade || merged.some(({ name }) => name === 'HTTP_UPGRADE')
    this.#sendConnection = pass !== false && !hidden.has('HTTP_CONNECTION')
    this.#authorizes = merged.some(({ name }) => name.toUpperCase() === 'HTTP_AUTHORIZATION')
    this.#sendHost = !this.#hidesHost && (defaultParams !== 'minimal' || sends('host'))
    this.#sendForwardedFor = forwarded === 'set' && sends('x-forwarded-for')
    this.#sendForwardedHost = forwarded === 'set' && sends('x-forwarded-host')
    this.#sendForwardedProto = forwarded === 'set' && sends('x-forwarded-proto')
    const host = this.#sendHost ? [HOST] : []
    this.#host = new Pairs(host)
    this.#client = new Pairs([
      ...host,
      ...(this.#sendForwardedFor ? [X_FORWARDED_FOR] : []),
      ...(this.#sendForwardedHost ? [X_FORWARDED_HOST] : []),
      ...(this.#sendForwardedProto ? [X_FORWARDED_PROTO] : []),
    ])
    this.#http = new HttpRequestEncoder({
      encoderFor: (view) => this.#encoderFor(view),
      forwardedFor: this.#sendForwardedFor,
      forwardedHost: this.#sendForwardedHost,
      forwardedProto: this.#sendForwardedProto,
      set: headersOf(params),
    })
  }

  received (view: RequestView): Record<string, string> {
    const headers: Record<string, string> = Object.fromEntries(this.#headers.sent(view.headers, view.rawHeaders))
    const { host, forwardedFor, contentType } = view
    if (host !== '') headers['host'] = host
    if (contentType !== undefined) headers['content-type'] = contentType
    if (this.#sendForwardedFor && forwardedFor !== '') headers['x-forwarded-for'] = forwardedFor
    if (this.#sendForwardedHost && host !== '') headers['x-forwarded-host'] = host
    if (this.#sendForwardedProto) headers['x-forwarded-proto'] = view.scheme
    return headers
  }

  encodeHttp (view: RequestView, request: R, exchange: HttpExchange): HttpRequestHead {
    return this.#http.encode(view, request, exchange)
  }

  encode (view: RequestView, request: R, exchange: ParamsExchange): Buffer {
    const { contentLength, keepalive, upgrade } = exchange
    let text = contentLength === 0 ? NO_BODY : `CONTENT_LENGTH\0${contentLength}\0SCGI\x001`
    text += this.#params.text(view, request, exchange)
    if (keepalive) text += '\0SCGI_KEEPALIVE\x001'
    if (upgrade !== undefined) {
      refuseNul('HTTP_UPGRADE', upgrade)
      if (!this.#hidesUpgrade) text += '\0HTTP_UPGRADE\0' + upgrade
      if (this.#sendConnection) text += '\0HTTP_CONNECTION\0Upgrade'
    }
    const pairs = text + this.#headerPairs(view)
    if (this.#maxSize !== 0) {
      const size = byteText(pairs).length + 1
      if (size > this.#maxSize) throw new FST_SCGI_PARAMS_TOO_LARGE(size, this.#maxSize)
    }
    return netstring(pairs)
  }

  seen (view: RequestView, request: R, http: boolean): SeenHeaders {
    const pairs = byteText(this.#headerParams.text(view, request, ANY_SERVER) + this.#headerPairs(view))
    return readSeen(pairs, view, http ? { headers: this.#encoderFor(view), host: this.#hidesHost ? undefined : hostOf(view) } : undefined)
  }

  mayAuthorize ({ rewritten, headers }: RequestView): boolean {
    return this.#authorizes || rewritten === true || headers['authorization'] !== undefined
  }

  /** What is made of the client's host, address and headers. */
  #headerPairs (view: RequestView): string {
    if (!this.#sendHost && this.#sendForwardedHost) refuseNul('HTTP_HOST', view.host)
    if (view.rewritten === true) return this.#host.text(view, undefined, ANY_SERVER) + this.#given.pairs(view.headers, [])
    return this.#client.text(view, undefined, ANY_SERVER) + this.#encoderFor(view).pairs(view.headers, view.rawHeaders)
  }

  /** Whose rules hold for the headers of a request. */
  #encoderFor ({ rewritten, validates }: RequestView): HeaderEncoder {
    if (rewritten === true) return this.#given
    return validates === true ? this.#validating : this.#headers
  }
}

function compilePass (pass: boolean | readonly string[], underscores: boolean): boolean | ReadonlySet<string> {
  if (typeof pass === 'boolean') return pass
  const names = new Set<string>()
  for (const name of pass) {
    const lower = name.toLowerCase()
    const own = lower === 'host' || lower === 'content-type' || lower === 'content-length'
    if (!isHeaderName(name, underscores) || (isNeverSent(lower.replaceAll('_', '-')) && !own)) {
      throw new FST_SCGI_OPT_INVALID('passRequestHeaders', show(name), 'names of headers that can be sent')
    }
    names.add(lower)
  }
  return names
}

/** Puts the configured parameters into the set, and collects the headers they hide. */
function mergeParams<R> (
  defaults: readonly DefaultParam[], params: Readonly<Record<string, ParamValue<R>>>, hidden: Set<string>
): (Configured<R> | DefaultParam)[] {
  const merged = new Map<string, Configured<R> | DefaultParam>()
  for (const param of defaults) merged.set(param.name, param)
  for (const [name, value] of Object.entries(params)) {
    const param = configured(name, value)
    if (name.startsWith('HTTP_') && name.length > 5) {
      // Compared as headers are: HTTP_x_foo stands for X-Foo as well.
      hidden.add(headerParam(name.slice(5)))
      // The documented way to hide a header.
      if ('value' in param && param.value === '') continue
    }
    if (!('value' in param && param.value === '' && param.ifNotEmpty)) merged.set(name, param)
    else merged.delete(name)
  }
  return [...merged.values()]
}

/** What frames an HTTP request or belongs to its connection: never set by a parameter. */
const FRAMING: ReadonlySet<string> = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'te', 'trailer', 'upgrade', 'expect', 'content-length', 'content-type',
])

/** The parameters that are headers for a server that speaks HTTP. */
function headersOf<R> (params: Readonly<Record<string, ParamValue<R>>>): SetHeader<R>[] {
  const headers: SetHeader<R>[] = []
  for (const [name, value] of Object.entries(params)) {
    const own = name.startsWith('HTTP_') ? name.slice(5).toLowerCase().replaceAll('_', '-') : ''
    const header = name === 'CONTENT_TYPE' ? 'content-type' : FRAMING.has(own) ? '' : own
    if (!isHeaderName(header, false)) continue
    const param = configured(name, value)
    headers.push({ name: header, value: 'value' in param ? toBytes(param.value) : (request, view) => asked(name, param.ask(request), view) })
  }
  return headers
}
