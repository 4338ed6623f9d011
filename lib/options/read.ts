import { checkKeys, pathOf } from './keys.ts'
import type { Rows, Values } from './row.ts'

/**
 * Reads an object of options by its table: unknown names are refused, and what is not given has its default.
 * @param at path of the object, `''` for the outermost
 * @param what who has these options, for errors
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readRows<Options extends Rows> (rows: Options, given: object, at: string, what?: string): Values<Options> {
  checkKeys(at, given, Object.keys(rows), what)
  return readKnown(rows, given, at)
}

/** As `readRows`, of an object that may have other options, too. */
export function readKnown<Options extends Rows> (rows: Options, given: object, at: string): Values<Options> {
  const options: Readonly<Record<string, unknown>> = { ...given }
  const values: Record<string, unknown> = {}
  for (const [name, row] of Object.entries(rows)) values[name] = row.read(pathOf(at, name), options[name])
  assertRead(rows, values)
  return values
}

/** Each value is there, as its own row has made it. */
function assertRead<Options extends Rows> (rows: Options, values: object): asserts values is Values<Options> {
  for (const name of Object.keys(rows)) if (!Object.hasOwn(values, name)) throw new TypeError(`no value was read for ${name}`)
}
