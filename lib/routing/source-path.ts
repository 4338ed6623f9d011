import { toBytes } from '../bytes/text.ts'
import { escapePath } from './canonical-path.ts'
import { pathOf } from '../http/path.ts'

/** What a URL reads otherwise than paths are read here: escapes, backslashes, dot segments, repeated slashes, bytes that are no ASCII. */
const READ_OTHERWISE = /[^\x21-\x7e]|[%\\]|\/[./]/
const NOT_TARGET = /[^\x21-\x7e]/g

/**
 * The path that a handler passes on, spelt as it came, with escapes for what no request target holds; `undefined` if it may go through a
 * URL. A URL takes a backslash for a slash, and `//..` back to where it was: it would lead past the routes that the path was compared with.
 */
export function pathToRead (source: string): string | undefined {
  const path = pathOf(source)
  return path === undefined || !READ_OTHERWISE.test(path) ? undefined : toBytes(path).replace(NOT_TARGET, escapePath)
}
