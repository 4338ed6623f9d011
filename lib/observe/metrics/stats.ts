import { Buckets } from './histogram.ts'

/** So many groups, and servers of all groups together, have series of their own: a function `upstreams` may make any number. */
const MAX_GROUPS = 500
const MAX_SERVERS = 2000
/** What is beyond that. */
const OTHER = '(other)'

const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

interface Count {
  readonly word: string
  value: number
}

/** Numbers by a word. The word that came last is known at once: mostly it comes again. */
export class Tally implements Iterable<Count> {
  readonly #counts = new Map<string, Count>()
  #latest: Count | undefined = undefined

  add (word: string, more = 1): void {
    let count = this.#latest
    if (count === undefined || count.word !== word) count = this.#latest = this.#of(word)
    count.value += more
  }

  [Symbol.iterator] (): Iterator<Count> {
    return this.#counts.values()
  }

  #of (word: string): Count {
    const known = this.#counts.get(word)
    if (known !== undefined) return known
    const made = { word, value: 0 }
    this.#counts.set(word, made)
    return made
  }
}

export function classOf (status: number): string {
  return CLASSES[Math.floor(status / 100) - 1] ?? '5xx'
}

/** What is counted of one server. */
export class ServerStats {
  readonly server: string
  readonly requests = new Tally()
  readonly attempts = new Tally()
  readonly failures = new Tally()
  readonly checks = new Tally()
  bytesSent = 0
  bytesReceived = 0
  readonly header: Buckets

  constructor (group: string, server: string, bounds: readonly number[]) {
    this.server = server
    this.header = new Buckets(bounds, { group, server })
  }
}

/** What is counted of one group, its servers included. */
export class GroupStats {
  readonly group: string
  /** Of requests that no server has answered. */
  readonly requests = new Tally()
  readonly retries = new Tally()
  readonly failures = new Tally()
  queued = 0
  readonly request: Buckets
  readonly connect: Buckets
  readonly response: Buckets
  readonly wait: Buckets
  readonly servers = new Map<string, ServerStats>()
  /** The server that was asked for last. */
  #latest: ServerStats | undefined = undefined

  constructor (group: string, bounds: readonly number[]) {
    this.group = group
    this.request = new Buckets(bounds, { group })
    this.connect = new Buckets(bounds, { group })
    this.response = new Buckets(bounds, { group })
    this.wait = new Buckets(bounds, { group })
  }

  find (server: string): ServerStats | undefined {
    if (this.#latest?.server === server) return this.#latest
    const found = this.servers.get(server)
    if (found !== undefined) this.#latest = found
    return found
  }

  remove (server: string): boolean {
    this.#latest = undefined
    return this.servers.delete(server)
  }
}

/** Everything that is counted, bounded whatever clients ask for. */
export class Stats {
  readonly groups = new Map<string, GroupStats>()
  readonly spooled = new Tally()
  readonly answers = new Map<string, Tally>()
  readonly #bounds: readonly number[]
  #servers = 0
  /** The group that was asked for last. */
  #latest: GroupStats | undefined = undefined

  constructor (bounds: readonly number[]) {
    this.#bounds = bounds
  }

  group (name: string): GroupStats {
    if (this.#latest?.group === name) return this.#latest
    const known = this.groups.get(name)
    if (known !== undefined) {
      this.#latest = known
      return known
    }
    if (this.groups.size >= MAX_GROUPS && name !== OTHER) return this.group(OTHER)
    const made = new GroupStats(name, this.#bounds)
    this.groups.set(name, made)
    return made
  }

  /** @param name as far as it is known to be a server of the group now */
  server (group: GroupStats, name: string): ServerStats {
    const known = group.find(name)
    if (known !== undefined) return known
    if (this.#servers >= MAX_SERVERS && name !== OTHER) return this.server(group, OTHER)
    const made = new ServerStats(group.group, name, this.#bounds)
    group.servers.set(name, made)
    this.#servers++
    return made
  }

  /** It has left its group: there is no more to tell of it. */
  remove (group: string, server: string): void {
    if (this.groups.get(group)?.remove(server) === true) this.#servers--
  }

  /** The answers of the DNS for a name. */
  answersFor (name: string): Tally {
    const known = this.answers.get(name)
    if (known !== undefined) return known
    if (this.answers.size >= MAX_GROUPS && name !== OTHER) return this.answersFor(OTHER)
    const made = new Tally()
    this.answers.set(name, made)
    return made
  }
}
