import { BufferedReply } from '../reply/buffered-reply.ts'
import { giveBackRoom } from '../bytes/rooms.ts'
import { CLIENT, type UpstreamSide } from './upstream-side.ts'
import { replacementFor, type Replacement } from './replacement.ts'
import { endAfter, isGone, offSocketClose, onSocketClose } from '../http/raw-reply.ts'
import { pace } from '../inbound/pace.ts'
import { obeyedWish, STEERING } from '../http/accel-headers.ts'
import { REPLYING } from './phase.ts'
import { requestBegan, type RequestEvent } from './request-event.ts'
import { ReplySender, type ReplyOwner } from '../reply/sender.ts'
import { ReplyStream, type ReplySource } from '../reply/reply-stream.ts'
import { Tunnel } from './tunnel.ts'
import { upgradeOf } from '../inbound/upgrades.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { Exchanging } from './exchanging.ts'
import type { GatewayState } from './drain.ts'
import type { ReplyContext } from './answer.ts'
import type { Mount } from './mount.ts'
import type { RedirectState } from '../http/redirect-state.ts'
import type { RequestInfo } from './info.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Bytes of a reply that are held back at most while it may still prove complete. */
const WHOLE_LIMIT = 131_072
const NONE: Buffer[] = []

/**
 * The side of the client: what it gets, and what it says. A reply that is complete within two turns of the event loop goes out whole, with
 * its length; any other goes out as a stream.
 */
export class ReplySide implements ReplySource, ReplyOwner, ReplyContext {
  readonly mount: Mount
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly redirected: RedirectState | undefined
  readonly info: RequestInfo
  readonly sender: ReplySender
  head: ResponseHead | undefined
  /** After a 101. */
  tunnel: Tunnel | undefined
  /** Whether there is more for it: it listens, has all that it gets, or has taken its reply or gone. */
  client: 'listening' | 'satisfied' | 'gone' = 'listening'
  /** What is told of the request, where somebody listens. */
  event: RequestEvent | undefined
  readonly #exchange: Exchanging
  readonly #state: GatewayState
  readonly #upstream: UpstreamSide
  /** Pieces of the body, until it is known whether they are all. */
  #pieces = NONE
  #collected = 0
  /** The last bytes of a body, until it is stored. */
  #tail: Buffer | undefined
  #turns = 0
  #stream: ReplyStream | BufferedReply | undefined

  constructor (
    exchange: Exchanging, mount: Mount, state: GatewayState, upstream: UpstreamSide, reply: FastifyReply,
    redirected: RedirectState | undefined, info: RequestInfo
  ) {
    const { request } = reply
    this.#exchange = exchange
    this.#state = state
    this.#upstream = upstream
    this.mount = mount
    this.request = request
    this.reply = reply
    this.redirected = redirected
    this.info = info
    this.sender = new ReplySender(mount, request, reply, redirected, this)
  }

  get context (): AsyncResource {
    return this.#exchange.context
  }

  get lastOfConnection (): boolean {
    return this.#state.closing
  }

