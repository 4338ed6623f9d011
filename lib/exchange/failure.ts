import { isNoServer } from '../errors.ts'
import { statusOf } from '../runtime/caught.ts'
import type { FetchFailure } from '../cache/use-stale.ts'

const KINDS: ReadonlySet<string> = new Set<FetchFailure>(['error', 'timeout', 'invalid_header', 'local'])

/** What an error says of the servers, in the words of the cache, and the status that it is answered with. */
export function failureOf (error: Error): { failure: FetchFailure, statusCode: number } {
  const statusCode = statusOf(error)
  if (isNoServer(error)) return { failure: 'no_live', statusCode }
  return { failure: 'kind' in error && isFailure(error.kind) ? error.kind : 'local', statusCode }
}

function isFailure (kind: unknown): kind is FetchFailure {
  return typeof kind === 'string' && KINDS.has(kind)
}
