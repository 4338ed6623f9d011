// Paths that come with a request or a reply are binary strings, one char a byte: a file's name need not be UTF-8.

import { utf8 } from './text.ts'

const NOT_ASCII = /[^\0-\x7f]/
const WIDE = /[\u0100-\uffff]/

/** The binary string as the file system takes it. */
export function pathBytes (path: string): string | Buffer {
  return NOT_ASCII.test(path) ? Buffer.from(path, 'latin1') : path
}

/** A string that has chars beyond a byte came by no header: it is meant as UTF-8. */
export function binaryPath (text: string): string {
  return WIDE.test(text) ? utf8(text) : text
}

/** The binary string for people. */
export function pathText (path: string): string {
  return NOT_ASCII.test(path) ? Buffer.from(path, 'latin1').toString('utf8') : path
}
