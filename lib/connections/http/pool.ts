import { IdleConnections } from '../pool.ts'
import { localKey } from '../local-address.ts'
import type { ConnectionOptions } from '../connection.ts'
import type { HttpConnection } from './connection.ts'

/**
 * The idle connections to one HTTP server. undici's own pool has one connect timeout and one local address for all requests, and no limit
 * of what it keeps; here these are the request's, so each connection is a client of undici by itself, and belongs to its local address.
 */
export class HttpPool extends IdleConnections<HttpConnection, ConnectionOptions> {
  /** @param limit most idle connections kept, for each local address */
  constructor (limit: number) {
    super({
      /** The largest head is set when undici's client is made. */
      keyOf: ({ localAddress = '', localPort, transparent, bufferSize }) => `${localKey(localAddress, localPort, transparent)} ${bufferSize}`,
      open: () => undefined,
    }, { keepalive: limit, preconnect: 0, connectTimeout: 0 })
  }
}
