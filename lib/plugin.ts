import { FST_SCGI_OPT_INVALID } from './errors.ts'
import { settleError, startOver } from './http/described.ts'
import { Caches } from './exchange/cache-registry.ts'
import { GatewayExchange } from './exchange/exchange.ts'
import { drain, DrainState, GatewayState } from './exchange/drain.ts'
import { answerHit } from './exchange/hit.ts'
import { Hits } from './exchange/hits.ts'
import type { Service } from './exchange/service.ts'
import { serveMethods } from './options/methods.ts'
import { clearLeftovers } from './exchange/temp-places.ts'
import { mountInternal } from './filters/internal-files.ts'
import { isMediaType } from './http/media-type.ts'
import { acceptUpgrades } from './inbound/upgrades.ts'
import { Registry, type Selector } from './group/registry.ts'
import { compileRegister, compileReply, readRegisterOptions } from './plugin-options.ts'
import { filterLayer } from './filters/layer.ts'
import { ClientConnections } from './inbound/connections.ts'
import { furtherServers } from './inbound/further-servers.ts'
import { takeTurn } from './inbound/turn.ts'
import { matchedRoute, matchedRouteOf, mayStay, pointOf, stayOrLeave, toDirectory } from './routing/matched-route.ts'
import { requireCommonJs } from './runtime/commonjs.ts'
import { toError } from './runtime/caught.ts'
import { REGISTER } from './options/table/plugin.ts'
import { show } from './options/units.ts'
import type { Readable } from 'node:stream'
import type fastifyPlugin from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ScgiRequestInfo } from '../types/request.ts'
import type { FastifyScgiOptions, ReplyScgiOptions } from '../types/options.ts'
import type { FastifyScgi, ScgiDecorator } from '../types/fastify.ts'

const fp: typeof fastifyPlugin = requireCommonJs('fastify-plugin')
const ROOT = Symbol('fastify-scgi.root')
/** For an application without mounts. */
const CLOSE_TIMEOUT = REGISTER.closeTimeout.read('closeTimeout', undefined)

/** State that all gateways of an application share. */
interface GatewayRoot {
  readonly registry: Registry
  /** For `reply.scgi()`. */
  readonly state: GatewayState
  /** Those of the mounts, and of `reply.from()`. */
  readonly mounted: DrainState[]
  /** The longest `closeTimeout` of the mounts; `undefined` without mounts. */
  closeTimeout: number | undefined
  readonly services: WeakMap<ReplyScgiOptions, Promise<{ service: Omit<Service, 'bodyLimit' | 'point'>, select: Selector, rewritePrefix: string }>>
}

/** The decorators, once for the instance that registers and all below it. */
function rootOf (fastify: FastifyInstance): GatewayRoot {
  if (fastify.hasDecorator(ROOT)) return fastify.getDecorator<GatewayRoot>(ROOT)
  const registry = new Registry(fastify.log)
  const locations = filterLayer(fastify)
  const caches = new Caches(fastify.log)
  caches.onPurge = (cache, match, soft) => registry.purged(cache, match, soft)
  registry.onPurge = (cache, match, soft) => caches.purgeHere(cache, match, soft)
  const root: GatewayRoot = {
    registry,
    state: new GatewayState(caches),
    mounted: [],
    closeTimeout: undefined,
    services: new WeakMap(),
  }
  fastify.decorate(ROOT, root)
  const decorator: ScgiDecorator = {
    groups: registry.groups,
    caches,
    location (name, handler) {
      locations.add(name, handler)
    },
  }
  fastify.decorate('scgi', decorator)
  // Fastify keeps the shape of requests: each gets its own in the gateway.
  fastify.decorateRequest<ScgiRequestInfo | null>('scgi', null)
  fastify.decorateReply('scgi', function (this: FastifyReply, options: ReplyScgiOptions): FastifyReply {
    replyScgi(root, this, options)
    return this
  })
  // If another hook fails a reply that was begun, the reason phrase of the application does not apply to that error.
  fastify.addHook('onError', (request, reply, error, done) => {
    settleError(reply)
    if (request.scgi?.head !== undefined && !reply.raw.headersSent && request.raw.httpVersionMajor < 2) reply.raw.statusMessage = ''
    done()
  })
  // onClose hooks run from the last to the first: the caches are closed when nothing is stored any more.
  fastify.addHook('onClose', (_instance, done) => {
    caches.close().then(() => done(), done)
  })
  // Applications that were started here serve until the last request, and have ended when the Fastify application is closed.
  fastify.addHook('onClose', (_instance, done) => {
    registry.close().then(() => done(), done)
  })
  acceptUpgrades(fastify.server)
  drain(fastify, root.state, CLOSE_TIMEOUT)
  endConnections(fastify, root)
  return root
}

