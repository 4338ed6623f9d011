import { isWide } from '../http/path.ts'
import { utf8 } from '../bytes/text.ts'

const COLON = 58
const COMMA = 44

/**
 * Pairs `NUL name NUL value ...` with one char a byte. Nothing that came over HTTP/1 has chars that are no bytes; of a value that has, the
 * UTF-8 is sent.
 */
export function byteText (pairs: string): string {
  return isWide(pairs) ? pairs.split('\0').map(piece => isWide(piece) ? utf8(piece) : piece).join('\0') : pairs
}

/** The netstring of a header block. @param pairs one char a byte, without the NUL that ends the last value */
export function netstring (pairs: string): Buffer {
  const size = pairs.length + 1
  const digits = String(size)
  const from = digits.length + 1
  const netstring = Buffer.allocUnsafe(from + size + 1)
  for (let i = 0; i < digits.length; i++) netstring[i] = digits.charCodeAt(i)
  netstring[from - 1] = COLON
  netstring.write(pairs, from, size - 1, 'latin1')
  netstring[from + size - 1] = 0
  netstring[from + size] = COMMA
  return netstring
}
