import { FST_SCGI_ERROR_PAGE, FST_SCGI_OPT_INVALID } from '../errors.ts'
import { isFunction, isRecord } from '../options/checks.ts'
import { atOnce } from '../options/functions.ts'
import { toError } from '../runtime/caught.ts'
import { parseRedirect, targetRefused } from '../http/accel-values.ts'
import { show } from '../options/units.ts'
import type { FallbackPage, FallbackPages } from '../reply/plan.ts'
import type { FastifyRequest } from 'fastify'

const REDIRECTS: readonly unknown[] = [301, 302, 303, 307, 308]
const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\//i
/** A scheme without a host, `javascript:` say. */
const SCHEME = /^[^/?#]*:/
const INVISIBLE = /[^\x21-\x7e]/g
const WIDE = /[\u0100-\uffff]/

type Status = number | 'target' | undefined
type Page = FallbackPage | ((request: FastifyRequest) => FallbackPage | undefined)

class CompiledPages implements FallbackPages {
  readonly #pages: ReadonlyMap<number, Page>

  constructor (pages: ReadonlyMap<number, Page>) {
    this.#pages = pages
  }

  has (status: number): boolean {
    return this.#pages.has(status)
  }

  find (status: number, request: FastifyRequest): FallbackPage | undefined {
    const page = this.#pages.get(status)
    return typeof page === 'function' ? page(request) : page
  }
}

/**
 * Reads the options `errorPages` and `recursiveErrorPages`: by status, what answers.
 * @throws FST_SCGI_OPT_INVALID
 */
export function compileErrorPages (given: unknown, recursive: boolean): FallbackPages | undefined {
  if (given === undefined) return undefined
  if (!isRecord(given)) {
    throw new FST_SCGI_OPT_INVALID('errorPages', show(given), "an object of statuses and pages, for instance { '500 502': '/sorry' }")
  }
  const pages = new Map<number, Page>()
  for (const [codes, value] of Object.entries(given)) {
    const option = `errorPages['${codes}']`
    for (const text of codes.trim().split(/\s+/)) {
      const code = Number(text)
      if (!/^\d{3}$/.test(text) || code < 300 || code > 599 || code === 499) {
        throw new FST_SCGI_OPT_INVALID(option, `for the status '${text}'`, 'statuses from 300 to 599 without 499, separated by blanks')
      }
      if (pages.has(code)) throw new FST_SCGI_OPT_INVALID(option, `a second page for ${code}`, 'one page for a status')
      pages.set(code, readPage(option, code, value, !recursive))
    }
  }
  return pages.size === 0 ? undefined : new CompiledPages(pages)
}

function readPage (option: string, code: number, value: unknown, last: boolean): Page {
  const { to, status, ...rest } = isRecord(value) ? value : { to: value, status: undefined }
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw new FST_SCGI_OPT_INVALID(`${option}.${unknown}`, show(rest[unknown]), "nothing: a page has 'to' and 'status'")
  const answered = readStatus(`${option}.status`, status)
  if (isFunction(to)) return pageFunction(option, code, to, answered, last)
  if (typeof to !== 'string' || !isTarget(to) || !/^[\x21-\x7e]+$/.test(to)) {
    throw new FST_SCGI_OPT_INVALID(option, show(value),
      "a path ('/sorry'), a location ('@fallback'), a URL, a relative one ('sorry.html'), a function that gives one of them, or { to, status }")
  }
  if (!isInternal(to) && answered !== undefined && !REDIRECTS.includes(answered)) {
    throw new FST_SCGI_OPT_INVALID(`${option}.status`, show(status), `${REDIRECTS.join(', ')}, for a URL`)
  }
  return toPage(to, code, answered, last)
}

function readStatus (option: string, status: unknown): Status {
  if (status === undefined || status === 'target') return status
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) {
    throw new FST_SCGI_OPT_INVALID(option, show(status), "a status from 200 to 599, or 'target'")
  }
  return status
}

function toPage (to: string, code: number, status: Status, last: boolean): FallbackPage {
  if (isInternal(to)) return { to, kind: 'internal', status: status === 'target' ? undefined : status ?? code, last }
  // As with the directive: a status that is none of a redirect gives way to 302.
  return { to, kind: 'external', status: typeof status === 'number' && REDIRECTS.includes(status) ? status : 302, last }
}

function pageFunction (
  option: string, code: number, to: (...of: unknown[]) => unknown, status: Status, last: boolean
): (request: FastifyRequest) => FallbackPage | undefined {
  const ask = atOnce(option, to)
  return request => {
    let target
    try {
      target = ask(request)
    } catch (error) {
      throw failed(option, `it threw: ${toError(error).message}`, toError(error))
    }
    if (target === undefined || target === null || target === false || target === '') return undefined
    if (typeof target !== 'string') throw failed(option, `it gave ${show(target)}`)
    return toPage(readTarget(option, target), code, status, last)
  }
}

/**
 * What a function made of a request, as it goes into the request line or the Location header: the client may have written a part of it.
 * @throws FST_SCGI_ERROR_PAGE, FST_SCGI_REDIRECT_TARGET
 */
function readTarget (option: string, text: string): string {
  if (!isTarget(text)) throw failed(option, `it gave ${show(text)}`)
  if (isInternal(text)) {
    const target = parseRedirect(text)
    if (target.kind === 'unsafe') throw targetRefused(text, target.reason)
    return target.kind === 'location' ? target.name : target.url
  }
  const bytes = WIDE.test(text) ? Buffer.from(text).toString('latin1') : text
  return bytes.replace(INVISIBLE, byte => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}

function failed (option: string, what: string, cause?: Error): Error {
  const error = new FST_SCGI_ERROR_PAGE(option, what)
  if (cause !== undefined) error.cause = cause
  return error
}

/** A path or a named location of this application. */
function isInternal (text: string): boolean {
  return text.startsWith('/') || text.startsWith('@')
}

function isTarget (text: string): boolean {
  if (text.startsWith('@')) return /^@\S+$/.test(text)
  return text !== '' && (text.startsWith('/') || ABSOLUTE.test(text) || !SCHEME.test(text))
}
