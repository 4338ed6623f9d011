import { Buffer } from 'node:buffer'
import { isConditional } from '../http/conditions.ts'
import { breakOff, clearHead, flushHead, isHttp2, isUnseen, onReplyClose, pendingBytes, resetIfDestroyed } from '../http/raw-reply.ts'
import { describe } from '../http/described.ts'
import { endWithBody } from '../http/body-failure.ts'
import { sendBytes } from '../http/send-bytes.ts'
import { leaveHead, onlyOwn } from '../http/route-hooks.ts'
import { setPlan, takePlan, type FilterPlan } from './plan.ts'
import { hookHeaders } from './response-headers.ts'
import { addOfCache, addsAlone, tellOfCache } from './cache-words.ts'
import { EntryBody } from './entry-body.ts'
import { handOver } from './hand-over.ts'
import { joined } from './joined.ts'
import { lastingPlan, planReply, type Lasting } from './reply-plan.ts'
import { watchClient } from './client-watch.ts'
import { addCookie, joinLists } from './header-lists.ts'
import { sendSwitch } from './switching.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { Readable } from 'node:stream'
import type { StatusTeller } from '../cache/status-header.ts'
import type { CachedEntry } from '../cache/entry.ts'
import type { ReplySettings } from './settings.ts'
import type { RedirectState } from '../http/redirect-state.ts'
import type { FileRequest } from './plan.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Who has the reply sent. */
export interface ReplyOwner {
  /** Entered where the client's connection tells something. */
  readonly context: AsyncResource
  /** The reply cannot be sent: the exchange is to end. */
  sendingFailed (): void
  /** Answers with an error instead; nothing of the reply has been sent. */
  sendError (error: unknown): void
  /** The application is closing: the connection ends with this reply. */
  readonly lastOfConnection: boolean
}

/** So much goes out at once, whatever the client does. */
const KERNEL_TAKES = 16_384

/** Sends what an application has answered: head and body in one piece, or as a stream. */
export class ReplySender {
  readonly #mount: ReplySettings
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #owner: ReplyOwner
  /** How the request came to the route, if by an internal redirect. */
  readonly redirected: RedirectState | undefined
  /** The client's conditions were not sent on: they are answered here. */
  ownConditions = false
  /** Who has to say what of the reply, for Cache-Status. */
  cacheStatus: StatusTeller | undefined
  /** A Set-Cookie header that is added to a server's reply, and to none of the cache's. */
  setCookie: string | undefined
  /** Age of the reply in seconds, where it comes from the cache. */
  #age: number | undefined
  /** The filters have something to do with the reply. */
  #planned = false
  /** Whether the reply is read ahead: what limits the client's rate needs it. */
  buffering = true

  constructor (
    mount: ReplySettings, request: FastifyRequest, reply: FastifyReply, redirected: RedirectState | undefined, owner: ReplyOwner
  ) {
    this.redirected = redirected
    this.#mount = mount
    this.#request = request
    this.#reply = reply
    this.#owner = owner
  }

