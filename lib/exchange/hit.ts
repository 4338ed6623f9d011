import { breakOff, clearHead, endAfter } from '../http/raw-reply.ts'
import { CACHE_LOOKUP } from '../runtime/diagnostics.ts'
import { clientAddress } from '../http/client-address.ts'
import { ended, type GatewayState, type Running } from './drain.ts'
import { GatewayExchange } from './exchange.ts'
import { pace } from '../inbound/pace.ts'
import { requestBegan, type RequestEvent } from './request-event.ts'
import { RequestInfo } from './info.ts'
import { sendBytes } from '../http/send-bytes.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { Found } from './hits.ts'
import type { Group } from '../balancer/group.ts'
import type { Service } from './service.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What all hits tell of the cache. */
const HIT = { status: 'HIT' } as const

/** A request that is answered with an entry in memory, before anything is made that only a server is asked with. */
class Hit implements Running {
  place = -1
  readonly #state: GatewayState
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #event: RequestEvent | undefined

  constructor (state: GatewayState, request: FastifyRequest, reply: FastifyReply, event: RequestEvent | undefined) {
    this.#state = state
    this.#request = request
    this.#reply = reply
    this.#event = event
  }

  begin (): void {
    this.#reply.raw.on('close', this.#closed)
    this.#state.running.add(this)
  }

  /** Somebody else answers. */
  giveUp (): void {
    this.#reply.raw.off('close', this.#closed)
    this.#state.running.delete(this)
  }

  cut (): void {
    breakOff(this.#reply.raw)
  }

  closing (): void {
    endAfter(this.#reply.raw, this.#request.raw.socket)
  }

  readonly #closed = (): void => {
    const { raw } = this.#request
    const state = this.#state
    if (raw.complete) pace.answered(raw.socket, state.running.size)
    ended(state, this)
    this.#event?.ended()
  }
}

/** Answers a request with what the cache of its service has in memory. */
export function answerHit (
  service: Service, found: Found, state: GatewayState, group: Group<Endpoint>, request: FastifyRequest, reply: FastifyReply
): void {
  const info = request.scgi = new RequestInfo(undefined)
  info.clientAddress = clientAddress(request)
  pace.began(state.running.size)
  const event = requestBegan(request, reply, info)
  if (event !== undefined) event.group = group
  info.cache = HIT
  info.head = found.head.head
  const hit = new Hit(state, request, reply, event)
  hit.begin()
  tell(found)
  try {
    found.head.applyTo(reply, found.entry, found.policy, found.now)
    sendBytes(request, reply, found.body)
  } catch (error) {
    failed(error, hit, service, state, request, reply, event)
  }
}

function tell ({ zone, key }: Found): void {
  if (CACHE_LOOKUP.hasSubscribers) CACHE_LOOKUP.publish({ cache: zone, key, status: 'HIT' })
  zone.count('HIT')
}

/** A hook before has set what cannot be sent. */
function failed (
  error: unknown, hit: Hit, service: Service, state: GatewayState, request: FastifyRequest, reply: FastifyReply,
  event: RequestEvent | undefined
): void {
  if (reply.raw.headersSent || reply.sent) {
    request.log.error({ err: error }, 'the reply could not be sent')
    breakOff(reply.raw)
    return
  }
  clearHead(reply)
  hit.giveUp()
  new GatewayExchange(service, state, request, reply, event).answerError(error)
}
