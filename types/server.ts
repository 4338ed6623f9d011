import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Size, Time } from './units.ts'

/** The parameters of one SCGI request, as the gateway sent them, by name. The object has no prototype. */
export type ScgiParams = Readonly<Record<string, string>>

/** A request as `createScgiServer` hands it to the application. */
export interface ScgiServerRequest extends IncomingMessage {
  /** Every parameter of the request, among them those that are no HTTP header: SCRIPT_NAME, REMOTE_USER, what `scgi_param` added. */
  readonly scgi: ScgiParams
}

/** The application: called once a request, like the listener of `http.createServer`. */
export type ScgiRequestListener = (request: ScgiServerRequest, response: ServerResponse<ScgiServerRequest>) => void

/** Options of `createScgiServer` and `scgiServerFactory`. */
export interface ScgiServerOptions {
  /** Begin a reply with `HTTP/1.1 200 OK` ("non-parsed headers") instead of `Status: 200 OK`. Default false. */
  nph?: boolean
  /**
   * Let REMOTE_ADDR, REMOTE_PORT and HTTPS decide `request.socket.remoteAddress`, `remotePort`, `remoteFamily` and `encrypted`.
   * false leaves what the system knows of the connection, which is the gateway's end. Default true.
   */
  trustGateway?: boolean
  /** Keep the connection for the next request where the gateway asks for it (SCGI_KEEPALIVE=1). Default true. */
  keepalive?: boolean
  /** How long a kept connection may be idle; 0 is without limit. Default 5s. */
  keepAliveTimeout?: Time
  /** Requests served on one connection; 0 is without limit. Default 0. */
  maxRequestsPerSocket?: number
  /** Largest parameter block of a request in bytes; a longer one is answered with 431. Default 64k. */
  maxParamsSize?: Size
  /** Time for the parameters of a request to arrive; then 408. 0 is without limit. Default 60s. */
  headersTimeout?: Time
  /** Time for the whole request to arrive, its body included; then 408. 0 is without limit. Default 0. */
  requestTimeout?: Time
  /** Inactivity after which a socket emits 'timeout', and is destroyed where nobody listens; 0 is without limit. Default 0. */
  timeout?: Time
}
