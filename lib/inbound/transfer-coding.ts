import { FST_SCGI_BAD_REQUEST, FST_SCGI_TRANSFER_CODING } from '../errors.ts'
import { show } from '../options/units.ts'
import type { IncomingMessage } from 'node:http'

/**
 * Why the body of a request cannot be had; `undefined` if it can. Node.js removes the coding `chunked`, and says nothing of those below
 * it: the application would take coded bytes for the body (RFC 9112 section 6.1).
 */
export function refusedCoding ({ headers, httpVersionMajor, httpVersionMinor }: IncomingMessage): Error | undefined {
  const coding = headers['transfer-encoding']
  if (coding === undefined || httpVersionMajor !== 1) return undefined
  if (httpVersionMinor === 0) return new FST_SCGI_BAD_REQUEST('HTTP/1.0 knows no Transfer-Encoding')
  return isChunked(coding) ? undefined : new FST_SCGI_TRANSFER_CODING(show(coding))
}

/** The one coding that is removed on the way. */
export function isChunked (coding: string): boolean {
  return coding.toLowerCase() === 'chunked'
}
