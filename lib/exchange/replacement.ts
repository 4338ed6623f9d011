import { STATUS_CODES } from 'node:http'
import { FST_SCGI_INTERCEPTED } from '../errors.ts'
import { isAccel, obeyedWish, STEERING } from '../http/accel-headers.ts'
import { parseRedirect, targetRefused } from '../http/accel-values.ts'
import { carriedHeaders } from '../http/carried.ts'
import { OF_A_BODY } from '../http/described.ts'
import { redirectStateOf, type CarriedHeaders } from '../http/redirect-state.ts'
import { toError } from '../runtime/caught.ts'
import { withCookie } from '../reply/header-lists.ts'
import { setOwn } from '../runtime/own-property.ts'
import type { Redirect } from '../reply/plan.ts'
import type { FallbackPage, FileRequest } from '../reply/plan.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { ResponseSettings } from './response-options.ts'
import type { FastifyRequest } from 'fastify'

/** What answers the client instead of the application's body. */
export type Replacement = {
  /** The application's reply was an error that is replaced. */
  readonly intercepted: boolean
} & (
  | { readonly kind: 'redirect', readonly redirect: Redirect }
  | { readonly kind: 'file', readonly file: FileRequest }
  | { readonly kind: 'external', readonly url: string, readonly status: number, readonly headers: CarriedHeaders }
  | { readonly kind: 'error', readonly error: Error & { statusCode?: number }, readonly headers: CarriedHeaders }
)

/** A redirecting Location takes everything along but what describes the body that is thrown away. */
const LEFT_BEHIND = new Set([
  ...OF_A_BODY, 'status', 'content-type', 'content-language', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer',
  'upgrade', 'date', 'scgi-keepalive',
])
const NONE: CarriedHeaders = {}

/**
 * Decides whether something else than the application's body answers, in nginx's order: an error page, a file, an internal redirect.
 * @param address of the server that answered
 * @param passed gives the headers that the client may get
 */
export function replacementFor (
  head: ResponseHead, settings: ResponseSettings, request: FastifyRequest, address: string, passed: () => ResponseHead['headers']
): Replacement | undefined {
  const { headers } = head
  if (head.statusCode >= 300 && settings.interceptErrors !== false) {
    const replacement = intercept(head, settings, request, address)
    if (replacement !== undefined) return replacement
  }
  const { sendfile } = settings
  if (sendfile !== undefined) {
    const name = headers[sendfile.header]
    if (name !== undefined) return { intercepted: false, kind: 'file', file: { roots: sendfile.roots, value: typeof name === 'string' ? name : name[0] ?? '' } }
  }
  const accel = obeyedWish(STEERING.redirect, headers[STEERING.redirect.name], settings.obeyed)
  if (accel !== undefined) return toTarget(accel, carriedHeaders(name => headers[name]), true)
  return settings.internalRedirect === undefined ? undefined : localRedirect(head, settings.internalRedirect, passed)
}

/** What answers instead of a status of the application's; `undefined` leaves it to the client. */
function intercept (
  { statusCode, headers }: ResponseHead, { interceptErrors, errorPages }: ResponseSettings, request: FastifyRequest, address: string
): Replacement | undefined {
  const challenge = headers['www-authenticate']
  const kept: CarriedHeaders = statusCode === 401 && challenge !== undefined ? { 'www-authenticate': challenge } : NONE
  let toHandler = interceptErrors === 'handler'
  if (errorPages?.has(statusCode) === true) {
    if (redirectStateOf(request.raw)?.lastPage === true) {
      // Replaced all the same, but not by a page again.
      toHandler = true
    } else {
      try {
        const page = errorPages.find(statusCode, request)
        if (page !== undefined) return toPage(page, kept)
      } catch (error) {
        return { intercepted: true, kind: 'error', error: toError(error), headers: kept }
      }
    }
  }
  return toHandler && statusCode >= 400 ? { intercepted: true, kind: 'error', error: toIntercepted(address, statusCode), headers: kept } : undefined
}

/** The message of a 4xx is shown to the client: which server it was is in the cause, which only the log shows. */
function toIntercepted (address: string, statusCode: number): Error & { statusCode?: number } {
  const error = Object.assign(new FST_SCGI_INTERCEPTED(address, statusCode), { statusCode })
  if (statusCode >= 500) return error
  return Object.assign(error, { message: STATUS_CODES[statusCode] ?? 'Error', cause: new Error(error.message) })
}

/** The page of an error, with what the client must be told all the same. */
export function toPage (page: FallbackPage, headers: CarriedHeaders): Replacement {
  if (page.kind === 'external') return { intercepted: true, kind: 'external', url: page.to, status: page.status ?? 302, headers }
  return { intercepted: true, kind: 'redirect', redirect: { target: page.to, opensInternal: true, headers, status: page.status, errorPage: true, lastPage: page.last } }
}

/** The same with a cookie for the client. What becomes a file the sender of replies sends, with the cookie. */
export function replacementWithCookie (replacement: Replacement, line: string): Replacement {
  if (replacement.kind === 'file') return replacement
  if (replacement.kind === 'redirect') return { ...replacement, redirect: { ...replacement.redirect, headers: carrying(replacement.redirect.headers, line) } }
  return { ...replacement, headers: carrying(replacement.headers, line) }
}

function carrying (headers: CarriedHeaders, line: string): CarriedHeaders {
  return { ...headers, 'set-cookie': withCookie(headers['set-cookie'], line) }
}

function toTarget (value: string, headers: CarriedHeaders, opensInternal: boolean): Replacement {
  const target = parseRedirect(value)
  if (target.kind === 'unsafe') return { intercepted: false, kind: 'error', error: targetRefused(value, target.reason), headers: NONE }
  return { intercepted: false, kind: 'redirect', redirect: { target: target.kind === 'location' ? target.name : target.url, opensInternal, isWhole: !opensInternal, headers } }
}

/** RFC 3875 section 6.2.2: the path of a resource of this server, which is answered as if the client had asked for it. */
function localRedirect (head: ResponseHead, header: string, passed: () => ResponseHead['headers']): Replacement | undefined {
  const value = head.headers[header]
  if (typeof value !== 'string' || value.charCodeAt(0) !== 47) return undefined
  // Without a status a Location stands for 302; what the application itself calls a redirect is the client's to follow.
  if (head.statusCode !== 200 && !(head.statusCode === 302 && !head.nph && head.headers['status'] === undefined)) return undefined
  const headers: Record<string, string | string[]> = {}
  const kept = passed()
  for (const name in kept) {
    const line = kept[name]
    if (line !== undefined && name !== header && name !== 'location' && !LEFT_BEHIND.has(name) && !isAccel(name)) setOwn(headers, name, line)
  }
  return toTarget(value.replace(/^\/+/, '/'), headers, false)
}
