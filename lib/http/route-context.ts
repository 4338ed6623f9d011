import type { FastifyRequest } from 'fastify'

/** Fastify's own name for the context of a route, which a request carries. */
const CONTEXT = 'fastify.context'
let symbol: symbol | undefined

/**
 * What Fastify knows of the route of a request: its hooks (`onSend`), its `config`. `request.routeOptions` tells it too, and is made again
 * each time that it is read. `undefined` if this Fastify keeps it elsewhere.
 */
export function contextOf (request: FastifyRequest): object | undefined {
  symbol ??= Object.getOwnPropertySymbols(request).find(({ description }) => description === CONTEXT)
  const context: unknown = symbol === undefined ? undefined : Reflect.get(request, symbol)
  return typeof context === 'object' && context !== null ? context : undefined
}
