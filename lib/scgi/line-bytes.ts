import { TEXT } from './header-table.ts'
import { printable, printableByte } from './printable.ts'

// The lines of a head as bytes.

export const LF = 0x0a
export const CR = 0x0d

// Of a name in an error message; more than is shown.
const MAX_NAME = 64

/** Offset of the first LF, or -1. */
export function lineEnd (bytes: Uint8Array, from: number, stop: number): number {
  for (let i = from; i < stop; i++) {
    if (bytes[i] === LF) return i
  }
  return -1
}

/**
 * Offset of the first byte that may not stand in a value. It goes by fours: what the engine checks before it reads from an array is as much
 * as reading four.
 */
export function textEnd (bytes: Uint8Array, from: number, stop: number): number {
  const texts = TEXT
  let at = from
  while (at < stop - 3 && texts[bytes[at] ?? 0] === 1 && texts[bytes[at + 1] ?? 0] === 1 &&
    texts[bytes[at + 2] ?? 0] === 1 && texts[bytes[at + 3] ?? 0] === 1) at += 4
  while (at < stop && texts[bytes[at] ?? 0] === 1) at++
  return at
}

/** Whether a line begins with `HTTP`. */
export function isHttp (bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x48 && bytes[at + 1] === 0x54 && bytes[at + 2] === 0x54 && bytes[at + 3] === 0x50
}

/** What is wrong with a line that is none, for a message: `at` is where, `nameEnd` where its name ends. */
export function wrong (bytes: Uint8Array, line: number, nameEnd: number, at: number): string {
  if (at > line && bytes[at - 1] === CR) return ': a CR that does not end the line'
  const byte = printableByte(bytes[at] ?? 0)
  let name = ''
  for (let i = line; i < nameEnd && i <= line + MAX_NAME; i++) name += String.fromCharCode(bytes[i] ?? 0)
  if (at > nameEnd) return `: ${byte} in the value of '${printable(name)}'`
  if (name !== '') return `: ${byte} in a header name, after '${printable(name)}'`
  return ` begins with ${byte}, not with a header name`
}
