import { Readable } from 'node:stream'
import { literalAddress, parseAddress } from '../../lib/connections/address.ts'
import { Exchange } from '../../lib/connections/scgi/exchange.ts'
import { ObservedExchange } from './observed.ts'
import { encodePairs } from '../../lib/scgi/netstring.ts'
import type { ConnectionPool } from '../../lib/connections/scgi/pool.ts'
import type { ExchangeRequest, RequestBody, ServerAddress } from '../../types/index.ts'

/** The server of an address that names no host. */
export function serverAt (address: string): ServerAddress {
  return literalAddress(parseAddress('address', address))
}

/** A request with this body; `uri` tells requests apart in what the server recorded. */
export function exchangeRequest (options: Partial<ExchangeRequest> & { uri?: string } = {}): ExchangeRequest {
  const { uri = '/', ...rest } = options
  const method = rest.method ?? 'GET'
  return {
    head: encodePairs([['CONTENT_LENGTH', String(rest.body?.length ?? 0)], ['SCGI', '1'], ['REQUEST_METHOD', method], ['REQUEST_URI', uri]]),
    body: null,
    method,
    timeouts: { connect: 5000, send: 5000, read: 5000 },
    bufferSize: 65536,
    ...rest,
  }
}

/** A body of these bytes. */
export function bytesBody (bytes: Buffer): RequestBody {
  return { length: bytes.length, replayable: true, open: () => bytes }
}

/** A body of `length` bytes from these pieces. */
export function streamBody (pieces: Iterable<Buffer> | Readable, length: number): RequestBody {
  return { length, replayable: false, open: () => pieces instanceof Readable ? pieces : Readable.from(pieces, { objectMode: false }) }
}

/** Acts on what an exchange tells. */
export type OnEvent = (event: string, observed: Observed) => void

/** An exchange under observation. What it tells is written down; `on` may act on it. */
export class Observed extends ObservedExchange {
  readonly exchange: Exchange
  readonly #on: OnEvent

  constructor (server: ServerAddress, request: ExchangeRequest, pool?: ConnectionPool, on: OnEvent = () => {}) {
    super()
    this.#on = on
    this.exchange = new Exchange(server, request, this, pool)
  }

  /** The body so far. */
  get body (): Buffer {
    return Buffer.concat(this.chunks)
  }

  protected override told (event: string): void {
    this.#on(event, this)
  }
}

/** Starts an exchange and waits for its end. */
export async function exchanged (
  server: ServerAddress, request: ExchangeRequest, pool?: ConnectionPool, on?: OnEvent
): Promise<Observed> {
  const observed = new Observed(server, request, pool, on)
  observed.exchange.start()
  await observed.over
  return observed
}