  /**
   * A reply whose body is complete.
   * @returns Whether it is so large that it matters, and has left already: nobody has the memory of the pieces any more.
   */
  whole (head: ResponseHead, pieces: readonly Buffer[], length: number): boolean {
    const reply = this.#reply
    // What the user's hooks do or give may throw, and nobody above a socket's callback would catch it.
    try {
      this.#giveHead(head)
      const first = pieces[0]
      if (first === undefined) {
        // Of a HEAD or a 304 the length is the application's to tell; of anything else it is 0.
        if (head.contentLength >= 0 && head.statusCode !== 204 && (this.#request.method === 'HEAD' || head.statusCode === 304)) {
          reply.header('content-length', head.contentLength)
        }
        this.#send(head, undefined)
        return false
      }
      const whole = pieces.length === 1 ? first : joined(first, pieces, length)
      if (whole.length <= KERNEL_TAKES) {
        this.#send(head, whole)
        return false
      }
      const { raw } = reply
      const { socket } = this.#request.raw
      // Who wants to see one reply only is gone after it.
      const wasUnseen = isUnseen(raw, socket)
      const isOurs = this.#send(head, whole)
      // A client that has taken all at once, as most have room for, cannot be late.
      const hasLeft = raw.headersSent && pendingBytes(raw, socket) === 0
      if (!hasLeft) this.#watchClient()
      return hasLeft && isOurs && wasUnseen && isUnseen(raw, socket)
    } catch (error) {
      this.#failed(error)
      return false
    }
  }

  /** A reply whose body comes as a stream; it is destroyed where the reply cannot be sent. */
  stream (head: ResponseHead, body: Readable, onResponse: ReplySettings['hooks']['onResponse']): void {
    const reply = this.#reply
    resetIfDestroyed(reply.raw)
    endWithBody(body, reply.raw)
    try {
      const headers = this.#applyHead(head)
      if (head.contentLength >= 0 && head.statusCode !== 204) reply.header('content-length', head.contentLength)
      this.#watchClient()
      if (onResponse !== undefined) {
        describe(this.#request, reply, body, this.#spelling(head))
        this.#handOver(onResponse, { statusCode: head.statusCode, headers, body })
        return
      }
      // A head without a byte of body (server-sent events, a long poll) goes to the client now; but only when everything that
      // wants to change it has done so, that is when the body is being piped.
      reply.raw.once('pipe', () => this.#beginStream(body))
      this.#send(head, body)
    } catch (error) {
      this.#failed(error)
      body.destroy()
    }
  }

  /** A reply that the cache has kept. */
  entry (entry: CachedEntry): void {
    const request = this.#request
    const reply = this.#reply
    const { head } = entry
    const { headers: asked } = request
    try {
      this.#age = entry.age(Date.now())
      this.setCookie = undefined
      this.ownConditions = head.statusCode === 200
      const filtered = request.method === 'HEAD' || asked.range !== undefined || this.#mount.response.forceRanges || isConditional(request)
      if (filtered) {
        const body = new EntryBody(entry)
        this.#applyHead(head, { seekable: body })
        onReplyClose(reply.raw, request.raw.socket, () => body.close())
        this.#watchClient()
        this.#send(head, undefined)
        return
      }
      this.ownConditions = false
      const whole = entry.whole()
      if (whole === undefined) this.stream(head, entry.stream(), undefined)
      else this.whole(head, whole.length === 0 ? [] : [whole], whole.length)
    } catch (error) {
      entry.discard()
      this.#failed(error)
    }
  }

  /**
   * A reply whose body is a file; the filters open it.
   * @param fallback what answers where they cannot, and the request's body for that
   */
  file (head: ResponseHead, file: FileRequest, fallback: Pick<FilterPlan, 'pages' | 'body'>): void {
    try {
      this.#applyHead(head, { file, conditions: true, ranges: true, ...fallback })
      this.#watchClient()
      this.#send(head, undefined)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** The head of a 101; what follows it is not this class's. False if it cannot be sent. */
  switched (head: ResponseHead, cookie: string | undefined): boolean {
    try {
      sendSwitch(this.#mount, this.#request, this.#reply, head, cookie)
      return true
    } catch (error) {
      this.#owner.sendingFailed()
      this.#failed(error)
      return false
    }
  }

  /** True if nobody but us touches the body. */
  #send (head: ResponseHead, body: unknown): boolean {
    const spelling = this.#spelling(head)
    // What is complete, and what nobody but us touches any more, goes out as it is: most replies, and to describe them costs.
    const final = (body === undefined || Buffer.isBuffer(body)) && !this.#planned && spelling === undefined &&
      this.redirected === undefined && onlyOwn(this.#request)
    if (body === undefined && this.#request.method === 'HEAD') leaveHead(this.#request, this.#reply)
    if (!final) describe(this.#request, this.#reply, body, spelling)
    if (Buffer.isBuffer(body)) return sendBytes(this.#request, this.#reply, body) && final
    this.#reply.send(body)
    return final
  }

  #spelling (head: ResponseHead): ReadonlyMap<string, string> | undefined {
    const { preserveHeaderCase, filter } = this.#mount
    return preserveHeaderCase && !isHttp2(this.#reply.raw) ? filter.spelling(head) : undefined
  }

  /** Writes the head by itself: with the first piece of the body an error of Node.js about it would come where nobody catches it. */
  #beginStream (stream: Readable): void {
    const { raw } = this.#reply
    if (raw.headersSent) return
    try {
      if (stream.readableLength === 0) flushHead(raw)
      else raw.writeHead(raw.statusCode)
    } catch (error) {
      this.#request.log.error({ err: error }, 'the reply could not be sent')
      this.#owner.sendingFailed()
      breakOff(raw)
    }
  }

  /**
   * The reply could not even be begun: a hook threw, or gave what cannot be sent. To be called before its body is destroyed: that leaves the
   * client without an answer where the cache or the store still wants the reply.
   */
  #failed (error: unknown): void {
    const { raw } = this.#reply
    if (raw.headersSent || this.#reply.sent) {
      this.#request.log.error({ err: error }, 'the reply could not be sent')
      breakOff(raw)
      return
    }
    clearHead(this.#reply)
    if (this.redirected !== undefined) this.redirected.answered = false
    // What was planned was for the reply that failed.
    takePlan(this.#reply)
    this.#owner.sendError(error)
  }

  #handOver (onResponse: NonNullable<ReplySettings['hooks']['onResponse']>, response: Parameters<NonNullable<ReplySettings['hooks']['onResponse']>>[2]): void {
    const failed = (error: unknown): void => {
      this.#failed(error)
      response.body.destroy()
    }
    handOver(this.#reply, () => onResponse(this.#request, this.#reply, response), failed)
  }

  /** Status and headers of the reply, as far as the client gets them, and what the filters have to do. */
  #applyHead (head: ResponseHead, plan?: FilterPlan): Record<string, string | string[]> {
    const mount = this.#mount
    const request = this.#request
    const reply = this.#reply
    const http2 = request.raw.httpVersionMajor === 2
    let headers = mount.filter.apply(head, http2)
    if (mount.hooks.rewriteHeaders !== undefined) {
      headers = hookHeaders(mount.hooks.rewriteHeaders(headers, request), head.headers, http2)
    }
    if (this.setCookie !== undefined) addCookie(headers, this.setCookie)
    this.#beginHead(head, plan, http2)
    if (mount.cache !== undefined) tellOfCache(mount.cache, this.cacheStatus, this.#age, request.scgi, headers)
    joinLists(reply, headers)
    reply.headers(headers)
    return headers
  }

  /** The same without a plan, and without a table of headers where nobody sees it. */
  #giveHead (head: ResponseHead): void {
    const { hooks, cache, filter } = this.#mount
    const isSeen = hooks.rewriteHeaders !== undefined || this.setCookie !== undefined || (cache !== undefined && !addsAlone(cache, head))
    if (isSeen || this.#request.raw.httpVersionMajor === 2) {
      this.#applyHead(head)
      return
    }
    this.#beginHead(head, undefined, false)
    filter.give(head, this.#reply)
    if (cache !== undefined) addOfCache(cache, this.cacheStatus, this.#age, this.#reply)
  }

  /** What the filters have to do, and all of the head but its headers. */
  #beginHead (head: ResponseHead, given: FilterPlan | undefined, http2: boolean): void {
    const reply = this.#reply
    const plan = planReply(head, given, this.#mount, this.#request, this)
    this.#planned = plan !== undefined
    if (plan !== undefined) setPlan(reply, plan)
    reply.code(head.statusCode)
    if (!http2) {
      if (head.statusMessage !== '') reply.raw.statusMessage = head.statusMessage
      if (this.#owner.lastOfConnection) reply.header('connection', 'close')
    }
    if (this.redirected !== undefined) this.redirected.answered = true
  }

  /** What a reply says that an internal redirect answers: it holds for the reply of the target. */
  lasting (head: ResponseHead): Lasting {
    return lastingPlan(head, this.#mount.response)
  }

  /** A client that takes nothing for too long is cut off; one that merely waits for the application is not. */
  #watchClient (): void {
    const { clientSendTimeout } = this.#mount.response
    if (clientSendTimeout === 0) return
    watchClient(this.#request, this.#reply, clientSendTimeout, error => this.#owner.context.runInAsyncScope(this.#timedOut, this, error))
  }

  #timedOut (error: Error): void {
    this.#request.log.info({ err: error }, 'client timed out')
    this.#owner.sendingFailed()
    breakOff(this.#reply.raw)
  }
}
