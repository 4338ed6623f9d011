import { get, reply } from './row.ts'
import type { Script } from '../../helpers/recorder.ts'
import type { CacheStatus } from '../../../types/cache.ts'
import type { Outcome } from './row.ts'
import type { Step } from './sequence.ts'

export const FRESH = 'Cache-Control: max-age=60'
export const BRIEF = 'Cache-Control: max-age=1'

/** Takes the whole request and closes without a byte. */
export const close: Script = async (exchange) => {
  await exchange.body()
  await exchange.end()
}

/** Takes the whole request and never answers. */
export const stall: Script = (exchange) => exchange.closed

/** A reply with a body, and what a client sees of it. */
export function saw (status: CacheStatus | undefined, body: string, headers: Outcome['headers'] = {}): Partial<Outcome> {
  return { body, headers: { ...headers, 'x-cache-status': status } }
}

export const of = (body: string, ...lines: string[]): string => reply(['Status: 200 OK', ...lines], body)

export function expiring (mount: string, control = 'max-age=1'): Step {
  return { request: get(`/${mount}/*`), answer: of('first', `Cache-Control: ${control}`), expect: saw('MISS', 'first', { 'cache-control': control }) }
}

export const TAGGED = ['ETag: "one"', 'Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT']
export const TAGS = { etag: '"one"', 'last-modified': 'Mon, 07 Nov 1994 08:49:37 GMT' }
