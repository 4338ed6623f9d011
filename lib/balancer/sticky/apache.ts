import type { PickRequest } from '../method.ts'
import { cookieValue } from './cookies.ts'
import type { StickyPolicy } from './policy.ts'
import { routeNames } from './route.ts'

export interface ApacheOptions {
  /** Cookie with the session. */
  readonly cookie: string | undefined
  /** Parameter of the URL with the session, in its path (`;name=value`) or in its query. */
  readonly param: string | undefined
  /** What separates the session from the route; `undefined` if there is nothing but the route. */
  readonly separator: string | undefined
}

/** The application ends its session ids with `.route`; they come in the URL or in a cookie. (Apache: stickysession) */
export class StickySuffix implements StickyPolicy {
  readonly names = routeNames
  readonly #options: ApacheOptions

  constructor (options: ApacheOptions) {
    this.#options = options
  }

  find<S> (request: PickRequest, servers: Pick<ReadonlyMap<string, S>, 'get'>): S | undefined {
    const { cookie, param } = this.#options
    let session = param === undefined ? undefined : paramValue(request.target, param)
    // A session in the URL is the one of this request, also where no server has its route. An empty one says nothing.
    if ((session === undefined || session === '') && cookie !== undefined) session = cookieValue(request.cookie, cookie, true)
    return session === undefined ? undefined : this.#routed(session, servers)
  }

  #routed<S> (session: string, servers: Pick<ReadonlyMap<string, S>, 'get'>): S | undefined {
    const { separator } = this.#options
    if (separator === undefined) return servers.get(session)
    const at = session.indexOf(separator)
    return at < 0 ? undefined : servers.get(session.slice(at + separator.length))
  }
}

/** Value of a parameter of a request target, as it is written: of the path, `/cart;sid=abc.a/items`, or of the query. The first one counts. */
export function paramValue (target: string | undefined, name: string): string | undefined {
  if (target === undefined) return undefined
  const query = target.indexOf('?')
  const sought = `${name}=`
  for (let at = target.indexOf(sought); at >= 0; at = target.indexOf(sought, at + sought.length)) {
    const inPath = query < 0 || at < query
    const before = target[at - 1]
    if (inPath ? before !== ';' : before !== '?' && before !== '&' && before !== ';') continue
    const from = at + sought.length
    return target.slice(from, endOf(target, from, inPath ? '/;?&#' : ';?&#'))
  }
  return undefined
}

function endOf (target: string, from: number, stops: string): number {
  let end = from
  while (end < target.length && !stops.includes(target.charAt(end))) end++
  return end
}
