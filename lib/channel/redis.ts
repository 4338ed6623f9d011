import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { FST_SCGI_CHANNEL, FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN } from '../errors.ts'
import { isEvent } from '../group/channel/log.ts'
import { isFunction, isRecord } from '../options/checks.ts'
import { parseTime, show } from '../options/units.ts'
import { Guard } from '../redis/guard.ts'
import { isRedisClient, type RedisClient } from '../redis/client.ts'
import { outside } from '../runtime/context.ts'
import { Batch } from './batch.ts'
import { Listeners } from './listeners.ts'
import { ALIVE, FORGET, LEAVE, PUBLISH } from './redis-scripts.ts'
import type { ChannelEvent, ChannelPresence, GroupChannel, RedisChannelOptions } from '../../types/channel.ts'

/** A process that has not been heard of for so many milliseconds has ended. */
const LEASE = 2000
/** What was said is kept for so many milliseconds after the last process has ended. */
const KEPT = 3_600_000
/** Fields that nobody needs any more are looked for so often, in milliseconds. */
const SWEEP = 60_000
/** Events of one command. */
const MOST = 500

/** The connection of a client that hears what is published. */
interface Subscriber {
  readonly status: string
  on (event: 'ready' | 'close', listener: () => void): unknown
  on (event: 'error', listener: (error: Error) => void): unknown
  on (event: 'message', listener: (channel: string, message: string) => void): unknown
  subscribe (channel: string): Promise<unknown>
  disconnect (): void
}

interface ChannelClient extends RedisClient {
  duplicate (options: object): Subscriber
}

