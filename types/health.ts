import type { Time } from './units.ts'

/** A status, `'2xx'`, or a range such as `'200-399'`. */
export type StatusRange = number | `${1 | 2 | 3 | 4 | 5}xx` | `${number}-${number}`

/**
 * Active health checks. A server that fails them is out, regardless of how its requests go, and only passed checks bring it back. A server
 * that has not been checked yet counts as healthy unless checks are `mandatory`; one that is `down` is not checked. (nginx: health_check;
 * Apache: mod_proxy_hcheck)
 */
export interface HealthOptions {
  /**
   * `'connect'`: the server accepts a connection, TCP or unix. `'scgi'`: it answers an SCGI request. `'http'`: it answers an HTTP request,
   * for members with `http://` and `https://` addresses. Default `'connect'`.
   */
  type?: 'connect' | 'scgi' | 'http'
  /**
   * Port to check instead of the server's own, 1 to 65535; not for groups with unix sockets. Default: that of the server.
   * (nginx: health_check port)
   */
  port?: number
  /** Method of the request. Default GET. */
  method?: string
  /** Path and query of the request, percent-encoded; the path of the address is put in front of it. Default `/`. */
  path?: string
  /** For `'scgi'`: parameters that override those of the check. CONTENT_LENGTH, SCGI and SCGI_KEEPALIVE cannot be set. */
  params?: Record<string, string>
  /** For `'http'`: request headers. `host` is the address unless given. */
  headers?: Record<string, string>
  /** What a reply must meet to pass. */
  expect?: {
    /** Default `['2xx', '3xx']`. (Apache: hcexpr; nginx: match) */
    status?: StatusRange | StatusRange[]
    /**
     * Headers by name: `true` (present), `false` (absent), a string it must equal, or an expression it must match. If a header is
     * repeated, one matching value is enough. Values are read as UTF-8. (nginx: header in match)
     */
    headers?: Record<string, string | RegExp | boolean>
    /** What the first 64 KiB of the body, as UTF-8, must contain or match. Default: any. */
    body?: string | RegExp
  }
  /** Time between two checks of a server; at least 100ms. The checks of all servers are spread over it. Default 5s. */
  interval?: Time
  /** Each check is delayed by a random time up to this. Default 0. */
  jitter?: Time
  /** Time limit of a check, at most `interval`. Default: `interval`. */
  timeout?: Time
  /**
   * Consecutive passed checks that bring a server back, also one with `retry` that is out after failed requests. Default 1.
   * (Apache: hcpasses)
   */
  passes?: number
  /** Consecutive failed checks that take a server out. Default 1. */
  fails?: number
  /**
   * A new server (at startup, from an edit or from the DNS) gets no requests until its first check has passed, which is made at once;
   * until then its state is `checking`. If that check fails, `passes` checks must pass. Startup does not wait for it: while no server is
   * available, requests are answered with 502 or wait (`nextUpstream: { wait }`). Default false. (nginx: health_check mandatory)
   */
  mandatory?: boolean
  /**
   * With `mandatory`: a server whose latest check passed, in this process, in a group of the same name and at the same address,
   * needs no first check after a reload, an edit, or when its address comes back in the DNS. Default false.
   * (nginx: health_check persistent)
   */
  persistent?: boolean
}

/**
 * Ejects servers with too large a share of failed requests, for a time that grows with each ejection. It judges by the requests,
 * and so finds servers that pass their checks but do not work. `{}` turns it on.
 */
export interface OutlierOptions {
  /** How long an attempt counts. Default 30s. */
  window?: Time
  /** With fewer attempts in `window`, a server is not ejected. Default 20. */
  minRequests?: number
  /** Share of failed attempts (as `maxFails` counts them) that ejects a server: more than 0, at most 1. Default 0.5. */
  failureShare?: number
  /** Largest share of the servers that are not down to eject at once, rounded down. The last server that can serve is never ejected. Default 0.5. */
  maxEjected?: number
  /** Length of the first ejection; each further one lasts twice as long. Default 10s. */
  baseTime?: Time
  /** Longest ejection. After this time without one, the next ejection lasts `baseTime` again. Default 5m. */
  maxTime?: Time
}

/** DNS servers for names with `resolve`. (nginx: resolver, resolver_timeout) */
export interface ResolverOptions {
  /** IP addresses of DNS servers, with or without port: `'10.0.0.53'`, `'[::1]:5353'`. Default: those of /etc/resolv.conf. */
  servers?: string[]
  /** Time for an answer, however many servers are queried. Default 5s. */
  timeout?: Time
  /** How long an answer is valid, regardless of its TTL; at least 1s. Default: the TTL of the answer. (nginx: valid) */
  ttl?: Time
  /**
   * Which addresses to query: `4` (A), `6` (AAAA) or `'both'`. With both, an answer to one of them is enough.
   * Default `'both'`. (nginx: ipv4=off, ipv6=off)
   */
  family?: 4 | 6 | 'both'
}
