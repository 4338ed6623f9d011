import type { FastifyRequest } from 'fastify'
import type { ResponseHead } from './exchange.ts'
import type { Time } from './units.ts'

/** A cookie of the gateway's own, which names the client's server. (nginx: sticky cookie) */
export interface StickyCookieOptions<Request = FastifyRequest> {
  /** Name of the cookie. */
  name: string
  /**
   * Key of the HMAC-SHA256 that stands for a server (for its `route`, else its address), 16 bytes or more. Required, unless `nginxSid`: all
   * gateways that a client may come to must have the same one, and so must this one after a restart. Of a list the first one makes cookies, and
   * those of the others still hold.
   */
  secret?: string | Buffer | (string | Buffer)[]
  /**
   * Write what nginx writes: the `route`, else the MD5 of the address. For clients that come to nginx and to this gateway. Whoever guesses
   * an address can tell whether it is one of a server. Default false.
   */
  nginxSid?: boolean
  /**
   * How long the client keeps the cookie, 1 s or more, also in days, weeks and years (`'30d'`, `'1y'`), counted from its latest reply: each reply
   * then sets the cookie. `'max'`: until the end of 2037. Default: until the browser is closed. (expires=)
   */
  expires?: Time | 'max'
  /** Domain whose hosts get the cookie, or a function of the request. Default: none, the host alone. (domain=) */
  domain?: string | ((request: Request) => string | undefined)
  /** Path below which the cookie is sent; `''` for no such attribute, as nginx has it. Default `'/'`. (path=) */
  path?: string
  /** Keep the cookie from scripts. Default true, unlike nginx. (httponly) */
  httpOnly?: boolean
  /**
   * Send the cookie over HTTPS only; `'auto'`: where the client came over TLS, as REQUEST_SCHEME has it (`trustProxy` counts). Default
   * false. (secure)
   */
  secure?: boolean | 'auto'
  /**
   * Which requests from other sites carry the cookie, or a function of the request, of which a text that is none of the three is `'strict'`.
   * `'none'` needs `secure`. Default: none, as the browser has it. (samesite=)
   */
  sameSite?: 'strict' | 'lax' | 'none' | ((request: Request) => string | undefined)
}

/** Sessions that the gateway learns from the application's replies. (nginx: sticky learn) */
export interface StickyLearnOptions<Request = FastifyRequest> {
  /**
   * The session that a reply begins, `undefined` or `''` where it begins none: a function of the request and the head of the reply, or the name of a
   * cookie that the reply sets. It is asked as soon as the head is there. (create=, header)
   */
  create: string | ((request: Request, head: ResponseHead) => string | undefined)
  /** The session that a request belongs to, or the name of the cookie that it carries. (lookup=) */
  lookup: string | ((request: Request) => string | undefined)
  /** Time after which a session that nobody uses is forgotten. Default 10m. (timeout=) */
  timeout?: Time
  /** So many sessions are known, about 160 bytes each; one more takes the place of the one that was not used for the longest time. Default 10000. (zone=) */
  maxEntries?: number
}

/** Sessions whose ids end in the route of their server: `abc123.a`. (Apache: stickysession) */
export interface StickyApacheOptions {
  /** Cookie with the session id. It or `param` is needed. */
  cookie?: string
  /** Parameter of the URL with the session id, in its path (`/cart;sid=abc123.a`) or its query. It comes before the cookie. */
  param?: string
  /**
   * What stands between the session and the route, one character; the first one in the id counts. `false`: the id is nothing but the route.
   * Default `'.'`. (Apache: stickysessionsep)
   */
  separator?: string | false
}

/** What all kinds of sessions have. */
export interface StickyFailover {
  /**
   * A request whose server is out goes to another one. With false it goes to no other, save those that `redirect` names, and the answer is
   * 503 (`FST_SCGI_NO_FAILOVER`). Default true. (Apache: nofailover)
   */
  failover?: boolean
}

/**
 * Requests that are bound to a server, in one of four ways. Whatever the way, a server that is draining still gets its own; one that is down,
 * unhealthy, ejected, out for its failures or at maxConns does not. See docs/balancing.md.
 */
export type StickyOptions<Request = FastifyRequest> = StickyFailover & (
  | { /** The gateway gives the client a cookie. */ cookie: StickyCookieOptions<Request> }
  | { /** The request says the `route`: functions of it, of which the first counts that gives the route of a server. (nginx: sticky route) */
    route: ((request: Request) => string | undefined)[]
  }
  | { /** The application has sessions, and the gateway notes which server began each. */ learn: StickyLearnOptions<Request> }
  | { /** The application has sessions whose ids end in a `route`. */ apache: StickyApacheOptions }
)
