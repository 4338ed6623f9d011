import fastifyPlugin from 'fastify-plugin'
import { FST_SCGI_ADMIN_FORBIDDEN, FST_SCGI_ADMIN_NOT_FOUND, FST_SCGI_ADMIN_TOKEN, FST_SCGI_OPT_UNSUPPORTED } from '../../errors.ts'
import { isThenable } from '../../options/functions.ts'
import { isRecord } from '../../options/checks.ts'
import { serveMethods } from '../../options/methods.ts'
import { codeOf, statusOf, toError } from '../../runtime/caught.ts'
import { EventStream } from './api/events.ts'
import { openApi } from './api/openapi.ts'
import { OPERATIONS } from './api/operations.ts'
import { baseOf } from './base.ts'
import { refuse, refuseEdit, type Gate } from './gate.ts'
import { readAdminOptions, type AdminSettings } from './options.ts'
import { AdminService } from './service.ts'
import { servePage } from './page/routes.ts'
import { listenOwn } from './socket.ts'
import { Tokens } from './token.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Call, Operation } from './api/route.ts'
import type { AdminOptions } from '../../../types/admin.ts'

/** Longest body of an edit. */
const BODY_LIMIT = 65_536

/** Of every answer: nobody keeps it, guesses at it, or shows it in a page of their own. */
const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
}

const atPrefix: FastifyPluginAsync<AdminOptions> = async (instance, options) => {
  // With a slash at the end of its prefix Fastify would not serve the path without one.
  const prefix = typeof options.prefix === 'string' ? options.prefix.replace(/\/+$/, '') : options.prefix
  await instance.register(servePrefixed, { ...options, ...(prefix === undefined ? undefined : { prefix }) })
}

/**
 * The operator's page, and the API beneath it. Errors at register: FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN; when the application
 * starts FST_SCGI_OPT_UNSUPPORTED if the gateway is not registered in this instance, or in one around it.
 */
export const admin: FastifyPluginAsync<AdminOptions> = fastifyPlugin(atPrefix, { name: 'fastify-scgi-admin' })

const servePrefixed: FastifyPluginAsync<AdminOptions> = async (scope, options) => {
  const settings = readAdminOptions(options)
  const own = new WeakSet<Socket>()
  const service = new AdminService(scope, settings)
  const tokens = new Tokens(settings.secret, Date.now)
  const events = new EventStream(service)
  guard(scope, settings, { hosts: settings.hosts, authorized: settings.authorize !== undefined, own })
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: BODY_LIMIT }, scope.getDefaultJsonParser('error', 'error'))
  scope.setErrorHandler(answerError)

  const operatorOf = (request: FastifyRequest): string => {
    if (own.has(request.raw.socket)) return nameOf(request.headers['x-gateway-operator'])
    // A client over a unix socket has no address.
    return settings.operator?.(request) ?? (request.ip === undefined || request.ip === '' ? 'local' : request.ip)
  }
  for (const operation of OPERATIONS) {
    for (const url of operation.path === '/' ? ['/api', '/api/'] : [`/api${operation.path}`]) {
      scope.route({
        method: operation.method,
        url,
        handler: (request, reply) => answer(operation, request, reply, service, () => operatorOf(request), tokens),
        // Before the body is read.
        onRequest: (request, _reply, done) => {
          done(operation.method === 'GET' ? undefined : refuseEditing(request, own, tokens, () => operatorOf(request)))
        },
      })
    }
  }
  scope.get('/api/openapi.json', () => openApi(`${baseOf(scope)}/api`))
  scope.get('/api/events', { exposeHeadRoute: false }, (_request, reply) => {
    reply.hijack()
    events.serve(reply.raw, HEADERS)
  })
  servePage(scope, service, request => tokens.make(operatorOf(request)))
  if (baseOf(scope) !== '') refuseOthers(scope)
  live(scope, settings, { service, events, own })
}

/** What is not here is not to be looked for in an application that has the rest of the paths, and may have any method. */
function refuseOthers (scope: FastifyInstance): void {
  serveMethods(scope, undefined)
  const refuseOther = (request: FastifyRequest): never => { throw new FST_SCGI_ADMIN_NOT_FOUND(`'${request.url.split('?', 1)[0] ?? ''}' here`) }
  scope.all('/*', refuseOther)
  scope.route({ method: scope.supportedMethods.filter(method => method !== 'GET' && method !== 'HEAD'), url: '/', handler: refuseOther })
}

