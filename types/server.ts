import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Size, Time } from './units.ts'

/** The parameters of an SCGI request by name, as the gateway sent them. The object has no prototype. */
export type ScgiParams = Readonly<Record<string, string>>

/** A request to an application of `createScgiServer`. */
export interface ScgiServerRequest extends IncomingMessage {
  /** All parameters of the request, including those that are not HTTP headers: SCRIPT_NAME, REMOTE_USER, those added with `scgi_param`. */
  readonly scgi: ScgiParams
}

/** The application: called once per request, like the listener of `http.createServer`. */
export type ScgiRequestListener = (request: ScgiServerRequest, response: ServerResponse<ScgiServerRequest>) => void

/** Options of `createScgiServer` and `scgiServerFactory`. */
export interface ScgiServerOptions {
  /** Start a reply with `HTTP/1.1 200 OK` ("non-parsed headers") instead of `Status: 200 OK`. Default false. */
  nph?: boolean
  /**
   * Take `request.socket.remoteAddress`, `remotePort`, `remoteFamily` and `encrypted` from REMOTE_ADDR, REMOTE_PORT and HTTPS.
   * With false they describe the connection itself, that is the gateway. Default true.
   */
  trustGateway?: boolean
  /** Keep the connection for the next request if the gateway asks for it (SCGI_KEEPALIVE=1). Default true. */
  keepalive?: boolean
  /** How long a kept connection may be idle; 0 means no limit. Default 5s. */
  keepAliveTimeout?: Time
  /** Maximum number of requests per connection; 0 means no limit. Default 0. */
  maxRequestsPerSocket?: number
  /** Maximum size of the parameters of a request in bytes; more is answered with 431. Default 64k. */
  maxParamsSize?: Size
  /** Time in which the parameters of a request must arrive, those of the first from the connection on; then 408. 0 means no limit. Default 60s. */
  headersTimeout?: Time
  /**
   * Time in which the whole request must arrive, parameters and body, from its first byte on; then 408. 0 means no limit. Default 0.
   */
  requestTimeout?: Time
  /** Inactivity after which a socket emits 'timeout', and is destroyed if there is no listener; 0 means no limit. Default 0. */
  timeout?: Time
}
