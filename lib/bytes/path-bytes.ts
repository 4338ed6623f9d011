// How a path that is no UTF-8 goes through the router. The router decodes escapes as UTF-8 and refuses all else, but takes any char that is
// none: such a byte is written as a lone surrogate, U+DC80 to U+DCFF, which no text of UTF-8 decodes to.

import { isUtf8 } from 'node:buffer'

const HIGH_ESCAPE = /%[89a-f][0-9a-f]/i
const HIGH_ESCAPES = /(?:%[89a-f][0-9a-f])+/gi
const STAND_IN = /(?<![\ud800-\udbff])[\udc80-\udcff]/
const STAND_INS = /(?<![\ud800-\udbff])[\udc80-\udcff]/g

/** The target with every escaped byte that is no UTF-8 as a char that the router takes; `undefined` if there is none. */
export function routable (target: string): string | undefined {
  if (!HIGH_ESCAPE.test(target)) return undefined
  const query = target.search(/[?#]/)
  const path = query === -1 ? target : target.slice(0, query)
  const written = path.replace(HIGH_ESCAPES, run => {
    const bytes = Buffer.from(run.replaceAll('%', ''), 'hex')
    return isUtf8(bytes) ? run : standIns(bytes)
  })
  return written === path ? undefined : written + (query === -1 ? '' : target.slice(query))
}

export function hasStandIns (target: string): boolean {
  return STAND_IN.test(target)
}

/** The escapes again, in place of what stands for bytes. */
export function escaped (target: string): string {
  return hasStandIns(target) ? target.replace(STAND_INS, char => '%' + (char.charCodeAt(0) & 0xff).toString(16).toUpperCase()) : target
}

/** The bytes again, in place of what stands for them; `others` makes bytes of the text between. */
export function withBytes (text: string, others: (text: string) => string): string {
  if (!hasStandIns(text)) return others(text)
  let bytes = ''
  let from = 0
  for (const { 0: char, index } of text.matchAll(STAND_INS)) {
    bytes += others(text.slice(from, index)) + String.fromCharCode(char.charCodeAt(0) & 0xff)
    from = index + 1
  }
  return bytes + others(text.slice(from))
}

function standIns (bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const size = [2, 3, 4].find(length => at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length))) ?? 1
    text += size === 1
      ? String.fromCharCode(0xdc00 | (bytes[at] ?? 0))
      : bytes.toString('hex', at, at + size).replace(/../g, '%$&')
    at += size
  }
  return text
}
