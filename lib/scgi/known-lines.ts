import { CONTENT_LENGTH, STATUS, type HeaderName } from './header-table.ts'
import { parseLength, statusCode, statusReason } from './status.ts'

// An application says much the same in every head. A line that has come twice in a row is kept with what was made of it, and known again by
// its bytes; which one to compare with is told by the line before it. All of it is a guess that is checked, in tables that do not grow.

/** A header line that was judged before. */
export interface KnownLine extends HeaderName {
  readonly value: string
  /** Of the whole line, its end included. */
  readonly length: number
  /** Its bytes by fours, as far as they are four. */
  readonly words: Int32Array
  /** Its last four bytes. */
  readonly last: number
  readonly slot: number
  /** The code of a Status, the length of a Content-Length. */
  readonly number: number
  /** The reason phrase of a Status. */
  readonly reason: string
}

const MASK = 255
/** Longer lines are scanned each time, and so are those that are no four bytes. */
const MAX_LINE = 256
const MIN_LINE = 4

const lines = new Array<KnownLine | undefined>(MASK + 1).fill(undefined)
/** The header that came last in a slot and was not known. */
const seenNames = new Array<string>(MASK + 1).fill('')
const seenValues = new Array<string>(MASK + 1).fill('')
/** The slot of the header that followed last on one of the slot. */
const followers = new Uint8Array(MASK + 1)
let first = 0

/** What lines were compared with last, and the same to read four bytes at once: what servers send is read into the same memory mostly. */
let viewed: Uint8Array = new Uint8Array()
let view = new DataView(viewed.buffer)

/**
 * Of a header whose name has this hash. The second of two headers of one name has a slot of its own, or neither would be known.
 * @param before the slot of the line before, -1 if it is the first
 */
export function slotOf (hash: number, before: number): number {
  const slot = hash & MASK
  return slot === before ? (slot + 1) & MASK : slot
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
export function isLine ({ length, words, last }: KnownLine, head: Uint8Array, at: number, stop: number): boolean {
  if (length > stop - at) return false
  if (head !== viewed) {
    viewed = head
    view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  }
  for (let i = 0, from = at; i < words.length; i++, from += 4) {
    if (view.getInt32(from, true) !== words[i]) return false
  }
  return view.getInt32(at + length - 4, true) === last
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
  const length = end - start
  if (length > MAX_LINE || length < MIN_LINE) return
  const number = rule === STATUS ? statusCode(value) : rule === CONTENT_LENGTH ? parseLength(value) : 0
  if (number < 0) return
  const words = new Int32Array(length >> 2)
  for (let i = 0; i < words.length; i++) words[i] = head.readInt32LE(start + i * 4)
  const reason = rule === STATUS ? statusReason(value) : ''
  const kept = Buffer.from(value, 'latin1').toString('latin1')
  lines[slot] = { name, lower, rule, value: kept, length, words, last: head.readInt32LE(end - 4), slot, number, reason }
}
