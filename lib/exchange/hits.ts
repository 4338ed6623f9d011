import { isGone } from '../http/raw-reply.ts'
import { onlyOwn } from '../http/route-hooks.ts'
import { ReadyHead, sendsAlike } from '../reply/ready-head.ts'
import { redirectStateOf } from '../http/redirect-state.ts'
import type { CachePolicy } from '../cache/options.ts'
import type { CacheZone } from '../cache/zone.ts'
import type { Mount } from './mount.ts'
import type { SharedEntry } from '../cache/store-guard.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Headers that make of a request something else than one for all of what its URL stands for, from the cache if it is there. */
const ASKS_MORE = new Set([
  'range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'cache-control', 'pragma', 'upgrade',
  'content-length', 'transfer-encoding',
])
/** Of a longer body it must be watched whether the client takes it. */
const LONGEST_BODY = 16_384
/** So many URLs are known, */
const MOST_URLS = 10_000
/** and none that is longer, or is for a longer host. */
const LONGEST_URL = 512

/** An entry that answers a request. */
export interface Found {
  readonly policy: CachePolicy<FastifyRequest>
  readonly zone: CacheZone
  readonly key: string
  readonly entry: SharedEntry
  readonly head: ReadyHead
  readonly body: Buffer
  readonly now: number
}

/**
 * The short way to what the cache of a mount has in memory. What a URL is in the cache, and that it may be served, need not be found out for
 * each request that is like one before.
 */
export class Hits {
  readonly #policy: CachePolicy<FastifyRequest>
  readonly #zone: CacheZone
  readonly #mount: Mount
  /** Cache keys by URL, by Host, by scheme. */
  readonly #keys = { http: new Map<string, Map<string, string>>(), https: new Map<string, Map<string, string>>() }
  #size = 0

  private constructor (mount: Mount, policy: CachePolicy<FastifyRequest>, zone: CacheZone) {
    this.#mount = mount
    this.#policy = policy
    this.#zone = zone
  }

  /** That of a mount; `undefined` if its options let nothing be known beforehand, or its cache is not in memory. */
  static of (mount: Mount): Hits | undefined {
    const { cache, hooks } = mount
    const zone = cache?.isDefault === true && hooks.rewriteRequestHeaders === undefined ? cache.zone : undefined
    if (cache === undefined || zone?.guard.finds !== true || !sendsAlike(mount)) return undefined
    return new Hits(mount, cache, zone)
  }

  /** A request was answered with a fresh entry: those that are spelt alike are for the same. */
  remember (request: FastifyRequest, key: string): void {
    const { raw, protocol: scheme } = request
    const { url } = raw
    const host = hostOf(request)
    if (url === undefined || url.length > LONGEST_URL || url !== request.originalUrl) return
    if (host === undefined || host.length > LONGEST_URL) return
    if ((scheme !== 'http' && scheme !== 'https') || redirectStateOf(raw) !== undefined) return
    const hosts = this.#keys[scheme]
    if (this.#size >= MOST_URLS) this.#forget()
    let urls = hosts.get(host)
    if (urls === undefined) hosts.set(host, urls = new Map())
    if (!urls.has(url)) this.#size++
    urls.set(url, key)
  }

  /** The entry for a request; `undefined` where there is none, or the request goes the whole way. */
  find (request: FastifyRequest, reply: FastifyReply): Found | undefined {
    const { raw } = request
    const key = this.#keyOf(request)
    if (key === undefined || !isPlain(request) || isLost(request, reply) || !onlyOwn(request)) return undefined
    const zone = this.#zone
    const { guard, commits } = zone
    if (redirectStateOf(raw) !== undefined || commits.isRunning(key)) return undefined
    const entry = guard.find(zone.origin, key)
    if (entry?.body === undefined || entry.size === 0 || entry.size > LONGEST_BODY) return undefined
    const { value: { staleAt, deleteAt }, body } = entry
    const now = zone.clock.now()
    if (staleAt < now || deleteAt <= now) return undefined
    const head = ReadyHead.of(entry, this.#mount)
    return head === undefined ? undefined : { policy: this.#policy, zone, key, entry, head, body, now }
  }

  #keyOf (request: FastifyRequest): string | undefined {
    const { url } = request.raw
    const host = hostOf(request)
    if (this.#size === 0 || url === undefined || host === undefined || request.originalUrl !== url) return undefined
    const { protocol: scheme } = request
    return scheme === 'http' || scheme === 'https' ? this.#keys[scheme].get(host)?.get(url) : undefined
  }

  #forget (): void {
    this.#keys.http.clear()
    this.#keys.https.clear()
    this.#size = 0
  }
}

/** The Host header, where no proxy has another word for it. */
function hostOf (request: FastifyRequest): string | undefined {
  const { host } = request.raw.headers
  return request.host === host ? host : undefined
}

/** It asks for a whole reply, and has no body. */
function isPlain (request: FastifyRequest): boolean {
  const { raw, body } = request
  const { method, httpVersionMajor, headers } = raw
  // Hooks may have added to them.
  if (method !== 'GET' || httpVersionMajor !== 1 || request.headers !== headers || (body !== undefined && body !== null)) return false
  for (const name in headers) if (ASKS_MORE.has(name)) return false
  return true
}

/** Its client has gone, or has the reply to an earlier request still to come. */
function isLost ({ raw: { socket } }: FastifyRequest, { raw }: FastifyReply): boolean {
  return raw.socket === null || isGone(raw) || socket.destroyed
}
