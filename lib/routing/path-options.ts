import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { flag } from '../options/checks.ts'
import { show } from '../options/units.ts'
import type { EncodedSlashes, PathRules } from './canonical-path.ts'

const WORDS = ['decode', 'keep', 'refuse']

/**
 * Reads the options `encodedSlashes` and `mergeSlashes`.
 * @throws FST_SCGI_OPT_INVALID
 */
export function parsePathRules ({ encodedSlashes = 'decode', mergeSlashes }: { encodedSlashes?: EncodedSlashes, mergeSlashes?: boolean }): PathRules {
  if (!WORDS.includes(encodedSlashes)) throw new FST_SCGI_OPT_INVALID('encodedSlashes', show(encodedSlashes), "'decode', 'keep' or 'refuse'")
  return { encodedSlashes, mergeSlashes: flag('mergeSlashes', mergeSlashes, true) }
}
