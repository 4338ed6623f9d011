import { channel } from 'node:diagnostics_channel'
import type { ScgiChannels } from '../../types/diagnostics.ts'

/** A channel of node:diagnostics_channel, with the type of what is published on it. */
interface Typed<Message> {
  readonly hasSubscribers: boolean
  publish (message: Message): void
  subscribe (listener: Listener<Message>): void
  unsubscribe (listener: Listener<Message>): void
}

/** With a property of all functions TypeScript lets it stand where Node.js calls for a listener of anything. */
interface Listener<Message> {
  (message: Message, channel: string | symbol): void
  readonly name: string
}

/** What is published on one channel. Ask `hasSubscribers` before anything is made for it. */
class Topic<Name extends keyof ScgiChannels> {
  readonly #channel: Typed<ScgiChannels[Name]>

  constructor (name: Name) {
    this.#channel = channel(name)
  }

  get hasSubscribers (): boolean {
    return this.#channel.hasSubscribers
  }

  /** Never throws: what a subscriber throws Node.js tells the process, later. */
  publish (message: ScgiChannels[Name]): void {
    this.#channel.publish(message)
  }

  /** Returns what ends it. */
  subscribe (listener: (message: ScgiChannels[Name]) => void): () => void {
    this.#channel.subscribe(listener)
    return () => this.#channel.unsubscribe(listener)
  }
}

export const REQUEST_START = new Topic('fastify-scgi:request:start')
export const REQUEST_END = new Topic('fastify-scgi:request:end')
export const ATTEMPT_START = new Topic('fastify-scgi:attempt:start')
export const ATTEMPT_CONNECT = new Topic('fastify-scgi:attempt:connect')
export const ATTEMPT_HEAD = new Topic('fastify-scgi:attempt:head')
export const ATTEMPT_END = new Topic('fastify-scgi:attempt:end')
export const GROUP_REFUSED = new Topic('fastify-scgi:group:refused')
export const QUEUE_WAIT = new Topic('fastify-scgi:queue:wait')
export const QUEUE_LEAVE = new Topic('fastify-scgi:queue:leave')
export const CACHE_LOOKUP = new Topic('fastify-scgi:cache:lookup')
export const HEALTH_CHECK = new Topic('fastify-scgi:health:check')
export const DNS_ANSWER = new Topic('fastify-scgi:dns:answer')
export const SPOOL_WRITE = new Topic('fastify-scgi:spool:write')
export const SERVER_STATE = new Topic('fastify-scgi:server:state')
export const SERVER_ADDED = new Topic('fastify-scgi:server:added')
export const SERVER_REMOVED = new Topic('fastify-scgi:server:removed')
export const SERVER_WEIGHT = new Topic('fastify-scgi:server:weight')
export const SERVER_EDITED = new Topic('fastify-scgi:server:edited')
export const GROUP_BALANCE = new Topic('fastify-scgi:group:balance')
export const GROUP_OPTIONS = new Topic('fastify-scgi:group:options')
export const GROUP_RESOLVE = new Topic('fastify-scgi:group:resolve')
export const APPLICATION_PROCESS = new Topic('fastify-scgi:application:process')
export const APPLICATION_OUTPUT = new Topic('fastify-scgi:application:output')
