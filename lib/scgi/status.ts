import { TEXT } from './header-table.ts'

const TAB = 0x09
const SPACE = 0x20

const HTTP_STATUS = /^HTTP\/[1-9][0-9]*\.[0-9]+ +([0-9]+(?:[ .].*)?)$/s

/** An HTTP status line from its code on: `404 Not Found`. `undefined` when the line has no such thing. */
export function statusOfLine (line: string): string | undefined {
  return HTTP_STATUS.exec(line)?.[1]
}

/** The code that a status begins with; -1 if that is not a number from 100 to 599. */
export function statusCode (status: string): number {
  const hundreds = digit(status, 0)
  const tens = digit(status, 1)
  const ones = digit(status, 2)
  if ((hundreds | tens | ones) < 0 || digit(status, 3) >= 0) return -1
  const code = hundreds * 100 + tens * 10 + ones
  return code >= 100 && code <= 599 ? code : -1
}

/** The reason phrase: what stands after the code, or after the sub-status of `403.1 Forbidden`. */
export function statusReason (status: string): string {
  let at = 3
  if (status[at] === '.') {
    do at++
    while (digit(status, at) >= 0)
  }
  let end = status.length
  while (at < end && isBlank(status.charCodeAt(at))) at++
  while (end > at && isBlank(status.charCodeAt(end - 1))) end--
  return status.slice(at, end)
}

/** True when every character may stand in a header value or reason phrase. */
export function isText (value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    if (TEXT[value.charCodeAt(i)] !== 1) return false
  }
  return true
}

/** The number that `value` consists of, digits only; -1 when it is none, or too large to be exact. */
export function parseLength (value: string): number {
  if (value === '') return -1
  for (let i = 0; i < value.length; i++) {
    if (digit(value, i) < 0) return -1
  }
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : -1
}

/** A space or a tab. */
export function isBlank (byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB
}

function digit (text: string, at: number): number {
  const value = text.charCodeAt(at) - 0x30
  return value >= 0 && value <= 9 ? value : -1
}
