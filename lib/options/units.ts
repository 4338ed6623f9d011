import { FST_SCGI_OPT_INVALID } from '../errors.ts'

const TIME = /^(?:\d+(?:\.\d+)?(?:ms|[smhdwMy]) *)+$/
const TIME_PARTS = /([\d.]+)([a-zA-Z]+)/g
/** Seconds in nginx, milliseconds elsewhere: it is asked which. */
const BARE = /^\s*(\d+(?:\.\d+)?)\s*$/
const SIZE = /^(\d+)([kmg])?$/i
const TIME_UNITS: Readonly<Record<string, number>> = {
  ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, M: 2_592_000_000, y: 31_536_000_000,
}
const SIZE_UNITS: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/** The longest delay of a Node.js timer; a longer one would fire at once. */
export const MAX_TIME = 2 ** 31 - 1

/** The system counts the idle time before probes of a connection (TCP keepalive) in seconds, of which Linux takes so many. */
const SECOND = 1000
export const MAX_PROBE_DELAY = 32_767 * SECOND

/** Milliseconds in whole seconds: Node.js would round down, and none is the delay of the system, of hours. */
export function probeDelay (milliseconds: number): number {
  return Math.ceil(milliseconds / SECOND) * SECOND
}

/** A hundred years: beyond that a lifetime is a mistake. */
const MAX_LIFETIME = 100 * 31_536_000_000

/** Milliseconds of a number or a text; NaN for what is neither. As in nginx, a larger unit stands before a smaller one. */
function milliseconds (value: unknown): number {
  if (typeof value === 'number') return value
  const text = typeof value === 'string' ? value.trim() : ''
  if (!TIME.test(text)) return NaN
  let total = 0
  let last = Infinity
  for (const [, number, name = ''] of text.matchAll(TIME_PARTS)) {
    const unit = TIME_UNITS[name] ?? NaN
    if (!(unit < last)) return NaN
    total += Number(number) * unit
    last = unit
  }
  // 0 would be another thing: no limit.
  return total > 0 ? Math.max(1, Math.round(total)) : 0
}

function wrongTime (option: string, value: unknown, expected: string): Error {
  const [, digits] = (typeof value === 'string' ? BARE.exec(value) : null) ?? []
  if (digits === undefined) return new FST_SCGI_OPT_INVALID(option, show(value), expected)
  const ms = Number(digits)
  return new FST_SCGI_OPT_INVALID(option, show(value), `${expected}; for seconds write ${ms * 1000} or '${digits}s', for milliseconds ${ms} or '${digits}ms'`)
}

/**
 * Milliseconds of a time option: a number of milliseconds, or `'500ms'`, `'60s'`, `'10m'`, `'1h30m'`.
 * @throws FST_SCGI_OPT_INVALID
 */
export function parseTime (option: string, value: unknown): number {
  const ms = milliseconds(value)
  if (!(ms >= 0 && ms <= MAX_TIME)) {
    throw wrongTime(option, value, `milliseconds, or a time such as '500ms', '60s', '10m', '1h', of at most ${MAX_TIME} ms`)
  }
  return ms
}

/**
 * Milliseconds of a lifetime, which may be longer than a timer can be: as a time, or `'1d 12h'`, `'6M'` (months of 30 days), `'1y'`.
 * @throws FST_SCGI_OPT_INVALID
 */
export function parseLifetime (option: string, value: unknown): number {
  const ms = milliseconds(value)
  if (!(ms >= 0 && ms <= MAX_LIFETIME)) {
    throw wrongTime(option, value, "milliseconds, or a time such as '60s', '10m', '1h', '30d', '1y'")
  }
  return ms
}

/**
 * Bytes of a size option: a number of bytes, or `'8k'`, `'1m'`, `'1g'`.
 * @throws FST_SCGI_OPT_INVALID
 */
export function parseSize (option: string, value: unknown): number {
  let bytes = NaN
  if (typeof value === 'number') bytes = value
  else if (typeof value === 'string') {
    const match = SIZE.exec(value.trim())
    if (match?.[1] !== undefined) bytes = Number(match[1]) * (match[2] === undefined ? 1 : SIZE_UNITS[match[2].toLowerCase()] ?? NaN)
  }
  if (!(Number.isSafeInteger(bytes) && bytes >= 0)) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), "bytes, or a size such as '8k', '1m', '1g'")
  }
  return bytes
}

/** A value for an error message: short, and never a function's source. */
export function show (value: unknown): string {
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`
  let text: string | undefined
  try {
    // JSON knows no NaN and no Infinity.
    if (typeof value !== 'number') text = JSON.stringify(value)
  } catch {
    // Circular, or a BigInt: String() says enough.
  }
  text ??= String(value)
  return text.length > 100 ? `${text.slice(0, 97)}...` : text
}
