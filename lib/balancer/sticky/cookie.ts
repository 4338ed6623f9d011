import { createHash, createHmac } from 'node:crypto'
import type { PickRequest } from '../method.ts'
import { setCookieLine } from './cookie-attributes.ts'
import type { CookieAttributes } from './cookie-attributes.ts'
import { cookieValue } from './cookies.ts'
import { textOf } from './policy.ts'
import type { SessionServer, StickyPolicy } from './policy.ts'

/** What a server is called in a cookie. */
export type Sid = (server: SessionServer) => readonly string[]

/** A text, or a function that gives one for a request. */
export type OfRequest = string | undefined | ((request: unknown) => unknown)

export interface CookieOptions extends Pick<CookieAttributes, 'expires' | 'path' | 'httpOnly'> {
  /** `'auto'`: where the client came over TLS. */
  readonly secure: boolean | 'auto'
  readonly name: string
  readonly sid: Sid
  readonly domain: OfRequest
  readonly sameSite: OfRequest
  /** The time of day in milliseconds. Default: the system's. */
  readonly now?: (() => number) | undefined
}

/** nginx's: the route, else the MD5 of the address, which anybody can compute who guesses it. */
export const nginxSid: Sid = ({ route, name }) => [route ?? createHash('md5').update(name).digest('hex')]

/**
 * HMAC-SHA256 of the route, else of the address: nobody learns from it where the servers are, and nobody chooses one who was not sent
 * to it. With several secrets the first one makes cookies, and the others are still known.
 */
export function hmacSid (secrets: readonly (string | Buffer)[]): Sid {
  return ({ route, name }) => secrets.map(secret => createHmac('sha256', secret).update(route ?? name).digest('base64url'))
}

/** Attributes end at a semicolon, and headers are ASCII without control characters. */
const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]+$/
const SAME_SITE: ReadonlySet<string> = new Set(['strict', 'lax', 'none'])

/** The client is given a cookie that names its server. (nginx: sticky cookie) */
export class StickyCookie implements StickyPolicy {
  readonly #options: CookieOptions
  readonly #now: () => number
  /** They cost a hash each, and a group is listed anew whenever one server comes or goes. */
  readonly #made = new WeakMap<SessionServer, { readonly route: string | undefined, readonly names: readonly string[] }>()

  constructor (options: CookieOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  names (server: SessionServer): readonly string[] {
    const known = this.#made.get(server)
    if (known !== undefined && known.route === server.route) return known.names
    const names = this.#options.sid(server)
    this.#made.set(server, { route: server.route, names })
    return names
  }

  find<S> (request: PickRequest, servers: Pick<ReadonlyMap<string, S>, 'get'>): S | undefined {
    const value = cookieValue(request.cookie, this.#options.name)
    // A look-up by hash: how long it takes tells nothing of how near a guess was.
    return value === undefined ? undefined : servers.get(value)
  }

  setCookie (request: PickRequest, name: string): string | undefined {
    const { name: cookie, expires, domain, path, httpOnly, secure, sameSite } = this.#options
    return setCookieLine(cookie, name, {
      expires,
      domain: domainOf(typeof domain === 'function' ? textOf(domain(request.source)) : domain),
      path,
      httpOnly,
      secure: secure === 'auto' ? request.secure === true : secure,
      sameSite: typeof sameSite === 'function' ? sameSiteOf(textOf(sameSite(request.source))) : sameSite,
    }, this.#now())
  }
}

function domainOf (text: string | undefined): string | undefined {
  if (text !== undefined && !ATTRIBUTE.test(text)) throw new TypeError(`the function 'sticky.cookie.domain' gave ${JSON.stringify(text)}, expected a domain`)
  return text
}

/** As nginx has it: what is not known is the strictest. */
function sameSiteOf (text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const lower = text.toLowerCase()
  return SAME_SITE.has(lower) ? lower : 'strict'
}
