import { matchesTag } from './entity-tags.ts'
import { parseHttpDate } from './date.ts'

/** What of a request the filters look at; Fastify's request is one. */
export interface FilteredRequest {
  readonly method: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** The reply that the conditions are about. */
export interface ConditionalEntity {
  readonly status: number
  /** Value of ETag, as it is sent. */
  readonly etag?: string | undefined
  /** Value of Last-Modified, as it is sent. */
  readonly lastModified?: string | undefined
}

/**
 * When If-Modified-Since holds a reply for unchanged: its Last-Modified is `'exact'`ly that time, or that time or one `'before'` it.
 * (nginx: if_modified_since)
 */
export type IfModifiedSince = 'exact' | 'before'

/** Headers that a 304 does not have; all others of the reply stay. */
export const NOT_MODIFIED_REMOVES: readonly string[] = ['content-type', 'content-length', 'accept-ranges', 'content-encoding']

/** One text of a header that may have come as several lines. */
export function headerOf (request: FilteredRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** Whether there is one of the conditions in it that `evaluateConditions` evaluates. */
export function isConditional ({ headers }: Pick<FilteredRequest, 'headers'>): boolean {
  return headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined ||
    headers['if-match'] !== undefined || headers['if-unmodified-since'] !== undefined
}

/**
 * Evaluates If-Unmodified-Since, If-Match, If-Modified-Since and If-None-Match in nginx's order: 412 (Precondition Failed),
 * 304 (Not Modified, see `NOT_MODIFIED_REMOVES`) or `'proceed'`. Only for a reply of 200 to GET or HEAD: of any other method the
 * application has done what was asked already. If-Modified-Since and If-None-Match must both say that nothing has changed where both are given.
 *
 * If-Match compares strongly (a weak tag matches nothing), If-None-Match weakly; both take a list or `*`.
 */
export function evaluateConditions (request: FilteredRequest, entity: ConditionalEntity, mode: IfModifiedSince = 'exact'): 'proceed' | 304 | 412 {
  if (entity.status !== 200 || (request.method !== 'GET' && request.method !== 'HEAD')) return 'proceed'

  const unmodifiedSince = headerOf(request, 'if-unmodified-since')
  if (unmodifiedSince !== undefined && !isUnmodified(unmodifiedSince, entity)) return 412
  const match = headerOf(request, 'if-match')
  if (match !== undefined && !matchesTag(match, entity.etag, false)) return 412

  const modifiedSince = headerOf(request, 'if-modified-since')
  const noneMatch = headerOf(request, 'if-none-match')
  if (modifiedSince === undefined && noneMatch === undefined) return 'proceed'
  if (modifiedSince !== undefined && isModified(modifiedSince, entity, mode)) return 'proceed'
  if (noneMatch !== undefined && !matchesTag(noneMatch, entity.etag, true)) return 'proceed'
  return 304
}

/**
 * The same by RFC 9110 section 13.2.2: an entity tag goes before a date, If-Modified-Since holds a reply for unchanged that has not
 * changed after it, and a reply without Last-Modified is as old as its Date (RFC 9111 section 4.3.2).
 * @param date value of Date
 */
export function evaluateByRfc (request: FilteredRequest, entity: ConditionalEntity, date: string | undefined): 'proceed' | 304 | 412 {
  if (entity.status !== 200 || (request.method !== 'GET' && request.method !== 'HEAD')) return 'proceed'
  const match = headerOf(request, 'if-match')
  const unmodifiedSince = headerOf(request, 'if-unmodified-since')
  if (match !== undefined) {
    if (!matchesTag(match, entity.etag, false)) return 412
  } else if (unmodifiedSince !== undefined && timeOf(entity) !== undefined && parseHttpDate(unmodifiedSince) !== undefined &&
    !isUnmodified(unmodifiedSince, entity)) {
    // Without both dates there is nothing to compare, and the condition is ignored (section 13.1.4).
    return 412
  }
  const noneMatch = headerOf(request, 'if-none-match')
  if (noneMatch !== undefined) return matchesTag(noneMatch, entity.etag, true) ? 304 : 'proceed'
  const modifiedSince = headerOf(request, 'if-modified-since')
  if (modifiedSince === undefined) return 'proceed'
  const lastModified = entity.lastModified ?? date
  return isModified(modifiedSince, { status: 200, lastModified }, 'before') ? 'proceed' : 304
}

function isUnmodified (since: string, entity: ConditionalEntity): boolean {
  const modified = timeOf(entity)
  const limit = parseHttpDate(since)
  return modified !== undefined && limit !== undefined && limit >= modified
}

function isModified (since: string, entity: ConditionalEntity, mode: IfModifiedSince): boolean {
  const modified = timeOf(entity)
  const known = parseHttpDate(since)
  if (modified === undefined || known === undefined) return true
  return mode === 'exact' ? known !== modified : known < modified
}

function timeOf (entity: ConditionalEntity): number | undefined {
  return entity.lastModified === undefined ? undefined : parseHttpDate(entity.lastModified)
}
