import { outside } from '../../runtime/context.ts'
import { Ended } from './ended.ts'
import { ChannelLog, isEvent, isLater } from './log.ts'
import { KEYS } from './values.ts'
import type { ChannelEvent, ChannelPresence, GroupChannel } from '../../../types/channel.ts'

/** A start waits no longer than so many milliseconds for what others know. */
const PATIENCE = 1000

export interface MembershipOptions {
  /** Name of the group. */
  readonly group: string
  readonly channel: GroupChannel
  /** Something that others have said holds from now on. */
  onEvent (event: ChannelEvent): void
  /** Whether this process leads, or who is there, may be other than before. */
  onChange (): void
}

/** One process's part in a group that it shares: what is known, who is there, and who leads. */
export class Membership {
  readonly #options: MembershipOptions
  readonly #log = new ChannelLog()
  readonly #process: string
  readonly #ended = new Ended(this)
  #presence: ChannelPresence
  #leave: (() => void) | undefined
  #joining: Promise<void> | undefined
  #joined = (): void => {}
  /** What others know was learnt, or nobody answers: in either case it can go on. */
  #settled = false
  /** What others know was learnt since the connection is established. */
  #synced = false
  #syncing = false

  constructor (options: MembershipOptions) {
    this.#options = options
    this.#presence = options.channel.presence()
    this.#process = this.#presence.process
  }

  get process (): string {
    return this.#process
  }

  get settled (): boolean {
    return this.#settled
  }

  /** What is said is heard by others. */
  get connected (): boolean {
    return this.#synced && this.#presence.connected
  }

  /** Those that have the group, in the order in which they came to the channel; as they were last while nobody can be heard. */
  get members (): readonly string[] {
    const there = this.#presence.members.filter(process => process === this.#process || this.get(KEYS.member(process))?.value === true)
    return there.includes(this.#process) ? there : [...there, this.#process]
  }

  /** It is for this process to ask the DNS, to check servers, and to share out limits. */
  get leads (): boolean {
    return this.#settled && (!this.connected || this.members[0] === this.#process)
  }

  /** It is for this process to remove what ended ones have said, and the others hear of it. */
  get removes (): boolean {
    return this.connected && this.leads
  }

  /** Those that are there, with the group or without. */
  get living (): readonly string[] {
    return [this.#process, ...this.#presence.members]
  }

  get (key: string): ChannelEvent | undefined {
    return this.#log.get(this.#options.group, key)
  }

  /** What is known, of all keys that begin like this, in the order in which it holds. */
  events (prefix: string): ChannelEvent[] {
    return this.#log.events(prefix)
  }

  /** Fulfilled when it is known what others know, or nobody answers. */
  join (): Promise<void> {
    this.#joining ??= new Promise<void>(resolve => {
      const timer = outside(() => setTimeout(() => this.#settle(), PATIENCE).unref())
      this.#joined = () => {
        clearTimeout(timer)
        resolve()
      }
      const { channel, group } = this.#options
      this.#leave = channel.subscribe(
        event => { if (event.group === group && isEvent(event)) this.#heard(event) },
        presence => this.#present(presence))
      this.#present(channel.presence())
    })
    return this.#joining
  }

  leave (): void {
    if (this.#leave === undefined) return
    // Who takes the lead may answer before this returns, and is not to be contradicted.
    this.#settled = this.#synced = false
    this.#ended.leave(this.#process)
    this.#leave()
    this.#leave = undefined
    this.#joining = undefined
    this.#joined()
  }

  /**
   * Something holds from now on.
   * @param milliseconds after which nobody needs it any more; `undefined` for never
   */
  say (key: string, value: unknown, milliseconds?: number): ChannelEvent {
    const { group, channel } = this.#options
    const event: ChannelEvent = {
      group,
      key,
      value,
      clock: this.#log.tick(),
      process: this.#process,
      ...(milliseconds === undefined ? undefined : { until: Date.now() + milliseconds }),
    }
    this.#log.merge(event)
    channel.publish(event)
    return event
  }

  #heard (event: ChannelEvent): void {
    if (!this.#log.merge(event)) return
    this.#options.onEvent(event)
    this.#ended.heard(event)
    if (!event.key.startsWith(KEYS.member(''))) return
    // It was taken for one that had ended: it stood still, or could not be reached.
    if (this.#synced && event.key === KEYS.member(this.#process) && event.value !== true) this.say(event.key, true)
    this.#changed()
  }

  #changed (): void {
    this.#options.onChange()
    this.#ended.changed()
  }

  #present (presence: ChannelPresence): void {
    this.#presence = presence
    if (!presence.connected) this.#synced = false
    else if (!this.#synced) void this.#sync()
    this.#changed()
  }

  /** Learns what others know, and tells them what they do not. */
  async #sync (): Promise<void> {
    if (this.#syncing) return
    this.#syncing = true
    try {
      const { group, channel } = this.#options
      const snapshot = await channel.snapshot()
      const known = new Map(snapshot.filter(event => isEvent(event) && event.group === group).map(event => [event.key, event]))
      if (this.#leave === undefined || !this.#presence.connected) return
      for (const event of [...known.values()].sort((one, other) => isLater(one, other) ? 1 : -1)) this.#heard(event)
      for (const event of this.#log.events()) {
        const theirs = known.get(event.key)
        if (theirs === undefined || isLater(event, theirs)) channel.publish(event)
      }
      this.#synced = true
      this.say(KEYS.member(this.#process), true)
      this.#settle()
    } catch {
      // Nobody answers: until somebody does this process goes on by itself.
      outside(() => setTimeout(() => this.#syncAgain(), PATIENCE).unref())
    } finally {
      this.#syncing = false
    }
  }

  #syncAgain (): void {
    if (this.#leave !== undefined && this.#presence.connected && !this.#synced) void this.#sync()
  }

  #settle (): void {
    if (this.#leave === undefined) return
    this.#settled = true
    this.#changed()
    this.#joined()
  }
}
