import { FST_SCGI_ADMIN_CHANGED, FST_SCGI_ADMIN_INPUT, FST_SCGI_ADMIN_MATCH } from '../../../errors.ts'
import { isRecord } from '../../../options/checks.ts'
import type { WorkerName } from '../../../workers/siblings.ts'
import type { AdminService } from '../service.ts'

/** A request to the API, less Fastify. */
export interface Call {
  readonly service: AdminService
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
  readonly ifMatch: string | undefined
  /** Who it is by. */
  readonly operator: string
  /** A token for edits of theirs. */
  token (): string
}

export interface Answer {
  readonly body: object
  readonly etag?: string
}

/** A query parameter, for the document. */
export interface Query {
  readonly type: 'string' | 'integer' | 'boolean'
  readonly description: string
}

/** One operation: what Fastify serves, and what the document says of it, from one place. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `api`, in Fastify's spelling. */
  readonly path: string
  readonly summary: string
  /** Name of the answer's schema. */
  readonly answer: string
  /** Its status. Default 200. */
  readonly status?: number
  /** Name of the body's schema. */
  readonly body?: string
  readonly query?: Readonly<Record<string, Query>>
  /** The answer has an ETag. */
  readonly etag?: boolean
  /** The request needs the ETag of what it changes. */
  readonly ifMatch?: boolean
  run (call: Call): Answer | Promise<Answer>
}

/** What an answer says of workers that have not answered in time; nothing in a process that has no others. */
export function missingIn (missing: readonly WorkerName[] | undefined): { missing?: readonly WorkerName[] } {
  return missing === undefined ? {} : { missing }
}

/** The body of a request, which is an object. @throws FST_SCGI_ADMIN_INPUT */
export function objectOf (call: Call): Record<string, unknown> {
  if (!isRecord(call.body)) throw new FST_SCGI_ADMIN_INPUT('its body is no JSON object')
  return call.body
}

/**
 * Somebody who edits has seen what is there.
 * @throws FST_SCGI_ADMIN_MATCH, FST_SCGI_ADMIN_CHANGED
 */
export function requireMatch ({ ifMatch }: Call, current: string): void {
  if (ifMatch === undefined) throw new FST_SCGI_ADMIN_MATCH()
  const tags = ifMatch.split(',').map(tag => tag.trim())
  if (!tags.includes('*') && !tags.includes(current)) throw new FST_SCGI_ADMIN_CHANGED(current)
}

/** @throws FST_SCGI_ADMIN_INPUT */
export function count ({ query }: Pick<Call, 'query'>, name: string, otherwise: number, most: number): number {
  const value = query[name]
  if (value === undefined) return otherwise
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : NaN
  if (!(number <= most)) throw new FST_SCGI_ADMIN_INPUT(`${name} is no integer of 0 to ${most}`)
  return number
}

/** @throws FST_SCGI_ADMIN_INPUT */
export function textOf ({ query }: Pick<Call, 'query'>, name: string): string | undefined {
  const value = query[name]
  if (value !== undefined && typeof value !== 'string') throw new FST_SCGI_ADMIN_INPUT(`${name} is there more than once`)
  return value
}
