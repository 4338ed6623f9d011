import { randomBytes } from 'node:crypto'
import { crc32 } from './crc32.ts'
import type { CacheStoreValue } from '../../../../types/cache-store.ts'
import { isValue } from '../key.ts'

// An entry's file, all numbers with the lowest byte first:
//
//      0  magic, 8 bytes
//      8  version, 2 bytes; 2 bytes of nothing
//     12  S, bytes of a slot
//     16  offset of the body, 4 bytes
//     20  K, bytes of the key
//     24  bytes of the body, 8 bytes
//     32  CRC-32 of the body
//     36  number of this writing of the entry, 16 random bytes
//     52  CRC-32 of the key
//     56  CRC-32 of bytes 0 to 55
//     60  the key: zone, NUL, cache key
//   60+K  two slots of S bytes: sequence number, length, CRC-32 of these two and the head, head as JSON
//         the body, to the end of the file
//
// Of two slots the valid one with the higher number holds. A new head goes to the other one: whatever happens to the process while
// it writes, one of them is whole.

const MAGIC = Buffer.from('\x89FSCGI\r\n', 'latin1')
const MAGIC_START = MAGIC.readUInt32LE(0)
const MAGIC_END = MAGIC.readUInt32LE(4)
// 1: all names of files had the zone in them. Such a file is ours, and goes like any that nobody asks for.
const VERSION = 2
const PREAMBLE = 60
const SLOT_HEAD = 12
/** Bytes of a slot that are left for a head that becomes longer. */
const SPARE = 384
/** A head and a key that are larger than this together are no entry. */
const MAX_BODY_OFFSET = 64 * 1024 * 1024

/** What begins a file. */
export interface Preamble {
  readonly slotSize: number
  readonly bodyOffset: number
  readonly keyLength: number
  readonly bodyLength: number
  readonly bodyCrc: number
  /** Different in every file that was ever written. */
  readonly id: string
}

/** A value with the method that it was stored for. */
export interface Head {
  readonly method: string
  readonly value: CacheStoreValue
}

/** The head as it is stored. */
export function encodeHead ({ method, value }: Head): Buffer {
  return Buffer.from(JSON.stringify({ method, value }))
}

/** Where the body of an entry will begin. */
export function layout (key: Buffer, head: Buffer): { slotSize: number, bodyOffset: number } {
  const slotSize = SLOT_HEAD + head.length + SPARE
  return { slotSize, bodyOffset: PREAMBLE + key.length + 2 * slotSize }
}

/**
 * Everything before the body.
 * @param bytes where it is written, from the first byte on. Default: a new Buffer.
 */
export function encodeStart (
  key: Buffer, head: Buffer, bodyLength: number, bodyCrc: number, bytes?: Buffer
): { bytes: Buffer, id: string } {
  const { slotSize, bodyOffset } = layout(key, head)
  if (bytes === undefined) bytes = Buffer.alloc(bodyOffset)
  else bytes.fill(0, 0, bodyOffset)
  bytes.writeUInt32LE(MAGIC_START, 0)
  bytes.writeUInt32LE(MAGIC_END, 4)
  bytes.writeUInt16LE(VERSION, 8)
  bytes.writeUInt32LE(slotSize, 12)
  bytes.writeUInt32LE(bodyOffset, 16)
  bytes.writeUInt32LE(key.length, 20)
  bytes.writeBigUInt64LE(BigInt(bodyLength), 24)
  bytes.writeUInt32LE(bodyCrc, 32)
  newId(bytes, 36)
  bytes.writeUInt32LE(crc32(key), 52)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 56)), 56)
  key.copy(bytes, PREAMBLE)
  writeSlot(bytes, PREAMBLE + key.length, head, 1)
  return { bytes, id: bytes.toString('latin1', 36, 52) }
}

/** Random bytes for many numbers: to ask for a few takes as long as for these. */
const random = { bytes: Buffer.alloc(0), used: 0 }

function newId (bytes: Buffer, at: number): void {
  if (random.used >= random.bytes.length) {
    random.bytes = randomBytes(2048)
    random.used = 0
  }
  random.bytes.copy(bytes, at, random.used, random.used += 16)
}

