import { isUtf8 } from 'node:buffer'
import { isWide, utf8 } from './path.ts'

const NOT_ASCII = /[^\0-\x7f]/

/**
 * What a user gives for a value, as bytes: one char a byte. Node.js gives headers and targets as such bytes; what reads as UTF-8 byte
 * by byte is taken for them, and so is what stands in `received` as it is. Everything else is text, and becomes UTF-8.
 */
export function toBytes (value: string, received?: Readonly<Record<string, string | string[] | undefined>>): string {
  if (!NOT_ASCII.test(value)) return value
  if (!isWide(value) && (isUtf8(Buffer.from(value, 'latin1')) || (received !== undefined && Object.values(received).includes(value)))) return value
  return utf8(value)
}
