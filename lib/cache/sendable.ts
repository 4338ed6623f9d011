import { isToken } from '../http/token.ts'
import type { CacheStoreValue } from '../../types/cache-store.ts'

// What Node.js refuses to send (RFC 9110 sections 5.1 and 5.5, RFC 9112 section 4).
const NO_TEXT = /[^\t\x20-\x7e\x80-\xff]/

/** Whether a stored head can be sent to a client: text where text has to be, and no character that ends a line. */
export function canBeSent ({ statusMessage, headers }: CacheStoreValue): boolean {
  const message: unknown = statusMessage
  if (message !== undefined && !isText(message)) return false
  for (const name in headers) {
    const value: unknown = headers[name]
    if (!isToken(name)) return false
    if (Array.isArray(value) ? !value.every(isText) : value !== undefined && !isText(value)) return false
  }
  return true
}

function isText (value: unknown): boolean {
  return typeof value === 'string' && !NO_TEXT.test(value)
}