/** Ends idle client connections while the application closes. */
function endConnections (fastify: FastifyInstance, root: GatewayRoot): void {
  const connections = new ClientConnections(fastify.server)
  fastify.addHook('onListen', done => {
    for (const server of furtherServers(fastify)) connections.watch(server)
    done()
  })
  let timer: NodeJS.Timeout | undefined
  fastify.addHook('preClose', done => {
    timer = setTimeout(() => connections.cut(), root.closeTimeout ?? CLOSE_TIMEOUT)
    // The hooks of the mounts come after this one, and what is answered meanwhile is the last of its connection, too.
    for (const state of root.mounted) state.closing = true
    connections.close(done)
  })
  fastify.addHook('onClose', (_instance, done) => {
    // Fastify does not wait for its further servers; the process does.
    if (connections.none) clearTimeout(timer)
    else timer?.unref()
    done()
  })
}

async function gateway (fastify: FastifyInstance, given: unknown): Promise<void> {
  const options = readRegisterOptions(given)
  const { mount, prefix, rewritePrefix, replyFrom, closeTimeout, bodyLimit, allowAnyUpstream } = compileRegister(options)
  const root = rootOf(fastify)
  if (mount.cache?.zone !== undefined) root.state.caches.add(mount.cache.zone)
  await clearLeftovers(options)
  root.closeTimeout = Math.max(root.closeTimeout ?? 0, closeTimeout)
  const { select, ready } = await root.registry.add(options.upstreams, allowAnyUpstream, options.resolver)
  if (ready !== undefined) {
    fastify.addHook('onReady', done => {
      ready()
      done()
    })
  }
  if (replyFrom) {
    // undici is only loaded if it is needed.
    const { registerReplyFrom } = await import('./dispatcher/reply-from.ts')
    const state = new DrainState()
    await registerReplyFrom(fastify, select, options, state)
    root.mounted.push(state)
    // After what ends its requests when the application is closed: hooks for that run from the last to the first.
    drain(fastify, state, closeTimeout)
  }
  mountInternal(fastify, options.internal)
  const path = mount.paths.mergeSlashes ? prefix.replace(/\/\/+/g, '/') : prefix
  const inner = { prefix: path.replace(/\/$/, ''), ...(options.logLevel === undefined ? undefined : { logLevel: options.logLevel }) }
  await fastify.register(async scope => {
    const state = new GatewayState(root.state.caches)
    root.mounted.push(state)
    drain(scope, state, closeTimeout)
    mountRoutes(scope, options, { mount, select, state, bodyLimit, rewritePrefix }, path.length > 1 && path.endsWith('/'))
  }, inner)
}

