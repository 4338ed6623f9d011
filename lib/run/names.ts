import { FST_SCGI_OPT_UNKNOWN } from '../errors.ts'

/**
 * Refuses what is no option there.
 * @param option the place of the object; empty for the configuration itself
 * @throws FST_SCGI_OPT_UNKNOWN
 */
export function knownNames (option: string, value: object, names: Readonly<Record<string, true>>): void {
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(names, name)) continue
    const lower = name.toLowerCase()
    const meant = Object.keys(names).find(known => known.toLowerCase() === lower) ??
      Object.keys(names).find(known => known.toLowerCase().startsWith(lower) || lower.startsWith(known.toLowerCase()))
    throw new FST_SCGI_OPT_UNKNOWN(option === '' ? name : `${option}.${name}`, meant === undefined ? `; there are ${Object.keys(names).join(', ')}` : ` (is '${meant}' meant?)`)
  }
}
