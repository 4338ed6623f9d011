import { FST_SCGI_INTERCEPTED } from '../errors.ts'
import { statusOf, toError } from '../runtime/caught.ts'
import { onRejection } from '../options/functions.ts'
import { breakOff, isHttp2 } from '../http/raw-reply.ts'
import { addHeader } from '../reply/header-lists.ts'
import { setPlan, type FallbackPage, type FilterPlan } from '../reply/plan.ts'
import { toPage, type Replacement } from './replacement.ts'
import type { CarriedHeaders, RedirectState } from '../http/redirect-state.ts'
import type { Mount } from './mount.ts'
import type { ReplySender } from '../reply/sender.ts'
import type { RequestInfo } from './info.ts'
import type { RequestBody, ResponseHead } from '../../types/exchange.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What is needed to answer with something else than the application's body. */
export interface ReplyContext {
  readonly mount: Mount
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly redirected: RedirectState | undefined
  readonly info: RequestInfo
  readonly sender: ReplySender
  /** Of the application's reply, where there was one. */
  readonly head: ResponseHead | undefined
  /** The connection ends with this reply. */
  readonly lastOfConnection: boolean
}

/**
 * Sends the replacement.
 * @param body the request's, for whoever answers
 */
export function sendReplacement (context: ReplyContext, replacement: Replacement, body: RequestBody | null): void {
  const { request, reply, head, sender } = context
  if (context.lastOfConnection && !isHttp2(reply.raw)) reply.header('connection', 'close')
  try {
    switch (replacement.kind) {
      case 'redirect':
        setPlan(reply, {
          redirect: replacement.redirect,
          body,
          ...(replacement.intercepted ? undefined : pagesOf(context)),
          ...(head === undefined ? undefined : sender.lasting(head)),
        })
        reply.send()
        break
      case 'file':
        if (head !== undefined) sender.file(head, replacement.file, { body, ...pagesOf(context) })
        break
      case 'external':
        setHeaders(reply, replacement.headers)
        reply.redirect(replacement.url, replacement.status)
        break
      case 'error': {
        const { error } = replacement
        const page = replacement.intercepted ? undefined : pageFor(context, error)
        if (page !== undefined) {
          request.log.warn({ err: error }, error.message)
          sendReplacement(context, toPage(page, {}), body)
          return
        }
        setHeaders(reply, replacement.headers)
        if (error.statusCode === 404 && context.mount.hooks.onError === undefined) {
          // A 404 of the application is nothing to write home about.
          if (!(error instanceof FST_SCGI_INTERCEPTED)) request.log.warn({ err: error }, error.message)
          reply.callNotFound()
        } else {
          sendFailure(context, error)
        }
      }
    }
  } catch (error) {
    sendFailure(context, toError(error))
  }
}

/** What answers an error: the page of its status, or the error itself, which is another where the page cannot be had. */
export function answerTo (context: ReplyContext, error: unknown): { page: Replacement | undefined, failure: Error } {
  const { request, reply } = context
  const failure = toError(error)
  let page
  try {
    page = pageFor(context, failure)
  } catch (cause) {
    request.log.error({ err: failure }, failure.message)
    return { page: undefined, failure: toError(cause) }
  }
  if (page === undefined) return { page, failure }
  request.log.error({ err: failure }, failure.message)
  // What is left of a body that is refused must not be taken for the next request, whoever answers this one.
  return { page: toPage(page, reply.getHeader('connection') === 'close' ? { connection: 'close' } : {}), failure }
}

/** Sends an error, by the user's hook or by Fastify's error handler. */
export function sendFailure (context: ReplyContext, failure: Error): void {
  const { reply, sender, info: { cacheStatus }, mount: { cache, hooks: { onError } } } = context
  if (context.lastOfConnection && !isHttp2(reply.raw)) reply.header('connection', 'close')
  if (cache?.statusHeader !== undefined && cacheStatus !== undefined) addHeader(reply, cache.statusHeader, cacheStatus)
  const name = cache?.rules.cacheStatus
  if (name !== undefined && sender.cacheStatus !== undefined) reply.header('cache-status', sender.cacheStatus.statusMember(name))
  try {
    if (onError === undefined) {
      reply.send(failure)
      return
    }
    const result: unknown = onError(reply, { error: failure })
    onRejection(result, reply, cause => hookFailed(context, cause))
  } catch (cause) {
    hookFailed(context, cause)
  }
}

/**
 * The error page for an error; `undefined` if there is none, or this is the last.
 * @throws FST_SCGI_ERROR_PAGE, FST_SCGI_REDIRECT_TARGET
 */
function pageFor (context: ReplyContext, error: Error): FallbackPage | undefined {
  return pagesOf(context)?.pages.find(statusOf(error), context.request)
}

function pagesOf ({ mount, redirected }: ReplyContext): Required<Pick<FilterPlan, 'pages'>> | undefined {
  const { errorPages } = mount.response
  return errorPages === undefined || redirected?.lastPage === true ? undefined : { pages: errorPages }
}

/** The hook onError threw. */
function hookFailed ({ request, reply }: ReplyContext, cause: unknown): void {
  if (reply.sent || reply.raw.headersSent) {
    request.log.error({ err: cause }, 'the error could not be answered')
    breakOff(reply.raw)
  } else {
    reply.send(toError(cause))
  }
}

function setHeaders (reply: FastifyReply, headers: CarriedHeaders): void {
  for (const name in headers) reply.header(name, headers[name])
}
