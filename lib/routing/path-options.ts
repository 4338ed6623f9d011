import { readKnown } from '../options/read.ts'
import { PARAMETERS } from '../options/table/request.ts'
import type { EncodedSlashes, PathRules } from './canonical-path.ts'

const { encodedSlashes, mergeSlashes } = PARAMETERS
const ROWS = { encodedSlashes, mergeSlashes }

/**
 * Reads the options `encodedSlashes` and `mergeSlashes`.
 * @throws FST_SCGI_OPT_INVALID
 */
export function parsePathRules (options: { encodedSlashes?: EncodedSlashes, mergeSlashes?: boolean }): PathRules {
  return readKnown(ROWS, options, '')
}
