import { CONTENT_LENGTH, STATUS, type HeaderName } from './header-table.ts'
import { parseLength, statusCode, statusReason } from './status.ts'

// An application says much the same in every head. A line that has come twice in a row is kept with what was made of it, and known again by
// its bytes; which one to compare with is told by the line before it. All of it is a guess that is checked, in tables that do not grow.

/** A header line that was judged before. */
export interface KnownLine extends HeaderName {
  readonly value: string
  /** The whole line, its end included. */
  readonly bytes: Uint8Array
  readonly slot: number
  /** The code of a Status, the length of a Content-Length. */
  readonly number: number
  /** The reason phrase of a Status. */
  readonly reason: string
}

const MASK = 255
/** Longer lines are scanned each time. */
const MAX_LINE = 256

const lines = new Array<KnownLine | undefined>(MASK + 1).fill(undefined)
/** The header that came last in a slot and was not known. */
const seenNames = new Array<string>(MASK + 1).fill('')
const seenValues = new Array<string>(MASK + 1).fill('')
/** The slot of the header that followed last on one of the slot. */
const followers = new Uint8Array(MASK + 1)
let first = 0

/** Of a header whose name has this hash. */
export function slotOf (hash: number): number {
  return hash & MASK
}

/** The line that a head is likely to begin with. */
export function likelyFirst (): KnownLine | undefined {
  return lines[first]
}

/** The line that is likely to follow on one of this slot. */
export function likelyNext (slot: number): KnownLine | undefined {
  return lines[followers[slot] ?? 0]
}

/** The line that is kept in a slot. */
export function lineIn (slot: number): KnownLine | undefined {
  return lines[slot]
}

/** Whether a line of a head, which begins at `at`, is this one. */
export function isLine ({ bytes }: KnownLine, head: Uint8Array, at: number, stop: number): boolean {
  const { length } = bytes
  if (length > stop - at) return false
  let i = 0
  // By fours: what the engine checks of an array before it reads it is as much as reading four.
  for (; i < length - 3; i += 4) {
    const from = at + i
    if (head[from] !== bytes[i] || head[from + 1] !== bytes[i + 1]) return false
    if (head[from + 2] !== bytes[i + 2] || head[from + 3] !== bytes[i + 3]) return false
  }
  for (; i < length; i++) {
    if (head[at + i] !== bytes[i]) return false
  }
  return true
}

/**
 * Notes which slot's line follows on that of another.
 * @param before -1 where it is the first
 */
export function follows (before: number, slot: number): void {
  if (before < 0) first = slot
  else followers[before] = slot
}

/** Notes a line that was not known: the second time it is kept. */
export function learnLine ({ name, lower, rule }: HeaderName, slot: number, value: string, head: Buffer, start: number, end: number): void {
  if (seenNames[slot] !== name || seenValues[slot] !== value) {
    seenNames[slot] = name
    seenValues[slot] = value
    return
  }
  if (end - start > MAX_LINE) return
  const number = rule === STATUS ? statusCode(value) : rule === CONTENT_LENGTH ? parseLength(value) : 0
  if (number < 0) return
  const bytes = Uint8Array.prototype.slice.call(head, start, end)
  const reason = rule === STATUS ? statusReason(value) : ''
  lines[slot] = { name, lower, rule, value: Buffer.from(value, 'latin1').toString('latin1'), bytes, slot, number, reason }
}
