import type { CacheStatus } from './cache.ts'
import type { ResponseHead } from './exchange.ts'

/** One attempt: one exchange with one server. Times are milliseconds from the start of the attempt, undefined if it did not get that far. */
export interface Attempt {
  /** Address of the server, or the name of the group if no server could be chosen. */
  address: string
  /** Status of the reply, or 502 or 504 if the attempt failed; undefined if the client or this machine ended it. */
  status: number | undefined
  connectTime: number | undefined
  headerTime: number | undefined
  responseTime: number | undefined
  /** Bytes of the request that were written. */
  bytesSent: number
  /** Bytes of the reply, including its head. */
  bytesReceived: number
  /** Bytes of the reply's body. */
  responseLength: number
}

/** `request.scgi` of a request that went through the gateway. The strings have nginx's format, and are `undefined` before the first attempt. */
export interface ScgiRequestInfo {
  /** Every attempt so far, in order. */
  readonly attempts: readonly Attempt[]
  /** What the cache did; `undefined` if it was not used. (`$upstream_cache_status`) */
  readonly cacheStatus: CacheStatus | undefined
  /** `$remote_addr`: the client's address, as in REMOTE_ADDR. Anything from trusted proxies (`trustProxy`) that is not an address is ignored. */
  readonly clientAddress: string
  /** Number of internal redirects so far. */
  readonly hop: number
  /** Head of the application's last reply, including hidden headers. */
  readonly head: ResponseHead | undefined
  /** `$upstream_addr` */
  readonly upstreamAddr: string | undefined
  /** `$upstream_status` */
  readonly upstreamStatus: string | undefined
  /** `$upstream_connect_time`, seconds with milliseconds */
  readonly upstreamConnectTime: string | undefined
  /** `$upstream_header_time`, seconds with milliseconds */
  readonly upstreamHeaderTime: string | undefined
  /** `$upstream_response_time`, seconds with milliseconds */
  readonly upstreamResponseTime: string | undefined
  /** `$upstream_response_length`, bytes */
  readonly upstreamResponseLength: string | undefined
  /** `$upstream_bytes_sent` */
  readonly upstreamBytesSent: string | undefined
  /** `$upstream_bytes_received` */
  readonly upstreamBytesReceived: string | undefined
  /** `$upstream_http_NAME`: a header of the last reply, including hidden ones; repeated headers are joined with `, `. */
  header (name: string): string | undefined
  /** `$upstream_cookie_NAME`: value of a cookie set by the last reply. */
  cookie (name: string): string | undefined
}
