import { contextOf } from './route-context.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

type Done = (error?: Error | null, payload?: unknown) => void
type RouteHook = (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done) => void

/** On hooks of ours, which see to what describes a body themselves. */
const OWN = Symbol('fastify-scgi.own')

/** Marks an onSend hook as ours. Fastify binds hooks to their instance, which would make another function of it: this one has no `this`. */
export function asOwn<Hook extends object> (hook: Hook): Hook {
  return Object.defineProperties(hook, { [OWN]: { value: true }, bind: { value: () => hook } })
}

/**
 * Has a hook run after all onSend hooks of a request's route, wherever they were added; Fastify has no such place of its own. On a HEAD
 * route that Fastify has added it still sees the body, which Fastify's own last hook takes away.
 */
export function onLast (request: FastifyRequest, hook: RouteHook): void {
  const context = contextOf(request)
  const hooks = hooksOf(context)
  if (hooks === undefined || hooks.at(-1) === hook) return
  const end = takesBody(hooks.at(-1)) ? hooks.length - 1 : hooks.length
  if (hooks[end - 1] !== hook) setHooks(context, [...hooks.slice(0, end), hook, ...hooks.slice(end)])
}

/** Has a hook run before all onSend hooks of a request's route. False if there are none, and so none can be added. */
export function onFirst (request: FastifyRequest, hook: RouteHook): boolean {
  const context = contextOf(request)
  const hooks = hooksOf(context)
  if (hooks === undefined) return false
  return hooks[0] === hook || setHooks(context, [hook, ...hooks])
}

/** The onSend hooks of a request's route are all ours: nobody else can put another body instead of the one that is sent. */
export function onlyOwn (request: FastifyRequest): boolean {
  const hooks = hooksOf(contextOf(request))
  if (hooks === undefined) return false
  for (const hook of hooks) if (typeof hook !== 'function' || !(OWN in hook)) return false
  return true
}

/** Fastify's hook of the HEAD route that it adds to a GET route of the user's: it counts the body, and takes none for an empty one. */
const COUNTS_BODY = /^(?:bound )*headRouteOnSendHandler$/
/** What stands in its place. */
const guards = new WeakSet<object>()
const withoutBody = new WeakSet<FastifyReply>()

/** A reply to HEAD has been made without its body: what its head says of that stays, also on a HEAD route that Fastify has added. */
export function leaveHead (request: FastifyRequest, reply: FastifyReply): void {
  guardHead(request)
  withoutBody.add(reply)
}

/** The same for what is known only while the hooks run: to be called before they do. */
export function guardHead (request: FastifyRequest): void {
  const hooks = hooksOf(contextOf(request)) ?? []
  for (const [index, hook] of hooks.entries()) {
    if (!isCounting(hook)) continue
    const guarded: RouteHook = (asked, reply, payload, done) => {
      if (!withoutBody.has(reply) || (payload !== undefined && payload !== null)) hook(asked, reply, payload, done)
      else done(null, null)
    }
    guards.add(guarded)
    // In its place: the replies under way go through this array by its indexes.
    hooks[index] = guarded
  }
}

function isCounting (hook: unknown): hook is RouteHook {
  return typeof hook === 'function' && COUNTS_BODY.test(hook.name)
}

function takesBody (hook: unknown): boolean {
  return isCounting(hook) || (typeof hook === 'function' && guards.has(hook))
}

function hooksOf (context: object | undefined): unknown[] | undefined {
  if (context === undefined || !('onSend' in context)) return undefined
  return Array.isArray(context.onSend) ? context.onSend : undefined
}

/** Another array in the place of the old one: Fastify goes through that by its indexes for the replies under way. */
function setHooks (context: object | undefined, hooks: unknown[]): boolean {
  return context !== undefined && Reflect.set(context, 'onSend', hooks)
}
