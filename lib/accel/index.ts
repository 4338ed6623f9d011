import fp from 'fastify-plugin'
import { steer, STEERING, steeringHeaders, wishOf } from '../http/accel-headers.ts'
import { parseRedirect, targetRefused } from '../http/accel-values.ts'
import { carriedHeaders } from '../http/carried.ts'
import { carryOut } from '../filters/hook.ts'
import { filterLayer } from '../filters/layer.ts'
import { BytesBody } from '../request/body.ts'
import { compileAccel, type AccelSettings } from './options.ts'
import { toError } from '../runtime/caught.ts'
import type { FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import type { AccelOptions } from '../../types/accel.ts'
import type { FilterPlan } from '../reply/plan.ts'

export type { AccelOptions } from '../../types/accel.ts'

/** What is obeyed here, beside the header that names a file. */
const OBEYED: ReadonlySet<string> = new Set(
  steeringHeaders(({ accel: here, option }) => here && option === 'ignoreHeaders').map(({ name }) => name)
)

/**
 * X-Accel-Redirect, X-Sendfile, X-Accel-Limit-Rate and X-Accel-Charset for the replies of any route: a handler of your own, or what came
 * through @fastify/http-proxy. Errors at register: FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN.
 */
const accel: FastifyPluginCallback<AccelOptions> = fp((fastify, options: AccelOptions, done: (error?: Error) => void) => {
  try {
    const settings = compileAccel(options)
    const locations = filterLayer(fastify)
    for (const [name, handler] of Object.entries(options.locations ?? {})) locations.add(name, handler)
    fastify.addHook('onSend', (request, reply, payload, next) => {
      const plan = planFor(settings, request, reply)
      if (plan === undefined) next()
      else if (plan instanceof Error) next(plan)
      else carryOut(plan, request, reply, payload, next, locations)
    })
    done()
  } catch (error) {
    done(toError(error))
  }
}, { fastify: '5.x', name: 'fastify-scgi-accel' })

export { accel, accel as default }

/** What a reply asks for; `undefined` if it asks for nothing, or may not. */
function planFor (settings: AccelSettings, request: FastifyRequest, reply: FastifyReply): FilterPlan | Error | undefined {
  const file = settings.roots === undefined ? undefined : take(reply, settings.sendfileHeader)
  let said: Record<string, string> | undefined
  for (const name of OBEYED) {
    if (name === STEERING.redirect.name && settings.targets === undefined) continue
    const text = take(reply, name)
    if (text !== undefined) (said ??= {})[name] = text
  }
  if (file === undefined && said === undefined) return undefined
  let trusted = false
  try {
    trusted = settings.trust(request, reply)
  } catch (error) {
    // The error's reply is not to tell where the first one would have led.
    for (const name of [...OBEYED, settings.sendfileHeader]) reply.removeHeader(name)
    return toError(error)
  }
  if (!trusted) return undefined
  for (const name of OBEYED) reply.removeHeader(name)
  const plan = steer<FilterPlan>(said ?? {}, OBEYED, {}, () => ({})) ?? {}
  if (file !== undefined && settings.roots !== undefined) {
    reply.removeHeader(settings.sendfileHeader)
    return { ...plan, file: { roots: settings.roots, value: file }, conditions: true, ranges: true }
  }
  const target = wishOf(STEERING.redirect, said ?? {})
  if (target === undefined) return plan
  const parsed = parseRedirect(target)
  if (parsed.kind === 'unsafe') return targetRefused(target, parsed.reason)
  const url = parsed.kind === 'location' ? parsed.name : parsed.url
  if (!isAllowed(settings.targets ?? [], parsed.kind === 'location' ? parsed.name : parsed.path)) {
    return targetRefused(target, "it is not among 'redirectTo'")
  }
  const { body } = request
  const bytesOf = typeof body === 'string' ? Buffer.from(body) : body
  return {
    ...plan,
    redirect: { target: url, opensInternal: true, headers: carriedHeaders(name => reply.getHeader(name)) },
    body: Buffer.isBuffer(bytesOf) ? new BytesBody(bytesOf) : null,
  }
}

function isAllowed (targets: readonly string[], target: string): boolean {
  return targets.some(allowed => target === allowed || (allowed.startsWith('/') && target.startsWith(allowed.endsWith('/') ? allowed : `${allowed}/`)))
}

function take (reply: FastifyReply, name: string): string | undefined {
  const value = reply.getHeader(name)
  return value === undefined ? undefined : String(Array.isArray(value) ? value[0] : value)
}
