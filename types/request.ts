import type { CacheStatus } from './cache.ts'
import type { ResponseHead } from './exchange.ts'

/** One attempt, that is one exchange with one server. Times are milliseconds from the start of the attempt; undefined where it did not come to it. */
export interface Attempt {
  /** Address of the server, or the group's name when no server could be selected. */
  address: string
  /** Status of the reply, 502 or 504 where the attempt failed; undefined when it was ended by the client or by this machine. */
  status: number | undefined
  connectTime: number | undefined
  headerTime: number | undefined
  responseTime: number | undefined
  /** Bytes of the request that were written. */
  bytesSent: number
  /** Bytes of the reply, head included. */
  bytesReceived: number
  /** Bytes of the reply's body. */
  responseLength: number
}

/** What `request.scgi` tells of a request that went through the gateway. The strings have nginx's format, `undefined` before the first attempt. */
export interface ScgiRequestInfo {
  /** Every attempt so far, in order. */
  readonly attempts: readonly Attempt[]
  /** What the cache did, `undefined` where it had nothing to do. (`$upstream_cache_status`) */
  readonly cacheStatus: CacheStatus | undefined
  /** `$remote_addr`: the client's address, as REMOTE_ADDR has it. Of what trusted proxies say (`trustProxy`) only addresses count. */
  readonly clientAddress: string
  /** Number of internal redirects before this pass. */
  readonly hop: number
  /** What the application answered last, hidden headers included. */
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
  /** `$upstream_http_NAME`: a header of the last reply, hidden ones included; repeated lines joined with `, `. */
  header (name: string): string | undefined
  /** `$upstream_cookie_NAME`: value of a cookie that the last reply sets. */
  cookie (name: string): string | undefined
}
