import { toBytes } from '../bytes/text.ts'

const TABLE = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : crc >>> 1 ^ 0xedb88320
  TABLE[byte] = crc
}

/**
 * CRC-32 (IEEE). It may be continued: `crc32(b, crc32(a))` is that of a and b. Done here for short texts, for which a call of
 * zlib's costs more than the sum itself.
 */
export function crc32 (bytes: Uint8Array, before = 0): number {
  let crc = ~before
  for (let index = 0; index < bytes.length; index++) crc = crc >>> 8 ^ (TABLE[(crc ^ (bytes[index] ?? 0)) & 255] ?? 0)
  return ~crc >>> 0
}

/** The CRC-32 of a text as the bytes that are sent of it. */
export function crc32Text (text: string, before = 0): number {
  let crc = ~before
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 127) return crc32(Buffer.from(toBytes(text), 'latin1'), before)
    crc = crc >>> 8 ^ (TABLE[(crc ^ code) & 255] ?? 0)
  }
  return ~crc >>> 0
}

/** Continues a CRC-32 over a number as four bytes, the lowest first. */
export function crc32Word (word: number, before: number): number {
  let crc = ~before
  for (let shift = 0; shift < 32; shift += 8) crc = crc >>> 8 ^ (TABLE[(crc ^ word >>> shift) & 255] ?? 0)
  return ~crc >>> 0
}