/** A slot to be written over an old one; undefined if the head does not fit. */
export function encodeSlot (head: Buffer, sequence: number, slotSize: number): Buffer | undefined {
  if (SLOT_HEAD + head.length > slotSize) return undefined
  const bytes = Buffer.alloc(SLOT_HEAD + head.length)
  writeSlot(bytes, 0, head, sequence)
  return bytes
}

function writeSlot (bytes: Buffer, at: number, head: Buffer, sequence: number): void {
  bytes.writeUInt32LE(sequence, at)
  bytes.writeUInt32LE(head.length, at + 4)
  head.copy(bytes, at + SLOT_HEAD)
  bytes.writeUInt32LE(slotCrc(bytes.subarray(at, at + 8), head), at + 8)
}

/** @param start sequence number and length */
function slotCrc (start: Buffer, head: Buffer): number {
  return crc32(head, crc32(start))
}

/** Whether a file is one of ours, of whatever version: only such a file is ever removed. */
export function isOurs (bytes: Buffer): boolean {
  return bytes.length >= MAGIC.length && bytes.compare(MAGIC, 0, MAGIC.length, 0, MAGIC.length) === 0
}

/** Reads what begins a file; undefined if it is not whole, not ours, or of another version. */
export function readPreamble (bytes: Buffer): Preamble | undefined {
  if (bytes.length < PREAMBLE || !isOurs(bytes) || bytes.readUInt16LE(8) !== VERSION) return undefined
  if (crc32(bytes.subarray(0, 56)) !== bytes.readUInt32LE(56)) return undefined
  const slotSize = bytes.readUInt32LE(12)
  const bodyOffset = bytes.readUInt32LE(16)
  const keyLength = bytes.readUInt32LE(20)
  if (bodyOffset !== PREAMBLE + keyLength + 2 * slotSize || bodyOffset > MAX_BODY_OFFSET) return undefined
  const bodyLength = Number(bytes.readBigUInt64LE(24))
  if (!Number.isSafeInteger(bodyLength)) return undefined
  return { slotSize, bodyOffset, keyLength, bodyLength, bodyCrc: bytes.readUInt32LE(32), id: bytes.toString('latin1', 36, 52) }
}

/** The key, from the bytes before the body; undefined if it is damaged. */
export function readKey (start: Buffer, { keyLength }: Preamble): Buffer | undefined {
  const key = start.subarray(PREAMBLE, PREAMBLE + keyLength)
  return crc32(key) === start.readUInt32LE(52) ? key : undefined
}

/** The head that holds, with its number and the offset of the other slot; undefined if both are damaged. */
export function readHead (start: Buffer, preamble: Preamble): { head: Head, sequence: number, otherSlot: number } | undefined {
  const first = PREAMBLE + preamble.keyLength
  const second = first + preamble.slotSize
  const [a, b] = [first, second].map(at => readSlot(start.subarray(at, at + preamble.slotSize)))
  const [slot, otherSlot] = a !== undefined && (b === undefined || a.sequence > b.sequence) ? [a, second] : [b, first]
  const head = slot === undefined ? undefined : parseHead(slot.json)
  return slot === undefined || head === undefined ? undefined : { head, sequence: slot.sequence, otherSlot }
}

function readSlot (slot: Buffer): { sequence: number, json: string } | undefined {
  if (slot.length < SLOT_HEAD) return undefined
  const sequence = slot.readUInt32LE(0)
  const end = SLOT_HEAD + slot.readUInt32LE(4)
  if (sequence === 0 || end > slot.length) return undefined
  if (slotCrc(slot.subarray(0, 8), slot.subarray(SLOT_HEAD, end)) !== slot.readUInt32LE(8)) return undefined
  return { sequence, json: slot.toString('utf8', SLOT_HEAD, end) }
}

function parseHead (json: string): Head | undefined {
  try {
    const head: unknown = JSON.parse(json)
    return isHead(head) ? head : undefined
  } catch {
    return undefined
  }
}

// The checksum says that we wrote it; this, that it is not from a version that has forgotten to change its number.
function isHead (head: unknown): head is Head {
  return typeof head === 'object' && head !== null && 'method' in head && typeof head.method === 'string' && 'value' in head && isValue(head.value)
}
