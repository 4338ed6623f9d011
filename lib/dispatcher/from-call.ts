import { errors } from 'undici'
import { NGINX_PATHS } from '../routing/canonical-path.ts'
import { FastifyView } from '../request/view.ts'
import { redirectStateOf } from '../http/redirect-state.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { DispatchOptions } from '../../types/dispatcher.ts'

/** Where the headers of a request carry it through @fastify/reply-from to the dispatcher, which does not see the key. */
export const CALL = Symbol('fastify-scgi.call')
const WHOLE_PATH = { segments: 0, rules: NGINX_PATHS, rewritePrefix: '' }

/** One call of `reply.from()`. */
export class Call {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly view: FastifyView
  /** The path as the dispatcher shall read it, where a URL would read it otherwise. */
  path: string | undefined
  /** A Set-Cookie header for the reply. */
  setCookie: string | undefined
  /** Reason phrase of the reply; empty where there is none. */
  phrase = ''

  constructor (reply: FastifyReply) {
    this.request = reply.request
    this.reply = reply
    // Addresses are gone with the client's connection.
    this.view = new FastifyView(reply.request, WHOLE_PATH, redirectStateOf(reply.request.raw))
    this.view.takeServer(reply.request.raw)
  }

  static of ({ headers }: DispatchOptions): Call {
    const call: unknown = typeof headers === 'object' && headers !== null ? Reflect.get(headers, CALL) : undefined
    if (call instanceof Call) return call
    throw new errors.InvalidArgumentError('this dispatcher serves reply.from() alone')
  }
}
