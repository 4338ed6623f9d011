import { validateHeaderName, validateHeaderValue } from 'node:http'
import { ageOf, headOf } from '../cache/entry.ts'
import { hitMember } from '../cache/status-header.ts'
import { isMediaType } from '../http/media-type.ts'
import { isList } from '../http/lists.ts'
import { joinLists } from './header-lists.ts'
import { steer } from '../http/accel-headers.ts'
import type { CachePolicy } from '../cache/options.ts'
import type { SharedEntry } from '../cache/store-guard.ts'
import type { ReplySettings } from './settings.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

type Policy = CachePolicy<FastifyRequest>

/** Nothing in the options of a mount makes one reply with an entry another than the next. */
export function sendsAlike ({ response, hooks, preserveHeaderCase }: ReplySettings): boolean {
  return !response.forceRanges && response.clientLimitRate === undefined && hooks.rewriteHeaders === undefined && !preserveHeaderCase
}

/**
 * The head of an entry in memory as a mount sends it over HTTP/1 to those who ask for all of it: made once, and kept with the entry. Only
 * what changes with the time is written anew, once a second.
 */
export class ReadyHead {
  /** As it was stored. */
  readonly head: ResponseHead
  readonly #mount: ReplySettings
  /** `undefined` where the reply is not always the same, or cannot be sent. */
  readonly #headers: Record<string, string> | undefined
  readonly #hasLists: boolean
  /** What others have said before in Cache-Status. */
  readonly #earlier: string
  #age = -1
  #ttl = -Infinity

  private constructor (entry: SharedEntry, mount: ReplySettings) {
    const { value, size } = entry
    this.#mount = mount
    // All who are answered with it see this one in `request.scgi`.
    const head = this.head = Object.freeze(headOf(value, size))
    const headers = alike(head, mount)
    this.#headers = headers
    const { statusHeader } = mount.cache ?? {}
    this.#hasLists = headers !== undefined && (Object.keys(headers).some(isList) || (statusHeader !== undefined && isList(statusHeader)))
    const earlier = headers?.['cache-status']
    this.#earlier = earlier === undefined ? '' : `${earlier}, `
  }

  /** That of an entry; `undefined` if there cannot be one. */
  static of (entry: SharedEntry, mount: ReplySettings): ReadyHead | undefined {
    let { made } = entry
    if (!(made instanceof ReadyHead) || made.#mount !== mount) made = entry.made = new ReadyHead(entry, mount)
    return made instanceof ReadyHead && made.#headers !== undefined ? made : undefined
  }

  /**
   * Sets status and headers of a reply; the entry is fresh.
   * @param now by the clock of the cache
   */
  applyTo (reply: FastifyReply, { value }: SharedEntry, policy: Policy, now: number): void {
    const { head } = this
    const headers = this.#headers ?? {}
    const age = ageOf(value, Date.now())
    if (policy.age && age !== this.#age) headers['age'] = String(this.#age = age)
    const ttl = Math.floor((value.staleAt - now) / 1000)
    const name = policy.rules.cacheStatus
    if (name !== undefined && ttl !== this.#ttl) headers['cache-status'] = `${this.#earlier}${hitMember(name, this.#ttl = ttl)}`
    if (policy.statusHeader !== undefined) headers[policy.statusHeader] = 'HIT'
    reply.code(head.statusCode)
    if (head.statusMessage !== '') reply.raw.statusMessage = head.statusMessage
    if (!this.#hasLists) {
      reply.headers(headers)
      return
    }
    const joined = { ...headers }
    joinLists(reply, joined)
    reply.headers(joined)
  }
}

/** The headers of a reply, where it is always the same. */
function alike (head: ResponseHead, { filter, response }: ReplySettings): Record<string, string> | undefined {
  if (steer(head.headers, response.obeyed, undefined, () => ({})) !== undefined) return undefined
  const headers: Record<string, string> = {}
  const passed = filter.apply(head, false)
  try {
    validateHeaderValue('reason', head.statusMessage)
    for (const name in passed) {
      const value = passed[name]
      // Fastify adds to a list of cookies.
      if (typeof value !== 'string') return undefined
      validateHeaderName(name)
      validateHeaderValue(name, value)
      headers[name] = value
    }
  } catch {
    // Whoever sends it is told.
    return undefined
  }
  // Fastify gives it another type.
  return isMediaType(headers['content-type']) ? headers : undefined
}
