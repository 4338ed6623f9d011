import { performance } from 'node:perf_hooks'
import { redirectStateOf } from '../http/redirect-state.ts'
import { REQUEST_END, REQUEST_START } from '../runtime/diagnostics.ts'
import type { RequestMessage } from '../../types/diagnostics.ts'
import type { ScgiRequestInfo } from '../../types/request.ts'
import type { UpstreamServers } from '../../types/upstream.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** nginx's, for a client that went away before it was answered. */
const CLIENT_CLOSED = 499

/** What is told of a request. */
class RequestEvent implements RequestMessage {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly info: ScgiRequestInfo
  group: UpstreamServers | undefined = undefined
  statusCode: number | undefined = undefined
  duration: number | undefined = undefined
  readonly begun = performance.now()

  constructor (request: FastifyRequest, reply: FastifyReply, info: ScgiRequestInfo) {
    this.request = request
    this.reply = reply
    this.info = info
    REQUEST_START.publish(this)
  }

  ended (): void {
    this.duration = performance.now() - this.begun
    this.statusCode = this.#status()
    REQUEST_END.publish(this)
  }

  #status (): number {
    const { raw } = this.reply
    const { info } = this
    const redirected = redirectStateOf(this.request.raw)
    if (redirected !== undefined && redirected.hops > info.hop) {
      const own = info.head?.statusCode ?? info.attempts.at(-1)?.status
      if (own !== undefined) return own
    }
    return raw.headersSent ? raw.statusCode : CLIENT_CLOSED
  }
}

export type { RequestEvent }

/** Tells that a request has begun, where somebody listens. */
export function requestBegan (request: FastifyRequest, reply: FastifyReply, info: ScgiRequestInfo): RequestEvent | undefined {
  return REQUEST_START.hasSubscribers || REQUEST_END.hasSubscribers ? new RequestEvent(request, reply, info) : undefined
}
