import { Http2ServerRequest, type Http2Stream } from 'node:http2'

const begun = new WeakSet<Http2Stream>()

/**
 * Mends what Node.js makes of a request that comes over HTTP/2; others it leaves alone. May be called again for a request that is routed again.
 *
 * A stream that the client has reset with NO_ERROR is not closed before the request has been read to its end, which nobody does for a
 * client that is gone. And `:authority` is the host, whatever a header `host` says beside it (RFC 9113 section 8.3.1).
 */
export function beginStream (request: object): void {
  if (!(request instanceof Http2ServerRequest)) return
  const { stream, headers } = request
  if (begun.has(stream)) return
  begun.add(stream)
  const { ':authority': authority } = headers
  if (authority !== undefined && headers.host !== undefined) headers.host = authority
  // Not while Node.js is still at it.
  const end = (): void => { process.nextTick(() => stream.destroy()) }
  if (stream.aborted) end()
  else stream.once('aborted', end)
}
