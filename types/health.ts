import type { Time } from './units.ts'

/** A status, `'2xx'`, or a range such as `'200-399'`. */
export type StatusRange = number | `${1 | 2 | 3 | 4 | 5}xx` | `${number}-${number}`

/**
 * Active checks of the servers. One that fails is out whatever requests meet, and back only when the checks say so. A server that was
 * not checked yet counts as healthy unless checks are `mandatory`; one that is `down` is not checked. (nginx: health_check; Apache:
 * mod_proxy_hcheck)
 */
export interface HealthOptions {
  /**
   * `'connect'`: the server takes a connection, TCP or unix. `'scgi'`: it answers an SCGI request. `'http'`: it answers an HTTP request,
   * for members of `http://` and `https://`. Default `'connect'`.
   */
  type?: 'connect' | 'scgi' | 'http'
  /**
   * Port of the server's address that is checked, 1 to 65535; a group with it has no unix sockets. Default: that of the server.
   * (nginx: health_check port)
   */
  port?: number
  /** Method of the request. Default GET. */
  method?: string
  /** Path, and query, of the request, percent-encoded; what the address has in front comes before it. Default `/`. */
  path?: string
  /** `'scgi'`: parameters over those that a check has by itself. CONTENT_LENGTH, SCGI and SCGI_KEEPALIVE are no matter of theirs. */
  params?: Record<string, string>
  /** `'http'`: request headers. `host` is the address unless given. */
  headers?: Record<string, string>
  /** What a good answer is; all of it must hold. */
  expect?: {
    /** Default `['2xx', '3xx']`. (Apache: hcexpr; nginx: match) */
    status?: StatusRange | StatusRange[]
    /**
     * Headers by their names: `true` where it is there, `false` where it is not, a string that it is, an expression that it matches. Of several
     * lines with a name one is enough; values are read as UTF-8. (nginx: header in match)
     */
    headers?: Record<string, string | RegExp | boolean>
    /** What the first 64 KiB of the body, as UTF-8, contain or match. Default: any. */
    body?: string | RegExp
  }
  /** Time from one check of a server to its next; at least 100ms. The checks of all are spread over it. Default 5s. */
  interval?: Time
  /** A check is late by a random time of up to this. Default 0. */
  jitter?: Time
  /** Time for a check, at most `interval`. Default: `interval`. */
  timeout?: Time
  /** Checks passed in a row that bring a server back. Default 1. */
  passes?: number
  /** Checks failed in a row that take a server out. Default 1. */
  fails?: number
  /**
   * A server that comes, at the start, by an edit, or by the DNS, takes no requests until its first check has passed, which is made at once;
   * its state is `checking`. Where the first one fails, it takes `passes`. Nothing waits for it at the start: while nobody serves, requests
   * are answered 502 or wait (`nextUpstream: { wait }`). Default false. (nginx: health_check mandatory)
   */
  mandatory?: boolean
  /**
   * With `mandatory`: a server that the latest check found healthy, in this process, in a group of the same name and at the same address,
   * needs no first check: not after a reload, an edit, or when the DNS gives its address again. Default false.
   * (nginx: health_check persistent)
   */
  persistent?: boolean
}

/**
 * Ejects servers of which requests fail far more often than they should, for a while that grows with each time. It goes by what requests
 * meet, and so finds servers that pass their checks and do not serve. `{}` turns it on.
 */
export interface OutlierOptions {
  /** Attempts count for so long. Default 30s. */
  window?: Time
  /** Fewer attempts of a server in `window` prove nothing. Default 20. */
  minRequests?: number
  /** Share of failed attempts, as `maxFails` counts them, that ejects: more than 0, at most 1. Default 0.5. */
  failureShare?: number
  /** Most servers ejected at once, as a share of those that are not down, rounded down. The last that can serve never is. Default 0.5. */
  maxEjected?: number
  /** How long the first ejection lasts; each following one lasts twice as long. Default 10s. */
  baseTime?: Time
  /** The longest ejection. A server that then stays in for as long begins anew. Default 5m. */
  maxTime?: Time
}

/** Who is asked for the names of servers with `resolve`. (nginx: resolver, resolver_timeout) */
export interface ResolverOptions {
  /** IP addresses of DNS servers, with or without port: `'10.0.0.53'`, `'[::1]:5353'`. Default: the system's, of /etc/resolv.conf. */
  servers?: string[]
  /** Time for an answer, however many servers are asked for it. Default 5s. */
  timeout?: Time
  /** How long an answer holds, whatever it says itself; at least 1s. Default: what the answer says. (nginx: valid) */
  ttl?: Time
  /**
   * Which addresses are asked for: `4` (A), `6` (AAAA) or `'both'`. Where both are and one has no answer, the other serves.
   * Default `'both'`. (nginx: ipv4=off, ipv6=off)
   */
  family?: 4 | 6 | 'both'
}
