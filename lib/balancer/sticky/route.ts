import type { PickRequest } from '../method.ts'
import { textOf } from './policy.ts'
import type { SessionServer, StickyPolicy } from './policy.ts'

const NONE: readonly string[] = []

/** Servers by their routes. */
export function routeNames ({ route }: SessionServer): readonly string[] {
  return route === undefined ? NONE : [route]
}

/** The request itself says the route, in one place or another: the first source counts that gives the route of a server. (nginx: sticky route) */
export class StickyRoute implements StickyPolicy {
  readonly names = routeNames
  readonly #sources: readonly ((request: unknown) => unknown)[]

  constructor (sources: readonly ((request: unknown) => unknown)[]) {
    this.#sources = sources
  }

  find<S> (request: PickRequest, servers: Pick<ReadonlyMap<string, S>, 'get'>): S | undefined {
    for (const source of this.#sources) {
      const route = textOf(source(request.source))
      const found = route === undefined ? undefined : servers.get(route)
      if (found !== undefined) return found
    }
    return undefined
  }
}
