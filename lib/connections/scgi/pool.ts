import { Connection } from './connection.ts'
import { IdleConnections, type PoolOptions } from '../pool.ts'
import { localKey } from '../local-address.ts'
import type { ConnectionOptions } from '../connection.ts'
import type { ServerAddress } from '../../../types/exchange.ts'

/** The idle connections to one SCGI server. */
export class ConnectionPool extends IdleConnections<Connection, ConnectionOptions> {
  constructor (address: ServerAddress, options: PoolOptions) {
    super({
      /** A unix socket has no local address. */
      keyOf: ({ localAddress, localPort, transparent }) =>
        localAddress === undefined || address.host === undefined ? '' : localKey(localAddress, localPort, transparent),
      // Two sockets cannot have one local port.
      open: (options, connectTimeout) =>
        options.localPort === undefined || address.host === undefined ? Connection.open(address, options, null, connectTimeout) : undefined,
    }, options)
  }
}