/** From the start of the application to its end. */
function live (
  scope: FastifyInstance, { socket }: AdminSettings,
  { service, events, own }: { service: AdminService, events: EventStream, own: WeakSet<Socket> }
): void {
  let server: Server | undefined
  let closing = false
  scope.addHook('onReady', async () => {
    if (!scope.hasDecorator('scgi')) {
      throw new FST_SCGI_OPT_UNSUPPORTED('admin', 'there is no gateway in this instance, or in one around it: register fastify-scgi there')
    }
    await service.start()
    if (socket === undefined) return
    server = await listenOwn(socket, own, (request, response) => {
      if (closing && !/^(?:GET|HEAD)$/.test(request.method ?? '')) refuseLate(response)
      else serveOwn(scope, request, response)
    })
  })
  scope.addHook('preClose', done => {
    closing = true
    events.close()
    done()
  })
  scope.addHook('onClose', (_instance, done) => {
    service.close()
    if (server === undefined) done()
    else {
      server.close(() => done())
      server.closeAllConnections()
    }
  })
}

/** What a gateway is told that ends would be told to nobody. */
function refuseLate (response: ServerResponse): void {
  const answer = JSON.stringify({ statusCode: 503, error: 'Service Unavailable', message: 'the gateway is closing, and takes no more edits' })
  response.writeHead(503, { 'content-type': 'application/json; charset=utf-8', connection: 'close' }).end(answer)
}

/** Over the gateway's own socket there is the API, and nothing else of the application. */
function serveOwn (scope: FastifyInstance, request: IncomingMessage, response: ServerResponse): void {
  if (!/^\/api(?:[/?]|$)/.test(request.url ?? '')) {
    response.writeHead(404).end()
    return
  }
  request.url = baseOf(scope) + request.url
  scope.routing(request, response)
}

function guard (scope: FastifyInstance, { authorize }: AdminSettings, gate: Gate): void {
  scope.addHook('onRequest', (request, reply, done) => {
    reply.headers(HEADERS)
    done(refuse(gate, request))
  })
  if (authorize === undefined) return
  scope.addHook('onRequest', function (request, reply, done) {
    if (gate.own.has(request.raw.socket)) {
      done()
      return
    }
    let settled = false
    const settle = (error?: Error): void => {
      if (settled) return
      settled = true
      done(error)
    }
    const unclear = (why: string): void => settle(new FST_SCGI_ADMIN_FORBIDDEN(`'authorize' ${why}`))
    const result: unknown = Reflect.apply(authorize, this, [request, reply, settle])
    if (isThenable(result)) {
      result.then(answer => {
        if (reply.sent) return
        // Whoever writes it as a test means that nobody is let in by false.
        if (answer === false) unclear('gives false')
        else if (authorize.length < 3) settle()
        else unclear("takes 'done', and its promise was kept before that was called")
      }, (error: unknown) => settle(toError(error)))
    } else if (authorize.length < 3 && !reply.sent) {
      unclear("neither takes 'done' nor gives a promise")
    }
  })
}

function refuseEditing (request: FastifyRequest, own: WeakSet<Socket>, tokens: Tokens, operator: () => string): Error | undefined {
  if (own.has(request.raw.socket)) return undefined
  const refused = refuseEdit(request)
  if (refused !== undefined) return refused
  return tokens.check(request.headers['x-gateway-token'], operator()) ? undefined : new FST_SCGI_ADMIN_TOKEN()
}

async function answer (
  operation: Operation, request: FastifyRequest, reply: FastifyReply, service: AdminService, operator: () => string, tokens: Tokens
): Promise<object> {
  const ifMatch = request.headers['if-match']
  const by = operator()
  const call: Call = {
    service,
    params: strings(request.params),
    query: isRecord(request.query) ? request.query : {},
    body: request.body,
    ifMatch,
    operator: by,
    token: () => tokens.make(by),
  }
  try {
    const { body, etag } = await operation.run(call)
    if (etag !== undefined) reply.header('etag', etag)
    reply.code(operation.status ?? 200)
    return body
  } catch (error) {
    // Not thrown: of a 5xx of ours the gateway tells clients no more than the status, and this one is the operator.
    return describe(toError(error), request, reply)
  }
}

function answerError (error: Error, request: FastifyRequest, reply: FastifyReply): void {
  reply.send(describe(error, request, reply))
}

/** What is answered instead, with its status. */
function describe (error: Error, request: FastifyRequest, reply: FastifyReply): object {
  const code = codeOf(error)
  // What the options refuse at register is here what the operator has sent.
  const statusCode = /^FST_SCGI_(?:OPT_|RESOLVE$)/.test(code) ? 400 : statusOf(error)
  if (statusCode >= 500) request.log.error({ err: error }, error.message)
  reply.code(statusCode)
  return {
    statusCode,
    code: code === '' ? 'FST_SCGI_ADMIN' : code,
    error: error.name,
    message: error.message.replace(/^fastify-scgi: /, ''),
  }
}

function strings (params: unknown): Record<string, string> {
  return isRecord(params) ? Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)])) : {}
}

/** Whoever the command says that it is run by: its socket is this user's alone. */
function nameOf (header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.@-]{1,64}$/.test(header) ? `${header} (ctl)` : 'ctl'
}