/**
 * A channel between gateways that use the same Redis or Valkey, on one machine or several.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function redisChannel (options: RedisChannelOptions): GroupChannel {
  if (!isRecord(options)) throw new FST_SCGI_OPT_INVALID('redisChannel', show(options), '{ client }')
  for (const key of Object.keys(options)) {
    if (!['client', 'prefix', 'timeout'].includes(key)) throw new FST_SCGI_OPT_UNKNOWN(`redisChannel.${key}`, ': it has client, prefix, timeout')
  }
  const { client, prefix = 'fastify-scgi', timeout = 250 } = options
  if (!isChannelClient(client)) throw new FST_SCGI_OPT_INVALID('redisChannel.client', show(typeof client), "a client of 'iovalkey'")
  if (typeof prefix !== 'string' || prefix === '' || /[{}\s]/.test(prefix)) {
    throw new FST_SCGI_OPT_INVALID('redisChannel.prefix', show(prefix), 'a name without blanks and braces')
  }
  return new RedisChannel(client, `{${prefix}}:group`, parseTime('redisChannel.timeout', timeout))
}

function isChannelClient (value: unknown): value is ChannelClient {
  return isRedisClient(value) && 'duplicate' in value && isFunction(value.duplicate)
}

class RedisChannel implements GroupChannel {
  readonly #client: ChannelClient
  readonly #key: string
  readonly #timeout: number
  readonly #process = `${hostname().replace(/\s/g, '')}-${process.pid}-${randomUUID().slice(0, 8)}`
  readonly #listeners = new Listeners()
  readonly #batch = new Batch(events => { void this.#publish(events) })
  #guard: Guard | undefined
  #subscriber: Subscriber | undefined
  #timers: NodeJS.Timeout[] = []
  #members: readonly string[] = [this.#process]
  /** What others publish is heard. */
  #hears = false
  #connected = false
  #asking = false
  #again = false

  constructor (client: ChannelClient, key: string, timeout: number) {
    this.#client = client
    this.#key = key
    this.#timeout = timeout
  }

  publish (event: ChannelEvent): void {
    if (this.#connected) this.#batch.add(event)
  }

  subscribe (listener: (event: ChannelEvent) => void, onPresence?: (presence: ChannelPresence) => void): () => void {
    const end = this.#listeners.add(listener, onPresence)
    if (this.#listeners.size === 1) outside(() => this.#join())
    return () => {
      end()
      if (this.#listeners.size === 0) this.#leave()
    }
  }

  async snapshot (): Promise<readonly ChannelEvent[]> {
    if (this.#guard === undefined) throw new FST_SCGI_CHANNEL('nobody has subscribed')
    return (await this.#read(this.#guard)).events
  }

  presence (): ChannelPresence {
    return { process: this.#process, members: this.#members, connected: this.#connected }
  }

  #join (): void {
    this.#guard = new Guard({
      client: this.#client,
      owned: false,
      timeout: this.#timeout,
      failure: reason => new FST_SCGI_CHANNEL(reason),
      meanwhile: 'each process goes on by itself',
      onWarning: error => {
        process.emitWarning(error)
        this.#lose()
      },
    })
    const subscriber = this.#subscriber = this.#client.duplicate({
      autoResubscribe: false, enableOfflineQueue: false, maxRetriesPerRequest: 0,
    })
    // The guard has the word for both.
    subscriber.on('error', () => {})
    subscriber.on('ready', () => { void this.#hear(subscriber) })
    subscriber.on('close', () => {
      this.#hears = false
      this.#lose()
    })
    subscriber.on('message', (_channel, message) => this.#heard(message))
    this.#timers = [
      setInterval(() => { void this.#alive() }, LEASE / 4).unref(),
      setInterval(() => { void this.#sweep() }, SWEEP).unref(),
    ]
  }

  async #hear (subscriber: Subscriber): Promise<void> {
    try {
      await subscriber.subscribe(this.#key)
    } catch {
      // Its connection is gone again; when there is another one it is told to.
      return
    }
    if (subscriber !== this.#subscriber) return
    this.#hears = true
    await this.#alive()
  }

  #leave (): void {
    for (const timer of this.#timers) clearInterval(timer)
    const guard = this.#guard
    this.#subscriber?.disconnect()
    this.#guard = this.#subscriber = undefined
    this.#hears = this.#connected = false
    this.#members = [this.#process]
    const last = this.#batch.take()
    if (guard === undefined) return
    this.#publish(last, guard).then(() => guard.run(LEAVE, this.#key, this.#process)).catch(() => {}).finally(() => guard.close())
  }

  #heard (message: string): void {
    if (message === 'members') {
      void this.#alive()
      return
    }
    let events: unknown
    try {
      events = JSON.parse(message)
    } catch {
      // Of somebody else who uses the name.
      return
    }
    if (Array.isArray(events)) for (const event of events) if (isEvent(event)) this.#listeners.event(event)
  }

  async #alive (): Promise<void> {
    const guard = this.#guard
    if (this.#asking) this.#again = true
    if (guard === undefined || !this.#hears || this.#asking || !guard.isAvailable) return
    this.#asking = true
    this.#again = false
    try {
      const answer = await guard.run(ALIVE, this.#key, this.#process, LEASE, KEPT)
      if (guard !== this.#guard || !this.#hears || !Array.isArray(answer)) return
      const members = answer.map(String)
      const same = this.#connected && members.join() === this.#members.join()
      this.#members = members
      this.#connected = true
      if (!same) this.#listeners.presence(this.presence())
    } catch {
      this.#lose()
    } finally {
      this.#asking = false
    }
    // Somebody has come or gone while it was asked.
    if (this.#again) void this.#alive()
  }

  #lose (): void {
    if (!this.#connected) return
    this.#connected = false
    this.#listeners.presence(this.presence())
  }

  async #publish (events: readonly ChannelEvent[], guard = this.#guard): Promise<void> {
    if (guard === undefined) return
    try {
      for (let from = 0; from < events.length; from += MOST) {
        const some = events.slice(from, from + MOST)
        await guard.run(PUBLISH, this.#key, ...some.flatMap(event => [fieldOf(event), event.clock, event.process, JSON.stringify(event)]))
      }
    } catch {
      // Made up for by who has said it, when the channel is back.
      this.#lose()
    }
  }

  async #read (guard: Guard): Promise<{ events: ChannelEvent[], over: string[] }> {
    const answer = await guard.command('HGETALL', this.#key)
    const events: ChannelEvent[] = []
    /** Fields and their values. */
    const over: string[] = []
    if (!Array.isArray(answer)) return { events, over }
    const now = Date.now()
    for (let index = 0; index + 1 < answer.length; index += 2) {
      const [field, text] = [String(answer[index]), String(answer[index + 1])]
      const event = eventOf(text)
      if (event === undefined || (event.until !== undefined && event.until <= now)) over.push(field, text)
      else events.push(event)
    }
    return { events, over }
  }

  /** The process that has been there for longest does it for all. */
  async #sweep (): Promise<void> {
    const guard = this.#guard
    if (guard === undefined || !this.#connected || this.#members[0] !== this.#process) return
    try {
      const { over } = await this.#read(guard)
      for (let from = 0; from < over.length; from += 2 * MOST) {
        await guard.run(FORGET, this.#key, ...over.slice(from, from + 2 * MOST))
      }
    } catch {
      // The next time.
    }
  }
}

function fieldOf ({ group, key }: ChannelEvent): string {
  return `${group}\0${key}`
}

function eventOf (text: string): ChannelEvent | undefined {
  try {
    const event: unknown = JSON.parse(text.slice(text.indexOf('{')))
    return isEvent(event) ? event : undefined
  } catch {
    return undefined
  }
}
