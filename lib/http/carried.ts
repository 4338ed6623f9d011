import type { CarriedHeaders } from './redirect-state.ts'

/** X-Accel-Redirect takes these along, and nothing else of the reply. */
const CARRIED = ['content-type', 'set-cookie', 'content-disposition', 'cache-control', 'expires', 'accept-ranges']

/** The headers of a reply that the reply of its target gets. */
export function carriedHeaders (valueOf: (name: string) => number | string | string[] | undefined): CarriedHeaders {
  const headers: Record<string, string | string[]> = {}
  for (const name of CARRIED) {
    const value = valueOf(name)
    if (value !== undefined) headers[name] = Array.isArray(value) ? value : String(value)
  }
  return headers
}
