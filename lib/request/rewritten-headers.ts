import { toBytes } from '../bytes/text.ts'
import { show } from '../options/units.ts'
import type { RequestHeaders } from '../../types/options.ts'

/**
 * The request headers that a hook gave, by lower-case name, as bytes. A name that the hook wrote in upper case goes before the client's
 * own. Connection is left out: what it lists would be lost on the way, and the connection is not the hook's.
 * @param received the headers that it was given
 * @throws TypeError
 */
export function rewrittenHeaders (given: RequestHeaders, received: RequestHeaders): Record<string, string | string[]> {
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`the hook 'rewriteRequestHeaders' gave ${show(given)}, expected an object of headers`)
  }
  const headers: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase()
    if (value === undefined || lower === 'connection' || (lower === name && lower in headers)) continue
    headers[lower] = Array.isArray(value) ? value.map(line => toBytes(String(line), received)) : toBytes(String(value), received)
  }
  return headers
}