function mountRoutes (
  scope: FastifyInstance,
  options: FastifyScgiOptions,
  { mount, select, state, bodyLimit, rewritePrefix }: {
    mount: Service['mount'], select: Selector, state: GatewayState, bodyLimit: number | undefined, rewritePrefix: string
  },
  directory: boolean
): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  scope.addHook('onRequest', (request, reply, done) => {
    const type = request.raw.headers['content-type']
    // Fastify itself answers a malformed Content-Type with 415, before a parser is called, and QUERY without one with 400.
    if (type === undefined ? request.method === 'QUERY' : !isMediaType(type)) request.headers = { 'content-type': 'application/octet-stream' }
    takeTurn(request.raw, reply.raw, done)
  })
  const matched = matchedRoute(scope, `${scope.prefix.replace(/\/$/, '')}/*`, mount.paths)
  scope.addHook('onRequest', stayOrLeave(matched))
  const service: Service = {
    mount,
    bodyLimit: bodyLimit ?? scope.initialConfig.bodyLimit ?? 1_048_576,
    point: pointOf(matched, rewritePrefix),
    hits: typeof options.upstreams === 'function' ? undefined : Hits.of(mount),
  }
  // Its turn has come: the hook above has waited for it.
  const handler = (request: FastifyRequest, reply: FastifyReply): void => run(service, state, select, request, reply)
  const { constraints, config, preHandler, preValidation, logLevel } = options
  const constrained = constraints === undefined ? undefined : { constraints }
  const methods = serveMethods(scope, options.httpMethods)
  const routes = {
    method: methods,
    handler,
    ...(bodyLimit === undefined ? undefined : { bodyLimit }),
    ...constrained,
    ...(config === undefined ? undefined : { config }),
    ...(preHandler === undefined ? undefined : { preHandler }),
    ...(preValidation === undefined ? undefined : { preValidation }),
    ...(logLevel === undefined ? undefined : { logLevel }),
  }
  scope.route({ ...routes, url: '/*' })
  if (!directory) scope.route({ ...routes, url: '/' })
  else if (!matched.router.ignoreTrailingSlash) scope.route({ method: ['GET', 'HEAD'], url: '', ...constrained, handler: (request, reply) => toDirectory(request, reply, matched) })
  else {
    // Both forms come to one route, but what the client asked for tells them apart.
    const isBare = ({ raw }: FastifyRequest): boolean => !/^[^?#]*\/(?:[?#]|$)/.test(raw.url ?? '')
    scope.route({
      ...routes,
      url: '',
      onRequest: (request, reply, done) => {
        if (!isBare(request)) done()
        else if (request.method === 'GET' || request.method === 'HEAD') toDirectory(request, reply, matched)
        else reply.callNotFound()
      },
    })
  }
}

function run (
  service: Service, state: GatewayState, select: Selector, request: FastifyRequest, reply: FastifyReply, body?: Buffer | string | Readable
): void {
  try {
    serve(service, state, select, request, reply, body)
  } catch (error) {
    reply.send(toError(error))
  }
}

function serve (
  service: Service, state: GatewayState, select: Selector, request: FastifyRequest, reply: FastifyReply, body?: Buffer | string | Readable
): void {
  const hit = body === undefined && !state.closing ? service.hits?.find(request, reply) : undefined
  if (hit !== undefined) {
    // Where a function chooses the group there are no such hits.
    const known = select(request)
    if (!(known instanceof Promise)) {
      answerHit(service, hit, state, known, request, reply)
      return
    }
  }
  const exchange = new GatewayExchange(service, state, request, reply)
  let group
  try {
    group = select(request)
  } catch (error) {
    exchange.answerError(error)
    return
  }
  if (group instanceof Promise) group.then(found => exchange.start(found, body), error => exchange.answerError(error))
  else exchange.start(group, body)
}

function replyScgi (root: GatewayRoot, reply: FastifyReply, options: ReplyScgiOptions): void {
  if (typeof options !== 'object' || options === null) {
    reply.send(new FST_SCGI_OPT_INVALID('options', show(options), "an object with the option 'upstreams'"))
    return
  }
  let prepared = root.services.get(options)
  if (prepared === undefined) {
    prepared = prepare(root, options)
    // An object that is created for each request is prepared each time; its failure must not be kept either.
    root.services.set(options, prepared)
    prepared.catch(() => root.services.delete(options))
  }
  prepared.then(({ service, select, rewritePrefix }) => {
    const { request } = reply
    const matched = matchedRouteOf(request, service.mount.paths)
    if (!mayStay(request, reply, matched, options.body)) return
    const { bodyLimit } = request.routeOptions
    takeTurn(request.raw, reply.raw, () => {
      startOver(reply)
      run({ ...service, bodyLimit, point: pointOf(matched, rewritePrefix) }, root.state, select, request, reply, options.body)
    })
  }).catch((error: unknown) => reply.send(error))
}

async function prepare (root: GatewayRoot, options: ReplyScgiOptions): Promise<{ service: Omit<Service, 'bodyLimit' | 'point'>, select: Selector, rewritePrefix: string }> {
  const { mount, rewritePrefix, allowAnyUpstream } = compileReply(options)
  const { select, ready } = await root.registry.addOnce(options.upstreams, allowAnyUpstream, options.resolver)
  ready?.()
  if (mount.cache?.zone !== undefined) root.state.caches.add(mount.cache.zone)
  await clearLeftovers(options)
  return { service: { mount }, select, rewritePrefix }
}

/** The plugin; see `FastifyScgiOptions`. */
export const fastifyScgi: FastifyScgi = fp(gateway, { fastify: '5.x', name: 'fastify-scgi' })
