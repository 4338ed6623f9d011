import { isUtf8 } from 'node:buffer'
import { withBytes } from './path-bytes.ts'

const NOT_ASCII = /[^\0-\x7f]/
const WIDE = /[\u0100-\uffff]/

/**
 * What a user gives for a value, as bytes: one char a byte. Node.js gives headers and targets as such bytes; what reads as UTF-8 byte
 * by byte is taken for them, and so is what stands in `received` as it is. Everything else is text, and becomes UTF-8.
 */
export function toBytes (value: string, received?: Readonly<Record<string, string | string[] | undefined>>): string {
  if (!NOT_ASCII.test(value) || (!WIDE.test(value) && isBytes(value, received))) return value
  return utf8(value)
}

/** The UTF-8 bytes of a text, one char a byte. What stands in it for a byte of a path that is no UTF-8 is that byte again. */
export function utf8 (text: string): string {
  return NOT_ASCII.test(text) ? withBytes(text, piece => Buffer.from(piece, 'utf8').toString('latin1')) : text
}

function isBytes (value: string, received: Readonly<Record<string, string | string[] | undefined>> | undefined): boolean {
  if (isUtf8(Buffer.from(value, 'latin1'))) return true
  return received !== undefined && Object.values(received).some(known => known === value || (Array.isArray(known) && known.includes(value)))
}
