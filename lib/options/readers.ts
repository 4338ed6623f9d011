import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { flag as readFlag, isRecord, orSwitch } from './checks.ts'
import { readRows } from './read.ts'
import { parseLifetime, parseSize, parseTime, show } from './units.ts'
import type { Kind, Reader, Rows, Values } from './row.ts'

// The readers of the tables. Each gives what the gateway works with: milliseconds, bytes, lower-case names.

function refuse (option: string, value: unknown, expected: string): never {
  throw new FST_SCGI_OPT_INVALID(option, show(value), expected)
}

/**
 * @param least in milliseconds
 * @param most likewise
 */
export function time (least = 0, expected = `a time of at least ${least} ms`, most = Infinity): Reader<number> {
  return {
    kinds: ['time'],
    read (option, value) {
      const milliseconds = parseTime(option, value)
      if (milliseconds > most) refuse(option, value, `a time of at most ${most} ms`)
      return milliseconds < least ? refuse(option, value, expected) : milliseconds
    },
  }
}

export const lifetime: Reader<number> = { kinds: ['lifetime'], read: parseLifetime }

/** @param least in bytes */
export function size (least = 0, expected = `at least ${least} bytes`): Reader<number> {
  return {
    kinds: ['size'],
    read (option, value) {
      const bytes = parseSize(option, value)
      return bytes < least ? refuse(option, value, expected) : bytes
    },
  }
}

/** A number of things, which has no unit: `'8k'` is none. */
export function count (least = 0, expected = `an integer of ${least} or more`, most = Number.MAX_SAFE_INTEGER): Reader<number> {
  return {
    kinds: ['count'],
    read: (option, value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most
      ? value
      : refuse(option, value, expected),
  }
}

/** More than 0, at most 1. */
export function share (expected = 'a share of more than 0 and at most 1'): Reader<number> {
  return {
    kinds: ['number'],
    read: (option, value) => typeof value === 'number' && value > 0 && value <= 1 ? value : refuse(option, value, expected),
  }
}

export const flag: Reader<boolean> = { kinds: ['flag'], read: (option, value) => readFlag(option, value, false) }

/** One of some values, false among them. */
export function word<const Words extends readonly (string | number | boolean)[]> (
  words: Words, expected = listed(words)
): Reader<Words[number]> {
  return {
    kinds: words.every(one => typeof one === 'boolean') ? ['flag'] : ['word'],
    words,
    read: (option, value) => words.find(one => one === value) ??
      refuse(option, value, words.includes(false) ? orSwitch(value, expected) : expected),
  }
}

function listed (words: readonly (string | number | boolean)[]): string {
  const texts = words.map(one => typeof one === 'string' ? `'${one}'` : String(one))
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1) ?? ''}`
}

/** Text of some form. */
export function text (pattern: RegExp, expected: string): Reader<string> {
  return { kinds: ['text'], read: (option, value) => typeof value === 'string' && pattern.test(value) ? value : refuse(option, value, expected) }
}

/** A list of texts, none of them empty. */
export function names (expected = 'a list of header names', least = 0): Reader<string[]> {
  return {
    kinds: ['names'],
    read: (option, value) => Array.isArray(value) && value.length >= least && value.every(isName) ? value : refuse(option, value, expected),
  }
}

function isName (value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** Options of their own. */
export function object<Options extends Rows> (rows: Options, expected: string, what = 'it'): Reader<Values<Options>> {
  return {
    kinds: ['object'],
    rows,
    read: (option, value) => isRecord(value) ? readRows(rows, value, option, what) : refuse(option, value, orSwitch(value, expected)),
  }
}

/** A switch, or what the other reader takes. */
export function flagOr<Value> (reader: Reader<Value>, expected: string): Reader<boolean | Value> {
  return {
    ...reader,
    kinds: ['flag', ...reader.kinds],
    read (option, value) {
      if (typeof value === 'boolean') return value
      return isRecord(value) || Array.isArray(value) ? reader.read(option, value) : refuse(option, value, orSwitch(value, expected))
    },
  }
}

/** False, or what the other reader takes. */
export function orFalse<Value> (reader: Reader<Value>): Reader<false | Value> {
  return { ...reader, kinds: [...reader.kinds, 'flag'], read: (option, value) => value === false ? false : reader.read(option, value) }
}

/** What the room that it belongs to reads itself; here it is only known what it looks like. */
export function ofRoom (kinds: readonly Kind[], rows?: Rows): Reader<unknown> {
  return { kinds, ...(rows !== undefined && { rows }), read: (_option, value) => value }
}
