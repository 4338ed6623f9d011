import { isList, union } from './lists.ts'
import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RequestBody } from '../../types/exchange.ts'
import type { ScgiRequestInfo } from '../../types/request.ts'

/** What an internal redirect gives to the reply of its target, by lower-case name. */
export type CarriedHeaders = Readonly<Record<string, string | readonly string[]>>

type Given = OutgoingHttpHeaders | OutgoingHttpHeader[]

/** Request headers that tell of a body, or are part of the question that the first route was asked. */
const BODY_HEADERS = ['content-length', 'transfer-encoding', 'content-type', 'expect']
const CONDITIONS = ['range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']
/** Of a target that failed these would describe what is not there. */
const OF_SUCCESS = new Set(['content-type', 'accept-ranges', 'content-disposition'])

/** Lists to which the target adds where the whole head of the first reply comes along. */
const OF_BOTH = new Set(['cache-control', 'cache-status'])

/** What stays with a request of a client while internal redirects lead it from one route to another. */
export class RedirectState {
  /** Number of internal redirects so far. */
  hops = 0
  /** The latest one opens internal locations. */
  opensInternal = false
  /** The named location it leads to. */
  location: string | undefined
  /** The URL on a named location, which the router must not see. */
  url: string | undefined
  /** One of them led to an error page that has no error page itself. */
  lastPage = false
  /** Status of the reply, whatever the target's is. */
  status: number | undefined
  /** The target's reply is an application's own, also where it is an error. */
  answered = false
  /** What a reply has said that holds for the reply of its target too. */
  charset: string | undefined
  rate: number | undefined
  rateAfter: number | undefined
  /** The client's body, read by an earlier route. */
  body: RequestBody | null = null
  /** Content-Type of that body. */
  contentType: string | undefined
  /** What earlier passes were. */
  readonly former: ScgiRequestInfo[] = []
  /** The type that was carried is that of the reply, and may have been made into another since. */
  #typed = false
  readonly #carried = new Map<string, { readonly value: string | readonly string[], readonly joins: boolean }>()
  readonly #raw: ServerResponse

  constructor (request: FastifyRequest, reply: FastifyReply) {
    const raw = this.#raw = reply.raw
    keepOriginalUrl(request)
    // Each route on the way listens for the end of the reply.
    raw.setMaxListeners(0)
    const writeHead = raw.writeHead.bind(raw)
    // The last moment before the head goes out, whichever way the target sends it.
    raw.writeHead = (status: number, reason?: string | Given, headers?: Given) => {
      const given = typeof reason === 'string' ? headers : reason
      const code = this.#statusOf(status)
      const phrase = typeof reason === 'string' && code === status ? reason : undefined
      if (code !== status && !('stream' in raw)) raw.statusMessage = ''
      const merged = this.#merge(status, given)
      return phrase === undefined ? writeHead(code, merged) : writeHead(code, phrase, merged)
    }
  }

  /** There is something to do with the reply of the target. */
  get lasts (): boolean {
    return this.charset !== undefined || this.rate !== undefined
  }

  /**
   * Headers for the reply of the target. Those that were carried before stay; lists add up.
   * @param isWhole They are the whole head of a reply, not what nginx takes of it: what it says to caches is a list too.
   */
  carry (headers: CarriedHeaders, isWhole: boolean): void {
    this.#typed = false
    for (const name in headers) {
      const value = headers[name]
      if (value === undefined) continue
      const joins = isList(name) || (isWhole && OF_BOTH.has(name))
      const before = this.#carried.get(name)?.value
      this.#carried.set(name, { joins, value: joins && before !== undefined ? add(name, before, value) : value })
    }
  }

  /**
   * Gives the reply of a target the type that is carried: to be called before the type is looked at, or made into that of several parts or one
   * with a charset.
   */
  giveType (reply: FastifyReply): void {
    const type = this.#carried.get('content-type')
    if (type === undefined || this.answered || reply.statusCode >= 300) return
    reply.header('content-type', type.value)
    this.#typed = true
  }

  /** The request as the target shall see it: without the body that is not its own. */
  strip (request: FastifyRequest, conditions: boolean): void {
    const { headers } = request.raw
    this.contentType ??= headers['content-type']
    for (const name of BODY_HEADERS) delete headers[name]
    if (conditions) for (const name of CONDITIONS) delete headers[name]
  }

  #statusOf (status: number): number {
    return this.status !== undefined && (status < 400 || this.answered) ? this.status : status
  }

  #merge (status: number, given: Given | undefined): Given | undefined {
    if (this.#carried.size === 0 || Array.isArray(given)) return given
    const headers: OutgoingHttpHeaders = { ...given }
    for (const [name, { value, joins }] of this.#carried) {
      if (status >= 300 && OF_SUCCESS.has(name)) continue
      // An application knows the type of its own body better than the one that sent us to it.
      const theirs = takeHeader(headers, name)
      if (name === 'content-type' && (this.answered || this.#typed) && (theirs ?? this.#raw.getHeader(name)) !== undefined) {
        if (theirs !== undefined) headers[name] = theirs
        continue
      }
      const own = joins ? theirs ?? this.#raw.getHeader(name) : undefined
      const joined = own === undefined ? value : add(name, value, Array.isArray(own) ? own : String(own))
      headers[name] = typeof joined === 'string' ? joined : [...joined]
    }
    return headers
  }
}

/** A header of whatever spelling, which is then no longer among them: a target may have written the head by itself. */
function takeHeader (headers: OutgoingHttpHeaders, name: string): OutgoingHttpHeader | undefined {
  for (const key of Object.keys(headers)) {
    if (key.toLowerCase() !== name) continue
    const value = headers[key]
    delete headers[key]
    return value
  }
  return undefined
}

function add (name: string, before: string | readonly string[], value: string | readonly string[]): string | readonly string[] {
  const lines = [...list(before), ...list(value)]
  return name === 'set-cookie' ? lines : union(name, lines)
}

function list (value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value
}

/** `request.originalUrl` stays what the client sent, also where `rewriteUrl` is asked again on the way. */
export function keepOriginalUrl (request: FastifyRequest): void {
  const { originalUrl } = request
  Object.defineProperty(request.raw, 'originalUrl', { configurable: true, get: () => originalUrl, set: () => {} })
}

const states = new WeakMap<object, RedirectState>()

/** What is known of the internal redirects of a request; `undefined` if there were none. */
export function redirectStateOf (raw: FastifyRequest['raw']): RedirectState | undefined {
  return states.get(raw)
}

/** The same, begun where there were none. */
export function beginRedirectState (request: FastifyRequest, reply: FastifyReply): RedirectState {
  let redirected = states.get(request.raw)
  if (redirected === undefined) {
    redirected = new RedirectState(request, reply)
    states.set(request.raw, redirected)
  }
  return redirected
}
