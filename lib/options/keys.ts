import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'

/** Words for what has another name here. */
const RENAMED: Readonly<Record<string, string>> = { pass: 'upstreams', param: 'params', timeout: 'readTimeout', servers: 'upstreams' }

/** The path of an option in an object of options; `at` is that of the object, `''` for the outermost. */
export function pathOf (at: string, name: string): string {
  return at === '' ? name : `${at}.${name}`
}

/**
 * Refuses options that do not exist, at every depth.
 * @param at path of the object, `''` for the outermost
 * @param what who has these options, for the message. Without it the names are too many to be told
 * @throws FST_SCGI_OPT_UNKNOWN
 */
export function checkKeys (at: string, given: object, known: readonly string[], what?: string): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw unknownOption(at, name, known, what)
  }
}

/** Reads options that stand at a path in others: errors name the whole of it. */
export function under<Value> (at: string, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (at !== '' && isOfOptions(error)) error.message = placeIn(at, error.message)
    throw error
  }
}

/** The message of an error for an option that stands at a path in others: the option, and the one that was probably meant. */
export function placeIn (at: string, message: string): string {
  return message.replace(/\boption '/, `$&${at}.`).replace(/\(is '(?=[^']*' meant\?\)$)/, `$&${at}.`)
}

function isOfOptions (error: unknown): error is Error {
  return [FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED].some(kind => error instanceof kind)
}

/** The error for an option that does not exist, with the one that was probably meant. */
export function unknownOption (at: string, name: string, known: readonly string[], what?: string): Error {
  const match = nearest(name, known)
  const meant = match === undefined ? '' : ` (is '${pathOf(at, match)}' meant?)`
  const others = what === undefined ? ' in this version' : `: ${what} has ${known.join(', ')}`
  return new FST_SCGI_OPT_UNKNOWN(pathOf(at, name), meant === '' ? others : meant)
}

/** The option, of those that there are, that was probably meant. */
export function nearest (name: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replace(/^scgi_/, '').replaceAll(/[_-]/g, '')
  const wanted = plain(name)
  const renamed = Object.hasOwn(RENAMED, wanted) ? plain(RENAMED[wanted] ?? '') : undefined
  return known.find(option => plain(option) === wanted) ?? known.find(option => plain(option) === renamed) ??
    closest(wanted, known, plain) ??
    known.find(option => plain(option).startsWith(wanted) || wanted.startsWith(plain(option)))
}

function closest (wanted: string, known: readonly string[], plain: (text: string) => string): string | undefined {
  let least = wanted.length > 3 ? 2 : 1
  let found: string | undefined
  for (const option of known) {
    const letters = distance(plain(option), wanted)
    if (letters > least || (letters === least && found !== undefined)) continue
    least = letters
    found = option
  }
  return found
}

/** Letters to add, to drop or to change to make one word of the other. */
function distance (a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
