import { Buffer } from 'node:buffer'
import { isWide } from '../http/path.ts'
import { utf8 } from '../bytes/text.ts'

/**
 * Pairs `NUL name NUL value ...` with one char a byte. Nothing that came over HTTP/1 has chars that are no bytes; of a value that has, the
 * UTF-8 is sent.
 */
export function byteText (pairs: string): string {
  return isWide(pairs) ? pairs.split('\0').map(piece => isWide(piece) ? utf8(piece) : piece).join('\0') : pairs
}

/**
 * The netstring of a header block.
 * @param pairs without the NUL that ends the last value
 */
export function netstring (pairs: string): Buffer {
  const text = `${pairs.length + 1}:${pairs}\0,`
  const bytes = Buffer.from(text, 'latin1')
  // That has made one text of all its pieces, which is looked through at once.
  return isWide(text) ? netstring(byteText(pairs)) : bytes
}
