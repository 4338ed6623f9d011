import { FST_SCGI_OPT_UNKNOWN } from '../errors.ts'
import { nearest } from '../options/keys.ts'

/**
 * Refuses what is no option there.
 * @param option the place of the object; empty for the configuration itself
 * @throws FST_SCGI_OPT_UNKNOWN
 */
export function knownNames (option: string, value: object, names: Readonly<Record<string, true>>): void {
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(names, name)) continue
    const at = option === '' ? '' : `${option}.`
    const meant = nearest(name, Object.keys(names))
    throw new FST_SCGI_OPT_UNKNOWN(at + name, meant === undefined ? `; there are ${Object.keys(names).join(', ')}` : ` (is '${at}${meant}' meant?)`)
  }
}
