import fp from 'fastify-plugin'
import replyFrom from '@fastify/reply-from'
import { errors } from 'undici'
import { valueOf } from '../options/functions.ts'
import { setOwn } from '../runtime/own-property.ts'
import { describe, startOver } from '../http/described.ts'
import { endWithBody } from '../http/body-failure.ts'
import { addCookie } from '../reply/header-lists.ts'
import { breakOff, clearHead, isHttp2, resetIfDestroyed } from '../http/raw-reply.ts'
import { refusedCoding } from '../inbound/transfer-coding.ts'
import { takeTurn } from '../inbound/turn.ts'
import { handOver } from '../reply/hand-over.ts'
import { HeaderFilter, hookHeaders } from '../reply/response-headers.ts'
import { toError } from '../runtime/caught.ts'
import { ScgiDispatcher } from './dispatcher.ts'
import { FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { REWRITTEN } from './headers.ts'
import type { PathRules } from '../routing/canonical-path.ts'
import { parsePathRules } from '../routing/path-options.ts'
import { queryPart } from '../http/path.ts'
import { pathToRead } from '../routing/source-path.ts'
import { Call, CALL } from './from-call.ts'
import { Tracking } from './tracking.ts'
import { dispatcherOptions } from './from-options.ts'
import { Router } from '../routing/router.ts'
import { matchedRouteOf, mayStay } from '../routing/matched-route.ts'
import { hasUnread } from '../request/body-reader.ts'
import { compileParams, type ParamsEncoder } from '../request/params.ts'
import { rewrittenHeaders } from '../request/rewritten-headers.ts'
import type { Readable } from 'node:stream'
import type { FastifyReplyFromHooks } from '@fastify/reply-from'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { DrainState } from '../exchange/drain.ts'
import type { Selector } from '../group/registry.ts'
import type { FastifyScgiOptions, RequestHeaders } from '../../types/options.ts'

type From = (this: FastifyReply, source?: string, options?: FastifyReplyFromHooks) => FastifyReply
type Headers = Record<string, string | string[]>

/** Only its path, query and headers matter: the group chooses the server, and Host is the client's. */
const BASE = 'http://localhost/'
const GIVEN_UP = [errors.RequestAbortedError, errors.ClientDestroyedError, errors.ClientClosedError]
const OF_THE_BODY = ['content-type', 'content-length', 'transfer-encoding']

/**
 * Adds `reply.from()` of @fastify/reply-from to an instance, over SCGI to what `select` gives. It is as that package has it, save for what
 * a gateway owes: the client's Host, address and scheme reach the application; X-Forwarded-*, hidden headers, hooks and time limits are
 * those of the registration; nothing is sent twice, for `nextUpstream` has decided already; failures are answered with the error and the
 * status that the gateway itself would give; a client that leaves ends the request. What is given to `reply.from()` itself goes before.
 * @param state what the application waits for when it closes
 * @throws FST_SCGI_OPT_UNSUPPORTED if the instance has a `reply.from()`
 */
export async function registerReplyFrom (
  fastify: FastifyInstance, select: Selector, options: FastifyScgiOptions, state: DrainState
): Promise<void> {
  if (fastify.hasReplyDecorator('from')) throw new FST_SCGI_OPT_UNSUPPORTED('replyFrom', 'this instance has reply.from() already')
  // As with a mount, the application does not see what the router does not.
  const paths = Router.of(fastify).ignoreDuplicateSlashes ? { mergeSlashes: true } : undefined
  const dispatcher = new ScgiDispatcher(request => select(Call.of(request).request), dispatcherOptions({ ...options, ...paths }))
  const tracked = dispatcher.compose(next => (request, handler) => {
    const call = Call.of(request)
    const asked = call.path === undefined ? request : { ...request, path: call.path + queryPart(request.path) }
    return next(asked, new Tracking(handler, call, options.ignoreClientAbort === true))
  })
  const defaults = new Defaults(options, state)
  await fastify.register(fp((instance: FastifyInstance, _options: object, done: (error?: Error) => void) => {
    const facade: FastifyInstance = Object.create(instance, {
      decorateReply: {
        value: (name: string, from: From) => instance.decorateReply(name, defaults.around(from)),
      },
    })
    replyFrom(facade, { base: BASE, undici: tracked, destroyAgent: true, disableRequestLogging: true }, done)
  }, { fastify: '5.x', name: '@fastify/reply-from' }))
}

/** Fills in what a call of `reply.from()` leaves open. */
class Defaults {
  readonly #options: FastifyScgiOptions
  readonly #state: DrainState
  readonly #paths: PathRules
  readonly #filter: HeaderFilter
  readonly #encoder: ParamsEncoder<FastifyRequest>

  constructor (options: FastifyScgiOptions, state: DrainState) {
    this.#options = options
    this.#state = state
    this.#paths = parsePathRules(options)
    this.#filter = new HeaderFilter(options.hideHeaders ?? [], options.passHeaders ?? [])
    const { params, defaultParams, passRequestHeaders, underscoresInHeaders, forwarded } = options
    this.#encoder = compileParams({ params, defaultParams, passRequestHeaders, underscoresInHeaders, forwarded })
  }

  around (from: From): From {
    const complete = (call: Call, given: FastifyReplyFromHooks): FastifyReplyFromHooks => this.#complete(call, given)
    const paths = this.#paths
    const state = this.#state
    const isSent = this.#options.passRequestBody !== false
    return function (source, given = {}) {
      const { raw } = this.request
      const refused = refusedCoding(raw)
      if (refused !== undefined) return this.header('connection', 'close').send(refused)
      if (!mayStay(this.request, this, matchedRouteOf(this.request, paths), given.body ?? undefined)) return this
      takeTurn(raw, this.raw, () => {
        startOver(this)
        try {
          const call = new Call(this, state)
          // While an asynchronous hook ran, say: as with a mount the application is not asked.
          if (call.isUnanswerable) return
          const own = source === undefined || source === ''
          call.path = pathToRead(own ? raw.url ?? '/' : source)
          // The request's own path has been judged: nobody else is to find fault with it.
          const sent = given.body === undefined && isSent && !hasUnread(this.request) ? { ...given, body: null } : given
          from.call(this, own && call.path !== undefined ? '/' : source, complete(call, sent))
        } catch (error) {
          this.send(toError(error))
        }
      })
      return this
    }
  }

  #complete (call: Call, given: FastifyReplyFromHooks): FastifyReplyFromHooks {
    const { reply } = call
    let failure: Error | undefined
    let sent: Headers = {}
    const options = this.#options
    const { retryDelay } = given
    const retries = given.retriesCount !== undefined || retryDelay !== undefined || 'maxRetriesOn503' in given
    return {
      ...(retries ? undefined : { retryDelay: () => null }),
      ...given,
      ...(retryDelay === undefined
        ? undefined
        // For want of a client it would be repeated without end.
        : { retryDelay: details => call.isUnanswerable || isGivenUp(details.err) ? null : retryDelay(details) }),
      ...(options.passRequestBody === false && given.body === undefined ? { body: null } : undefined),
      onError: (_reply, error) => {
        if (given.onError === undefined || call.isCut) this.#answer(call, error.error)
        else hook(reply, () => given.onError?.(reply, error))
      },
      rewriteRequestHeaders: (request, headers) => {
        let own = this.#requestHeaders(call, headers)
        if (given.rewriteRequestHeaders !== undefined) own = valueOf('rewriteRequestHeaders', given.rewriteRequestHeaders(request, own))
        else if (options.rewriteRequestHeaders !== undefined) own = valueOf('rewriteRequestHeaders', options.rewriteRequestHeaders(call.request, own))
        const sent: RequestHeaders & { [CALL]: Call, [REWRITTEN]: true } = {
          ...rewrittenHeaders(own, call.request.headers), [CALL]: call, [REWRITTEN]: true,
        }
        return sent
      },
      // What is thrown here would come out as an uncaught exception: it is the reply instead.
      rewriteHeaders: (headers, request) => {
        const own = this.#replyHeaders(call, headers)
        try {
          if (given.rewriteHeaders !== undefined) sent = this.#hookHeaders(call, given.rewriteHeaders(own, request), headers)
          else if (options.rewriteHeaders === undefined) sent = own
          else sent = this.#hookHeaders(call, options.rewriteHeaders(own, call.request), headers)
          // As with a mount it is not for hooks to lose.
          if (call.setCookie !== undefined) addCookie(sent, call.setCookie)
          return sent
        } catch (error) {
          failure = toError(error)
          return {}
        }
      },
      onResponse: (request, _reply, response) => {
        const { onResponse } = options
        resetIfDestroyed(reply.raw)
        // That error is what undici makes of a body which a hook destroys, and which the hook need not listen for. One that fails gets a
        // listener of undici's own.
        endWithBody(response.stream, reply.raw, error => !(error instanceof errors.RequestAbortedError), 1)
        if (failure !== undefined) {
          response.stream.destroy()
          clearHead(reply)
          this.#answer(call, failure)
          return
        }
        call.markLast()
        if (call.phrase !== '' && !isHttp2(reply.raw)) reply.raw.statusMessage = call.phrase
        describe(call.request, reply, response.stream)
        const { statusCode, stream } = response
        if (given.onResponse !== undefined) {
          hook(reply, () => given.onResponse?.(request, reply, response), stream)
        } else if (onResponse !== undefined) {
          hook(reply, () => onResponse(call.request, reply, { statusCode, headers: sent, body: stream }), stream)
        } else {
          reply.send(stream)
        }
      },
    }
  }

  /** What the application would get of the client's headers, with those of the body that @fastify/reply-from sends. */
  #requestHeaders ({ view }: Call, headers: RequestHeaders): RequestHeaders {
    const own: RequestHeaders = this.#encoder.received(view)
    for (const name of OF_THE_BODY) {
      if (headers[name] === undefined) delete own[name]
      else own[name] = headers[name]
    }
    return own
  }

  #replyHeaders ({ request }: Call, headers: RequestHeaders): Headers {
    const given: Headers = {}
    for (const name in headers) {
      const value = headers[name]
      if (value !== undefined) setOwn(given, name, value)
    }
    const head = { statusCode: 200, statusMessage: '', headers: given, rawHeaders: [], contentLength: -1, chunked: false, nph: false }
    const own = this.#filter.apply(head, request.raw.httpVersionMajor === 2)
    const length = given['content-length']
    return length === undefined ? own : { ...own, 'content-length': length }
  }

  /** What a hook made of them. The length is the application's as long as the hook has left one in. */
  #hookHeaders ({ request }: Call, given: RequestHeaders, received: RequestHeaders): Headers {
    const headers = hookHeaders(valueOf('rewriteHeaders', given), received, request.raw.httpVersionMajor === 2)
    const length = received['content-length']
    const isAsked = length !== undefined && Object.keys(given).some(name => name.toLowerCase() === 'content-length' && given[name] !== undefined)
    return isAsked ? { ...headers, 'content-length': length } : headers
  }

  #answer (call: Call, error: Error): void {
    const { reply } = call
    // The client has left, or was given another answer.
    if (reply.sent || call.isUnanswerable) return
    call.markLast()
    const cause = ownError(error) ?? error
    const { onError } = this.#options
    if (onError === undefined) reply.send(cause)
    else hook(reply, () => onError(reply, { error: cause }))
  }
}

/**
 * Calls a hook that answers; what it throws, or is rejected with, is the answer.
 * @param body what it was given, and nobody reads then
 */
function hook (reply: FastifyReply, call: () => unknown, body?: Readable): void {
  const failed = (error: unknown): void => {
    body?.destroy()
    if (reply.sent || reply.raw.headersSent) {
      reply.log.error({ err: error }, 'the reply could not be sent')
      breakOff(reply.raw)
    } else {
      // The head is that of the reply which is not sent.
      if (body !== undefined) clearHead(reply)
      reply.send(toError(error))
    }
  }
  handOver(reply, call, failed)
}

/** What the gateway itself has ended, for want of a client or because the application closes: it would be repeated without end. */
function isGivenUp (error: Error | undefined): boolean {
  return GIVEN_UP.some(kind => error instanceof kind)
}

/** The error of ours behind those that undici and @fastify/reply-from have put around it. */
function ownError (error: Error): Error | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && at.code.startsWith('FST_SCGI_')) return at
  }
  return undefined
}
