import type { CacheStoreValue } from '../../types/cache-store.ts'

type Headers = CacheStoreValue['headers']

// Stores know the names of headers in lower case only. How the application spelt them stands beside them, as a header that never leaves
// the gateway: so any store keeps it.

const NAME = 'fastify-scgi-header-case'

/** Notes in the headers of an entry how their names are spelt; what was noted before stays for those that the reply does not name. */
export function keepCase (headers: Headers, rawHeaders: readonly string[]): void {
  const spellings = readCase(headers) ?? new Map<string, string>()
  const met = new Set<string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const spelt = rawHeaders[i] ?? ''
    const name = spelt.toLowerCase()
    // The first line decides, as where nothing is stored.
    if (met.has(name) || headers[name] === undefined) continue
    met.add(name)
    spellings.set(name, spelt)
  }
  const notes = [...spellings].filter(([name, spelt]) => name !== spelt).map(([, spelt]) => spelt)
  if (notes.length > 0) headers[NAME] = notes.join(' ')
  else delete headers[NAME]
}

/** Spellings by lower-case name; `undefined` if nothing is noted. */
export function readCase (headers: Headers): Map<string, string> | undefined {
  const notes = headers[NAME]
  return typeof notes === 'string' ? new Map(notes.split(' ').map(spelt => [spelt.toLowerCase(), spelt])) : undefined
}

/** The headers without the note. */
export function withoutCase (headers: Headers): Headers {
  if (headers[NAME] === undefined) return headers
  const { [NAME]: _note, ...rest } = headers
  return rest
}
