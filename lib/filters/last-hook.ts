import type { FastifyReply, FastifyRequest } from 'fastify'

type LastHook = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: () => void) => void

/** Fastify's own name for the context of a route, which a request carries. */
const CONTEXT = 'fastify.context'
let symbol: symbol | undefined

/** Has a hook run after all onSend hooks of a request's route, wherever they were added; Fastify has no such place of its own. */
export function onLast (request: FastifyRequest, hook: LastHook): void {
  symbol ??= Object.getOwnPropertySymbols(request).find(({ description }) => description === CONTEXT)
  const context: unknown = symbol === undefined ? undefined : Reflect.get(request, symbol)
  if (typeof context !== 'object' || context === null || !('onSend' in context)) return
  if (Array.isArray(context.onSend) && context.onSend.at(-1) !== hook) context.onSend.push(hook)
}
