import type { FastifyRequest } from 'fastify'
import type { ResponseHead } from './exchange.ts'
import type { Time } from './units.ts'

/** A cookie set by the gateway, which identifies the server. (nginx: sticky cookie) */
export interface StickyCookieOptions<Request = FastifyRequest> {
  /** Name of the cookie. */
  name: string
  /**
   * Key of the HMAC-SHA256 that identifies a server (by its `route` or its address), at least 16 bytes. Required without `nginxSid`. All
   * gateways that a client may use need the same key, also after a restart. The first key of a list signs new cookies; cookies of the other
   * keys remain valid.
   */
  secret?: string | Buffer | (string | Buffer)[]
  /**
   * Write the same value as nginx: the `route`, or the MD5 of the address, for clients that use both nginx and this gateway. It lets a client
   * check whether a guessed address is that of a server. Default false.
   */
  nginxSid?: boolean
  /**
   * How long the client keeps the cookie, at least 1 s, also in days, weeks and years (`'30d'`, `'1y'`). It counts from the latest reply: every
   * reply sets the cookie again. `'max'`: until the end of 2037. Default: until the browser is closed. (expires=)
   */
  expires?: Time | 'max'
  /** Domain attribute, or a function of the request. Default: none, only this host. (domain=) */
  domain?: string | ((request: Request) => string | undefined)
  /** Path attribute; `''` for none, as in nginx. Default `'/'`. (path=) */
  path?: string
  /** HttpOnly: hide the cookie from scripts. Default true, unlike nginx. (httponly) */
  httpOnly?: boolean
  /**
   * Secure: send the cookie over HTTPS only; `'auto'`: if the client uses TLS, as in REQUEST_SCHEME (see `trustProxy`). Default
   * false. (secure)
   */
  secure?: boolean | 'auto'
  /**
   * SameSite attribute, or a function of the request; any other string that it returns means `'strict'`.
   * `'none'` needs `secure`. Default: none, the browser decides. (samesite=)
   */
  sameSite?: 'strict' | 'lax' | 'none' | ((request: Request) => string | undefined)
}

/** Sessions that the gateway learns from the application's replies. (nginx: sticky learn) */
export interface StickyLearnOptions<Request = FastifyRequest> {
  /**
   * Session that a reply starts: a function of the request and the head of the reply that returns it (`undefined` or `''` for none), or the name
   * of a cookie that the reply sets. It is called as soon as the head has arrived. (create=, header)
   */
  create: string | ((request: Request, head: ResponseHead) => string | undefined)
  /** Session of a request: a function, or the name of a cookie. (lookup=) */
  lookup: string | ((request: Request) => string | undefined)
  /** Time after which an unused session is forgotten. Default 10m. (timeout=) */
  timeout?: Time
  /** Maximum number of sessions, about 160 bytes each; one more replaces the least recently used. Default 10000. (zone=) */
  maxEntries?: number
}

/** Sessions whose ids end in the route of their server: `abc123.a`. (Apache: stickysession) */
export interface StickyApacheOptions {
  /** Cookie with the session id. This or `param` is required. */
  cookie?: string
  /**
   * Parameter of the URL with the session id, in its path (`/cart;sid=abc123.a`) or its query. If it is there and not empty, the cookie does
   * not count, even if no server has the route.
   */
  param?: string
  /**
   * Character between the session and the route; the first one in the id counts. `false`: the id is just the route.
   * Default `'.'`. (Apache: stickysessionsep)
   */
  separator?: string | false
}

/** Options of all kinds of sessions. */
export interface StickyFailover {
  /**
   * Send a request whose server is out to another one. With false it may only go to servers named by `redirect`; otherwise the answer is
   * 503 (`FST_SCGI_NO_FAILOVER`). Default true. (Apache: nofailover)
   */
  failover?: boolean
}

/**
 * How requests are bound to a server, in one of four ways. A draining server still gets its own requests; a server that is down,
 * unhealthy, ejected, out after failures or at maxConns does not. See docs/balancing.md.
 */
export type StickyOptions<Request = FastifyRequest> = StickyFailover & (
  | { /** The gateway gives the client a cookie. */ cookie: StickyCookieOptions<Request> }
  | { /** The request has the `route`: functions of the request; the first that returns the route of a server counts. (nginx: sticky route) */
    route: ((request: Request) => string | undefined)[]
  }
  | { /** The application has sessions, and the gateway remembers which server started each. */ learn: StickyLearnOptions<Request> }
  | { /** The application's session ids end in a `route`. */ apache: StickyApacheOptions }
)
