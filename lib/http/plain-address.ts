import { isIPv4 } from 'node:net'

/** IPv4 addresses of a dual-stack socket look like ::ffff:192.0.2.1; everybody else expects 192.0.2.1. */
export function plain (address: string | undefined): string {
  if (address === undefined) return ''
  if (!address.startsWith('::ffff:')) return address
  const mapped = address.slice(7)
  return isIPv4(mapped) ? mapped : address
}
