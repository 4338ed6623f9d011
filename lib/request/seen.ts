import type { HeaderEncoder } from '../http/request-headers.ts'
import type { RequestView } from './param-sets.ts'

/**
 * What an application sees of the headers of a request, by lower-case name with dashes; a name with an underscore is there for servers
 * that speak HTTP, to which it is one of its own.
 */
export type SeenHeaders = Readonly<Record<string, string>>

/** What servers that speak HTTP see otherwise. */
export interface HttpSight {
  readonly headers: HeaderEncoder
  /** Host, where `params` does not give another: the client's own, while SCGI's is the effective one. */
  readonly host: string | undefined
}

/**
 * Reads the header parameters that are sent back into headers.
 * @param pairs `NUL name NUL value ...`, of HTTP_* and CONTENT_TYPE
 * @param http where the server may be one that speaks HTTP: requests that look different to either are different
 * @throws as `HeaderEncoder.lines`
 */
export function readSeen (pairs: string, view: RequestView, http?: HttpSight): SeenHeaders {
  const seen: Record<string, string> = {}
  const parts = pairs.split('\0')
  for (let i = 1; i < parts.length; i += 2) {
    const name = parts[i] ?? ''
    seen[(name.startsWith('HTTP_') ? name.slice(5) : name).toLowerCase().replaceAll('_', '-')] = parts[i + 1] ?? ''
  }
  if (http === undefined) return seen
  const { headers, host } = http
  if (host !== undefined && host.toLowerCase() !== seen['host']) seen['host'] = both(seen['host'], host)
  if (headers.passesUnderscores && hasUnderscore(view.headers)) addUnderscored(seen, headers.lines(view.headers, view.rawHeaders, ''))
  return seen
}

/** No header holds a carriage return. */
function both (scgi: string | undefined, http: string | undefined): string {
  return `${scgi ?? ''}\r${http === undefined ? '' : `=${http}`}`
}

function hasUnderscore (headers: RequestView['headers']): boolean {
  for (const name in headers) if (name.includes('_')) return true
  return false
}

function addUnderscored (seen: Record<string, string>, lines: readonly string[]): void {
  const sent = new Map<string, string>()
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    const before = sent.get(name)
    const value = lines[i + 1] ?? ''
    sent.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  for (const [name, value] of sent) {
    if (!name.includes('_')) continue
    seen[name] = value
    const dashed = name.replaceAll('_', '-')
    if (sent.get(dashed) !== seen[dashed]) seen[dashed] = both(seen[dashed], sent.get(dashed))
  }
}