  /** Calls back when the client has taken its reply, or is gone. False if it is gone already: while an asynchronous hook ran, say. */
  watch (closed: () => void, event?: RequestEvent): boolean {
    const { raw } = this.reply
    const { socket } = this.request.raw
    if (isGone(raw) || socket.destroyed) {
      this.client = 'gone'
      return false
    }
    pace.began(this.#state.running.size)
    this.event = event ?? requestBegan(this.request, this.reply, this.info)
    raw.on('close', closed)
    // A pipelined request waits for its turn, and until then its reply does not hear of the connection.
    if (raw.socket === null) onSocketClose(socket, closed)
    return true
  }

  /** It has called back. */
  gone (closed: () => void): void {
    const { raw } = this.request
    offSocketClose(raw.socket, closed)
    this.client = 'gone'
    // What a client is still sending is read in any case.
    if (this.tunnel === undefined && raw.httpVersionMajor === 1 && raw.complete) pace.answered(raw.socket, this.#state.running.size)
  }

  // --- the reply ---

  /** What answers instead of the body of a reply, if anything. */
  replacementOf (head: ResponseHead): Replacement | undefined {
    const { request, mount: { response, filter } } = this
    return replacementFor(head, response, request, this.info.address, () => filter.apply(head, request.raw.httpVersionMajor === 2))
  }

  /**
   * The head is there, and the client gets the body that follows: whole, or as it comes.
   * @param whole it follows at once: there is nothing to wait for
   */
  begin (whole: boolean): void {
    const { onResponse } = this.mount.hooks
    if (onResponse !== undefined) this.#startStream(onResponse)
    else if (!whole && this.sender.buffering) setImmediate(turn, this)
    else if (!whole) process.nextTick(turn, this)
  }

  /** One turn of the event loop after the head, or two: if the body has not ended by now it is sent as it comes. */
  turn (): void {
    if (this.#exchange.phase !== REPLYING || this.#stream !== undefined) return
    if (this.sender.buffering && this.#turns++ === 0) setImmediate(turn, this)
    else this.#startStream()
  }

  /** True if the client has got the piece, and its memory is free. */
  data (chunk: Buffer): boolean {
    if (this.#stream !== undefined) return this.#stream.feed(chunk)
    this.#collect(chunk)
    if (this.#collected > WHOLE_LIMIT) this.#startStream()
    return false
  }

  /** The last piece of a body that is being stored: the client gets it when the file is in its place. */
  keep (tail: Buffer): void {
    this.#tail = tail
  }

  /** The body is complete, and so is what the client gets. */
  finish (): void {
    if (this.client !== 'listening') return
    const tail = this.#tail
    if (this.#stream !== undefined) {
      if (tail !== undefined) this.#stream.feed(tail)
      this.#stream.finish()
    } else if (this.head !== undefined && !this.reply.sent) {
      if (tail !== undefined) this.#collect(tail)
      const hasLeft = this.sender.whole(this.head, this.#pieces, this.#collected)
      if (hasLeft) this.#free()
    }
  }

  /** The head was good, and nobody can take it back: the client gets what there is, and a connection that breaks off. */
  fail (error: Error): void {
    if (this.tunnel !== undefined) {
      this.request.log.info({ err: error }, error.message)
      this.tunnel.cut()
      return
    }
    if (this.client !== 'listening') return
    if (this.#stream === undefined) this.#startStream()
    this.#stream?.fail(error)
  }

  /** The client gets no more of it, though more may come. */
  drop (): void {
    this.#pieces = NONE
    if (this.client === 'listening') this.client = 'satisfied'
  }

  /** It is gone, and the exchange knows. */
  closed (): void {
    // Of a pipelined request nobody else hears that its connection ended.
    this.#stream?.destroy()
    this.event?.ended()
    this.event = undefined
  }

  /** A connection that was promised to be kept is not. */
  closing (): void {
    endAfter(this.reply.raw, this.request.raw.socket)
  }

  // --- another protocol ---

  /** The head of a 101 is there. */
  openTunnel (head: ResponseHead): void {
    const { pass } = this.#upstream
    const upgrade = upgradeOf(this.request.raw)
    if (this.client !== 'listening' || this.reply.sent || upgrade === undefined || pass === undefined) {
      this.#exchange.sendingFailed()
      return
    }
    this.tunnel = new Tunnel(upgrade, this.reply.raw, pass, this.mount.response.clientSendTimeout, error => {
      this.request.log.info({ err: error }, 'client timed out')
      this.#exchange.cut()
    })
    if (this.sender.switched(head, pass.setCookie)) this.tunnel.open()
    else this.tunnel = undefined
  }

  // --- what the client says, and who sends to it ---

  resume (): void {
    this.#upstream.release(CLIENT)
  }

  pause (): void {
    if (this.client === 'listening') this.#upstream.hold(CLIENT)
  }

  abandon (): void {
    this.#exchange.abandon()
  }

  sendingFailed (): void {
    this.#exchange.sendingFailed()
  }

  sendError (error: unknown): void {
    // It ends for everybody: who waits for the cache asks anew.
    this.#upstream.abort()
    this.#exchange.answerError(error)
  }

  #collect (chunk: Buffer): void {
    if (this.#pieces === NONE) this.#pieces = [chunk]
    else this.#pieces.push(chunk)
    this.#collected += chunk.length
  }

  /** The client has the body, and we have its memory. */
  #free (): void {
    const { cache, store } = this.mount
    const first = this.#pieces[0]
    this.#pieces = NONE
    if (cache === undefined && store === undefined && first !== undefined) giveBackRoom(first)
  }

  #startStream (onResponse?: Mount['hooks']['onResponse']): void {
    const { head } = this
    const exchange = this.#exchange
    if (head === undefined || this.reply.sent) {
      exchange.sendingFailed()
      return
    }
    const { buffering: limits } = this.mount
    // A slow client is not to hold up the file that others wait for.
    const buffering = exchange.isKept ? { ...limits, maxTempFileSize: Infinity } : limits
    const stream = this.#stream = this.sender.buffering
      ? new BufferedReply(this, buffering, error => exchange.context.runInAsyncScope(this.#spoolFailed, this, error))
      : new ReplyStream(this, buffering.bufferSize)
    for (const piece of this.#pieces) stream.feed(piece)
    this.#pieces = NONE
    this.sender.stream(head, stream, onResponse)
  }

  #spoolFailed (error: Error): void {
    this.request.log.error({ err: error }, error.message)
    this.#exchange.sendingFailed()
  }
}

/** A reply is read ahead of its client, by the options or by its own word. */
export function isBuffered (head: ResponseHead, { buffering, response }: Mount): boolean {
  return obeyedWish(STEERING.buffering, head.headers[STEERING.buffering.name], response.obeyed) ?? buffering.enabled
}

function turn (side: ReplySide): void {
  side.turn()
}
