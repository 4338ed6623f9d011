import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { show } from '../units.ts'
import type { FallbackPage } from '../filters/plan.ts'
import type { ErrorPages } from '../../types/options.ts'

const REDIRECTS = [301, 302, 303, 307, 308]
const EXTERNAL = /^[a-z][a-z0-9+.-]*:\/\//i

/**
 * Reads the option `errorPages`: by status, what answers.
 * @throws FST_SCGI_OPT_INVALID
 */
export function compileErrorPages (given: ErrorPages | undefined): ReadonlyMap<number, FallbackPage> {
  const pages = new Map<number, FallbackPage>()
  if (given === undefined) return pages
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new FST_SCGI_OPT_INVALID('errorPages', show(given), "an object of statuses and pages, for instance { '500 502': '/sorry' }")
  }
  for (const [codes, value] of Object.entries(given)) {
    const option = `errorPages['${codes}']`
    for (const text of codes.trim().split(/\s+/)) {
      const code = Number(text)
      if (!/^\d{3}$/.test(text) || code < 300 || code > 599 || code === 499) {
        throw new FST_SCGI_OPT_INVALID(option, `for the status '${text}'`, 'statuses from 300 to 599 without 499, separated by blanks')
      }
      if (pages.has(code)) throw new FST_SCGI_OPT_INVALID(option, `a second page for ${code}`, 'one page for a status')
      pages.set(code, readPage(option, code, value))
    }
  }
  return pages
}

function readPage (option: string, code: number, value: unknown): FallbackPage {
  const { to, status, ...rest } = typeof value === 'string' ? { to: value } : Object(value)
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw new FST_SCGI_OPT_INVALID(`${option}.${unknown}`, show(rest[unknown]), "nothing: a page has 'to' and 'status'")
  if (typeof to !== 'string' || !(to.startsWith('/') || /^@\S+$/.test(to) || EXTERNAL.test(to)) || !isVisible(to)) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), "a path ('/sorry'), a location ('@fallback'), a URL, or { to, status }")
  }
  if (EXTERNAL.test(to)) {
    if (status !== undefined && !REDIRECTS.includes(status)) {
      throw new FST_SCGI_OPT_INVALID(`${option}.status`, show(status), `${REDIRECTS.join(', ')}, for a URL`)
    }
    return { to, kind: 'external', status: status ?? 302 }
  }
  if (status !== undefined && status !== 'target' && !(Number.isInteger(status) && status >= 200 && status <= 599)) {
    throw new FST_SCGI_OPT_INVALID(`${option}.status`, show(status), "a status from 200 to 599, or 'target'")
  }
  return { to, kind: 'internal', status: status === 'target' ? undefined : status ?? code }
}

/** It goes into the request line, or into a Location header. */
function isVisible (text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}
