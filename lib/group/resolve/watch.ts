import { DNS_ANSWER } from '../../runtime/diagnostics.ts'
import type { Timers } from '../../runtime/timers.ts'
import type { Questions, ServiceRecord } from './resolver.ts'

/** A name whose servers are to be known. */
export interface WatchedName {
  /** Host name; with `service` the name that the service's is put before. */
  readonly host: string
  /** Full name of the SRV records to ask for; `undefined` asks for the addresses of `host`. */
  readonly service: string | undefined
  readonly port: number
}

/** A server that the DNS knows of. */
export interface Found {
  /** IP literal. */
  readonly host: string
  readonly port: number
  /** Weight of its SRV record, 1 where that says 0; `undefined` without one. */
  readonly weight: number | undefined
  /** Its SRV record is not of the first priority there is. */
  readonly backup: boolean
}

export interface WatchOptions {
  readonly questions: Questions
  readonly timers: Timers
  /** Milliseconds for which an answer holds; `undefined` leaves it to the answer. */
  readonly ttl: number | undefined
  /** Kinds of addresses that are asked for. Default: both. */
  readonly families?: readonly Family[] | undefined
  /** The servers are others than before. */
  onChange (found: readonly Found[]): void
  /** The DNS gives no answer any more; told once, until it gives one again. */
  onFailure (reason: string, known: number): void
  /** The DNS answers again. */
  onRecovery (): void
}

export type Family = 4 | 6

const BOTH: readonly Family[] = [4, 6]
/** An answer that does not hold even that long is asked for no more often. */
const LEAST_TTL = 1000
/** DNS servers keep answers for days at most; a longer TTL is a mistake. */
const MOST_TTL = 86_400_000
const FIRST_RETRY = 1000
const LAST_RETRY = 30_000
/** Where one family has an answer, so many milliseconds are waited for the other; what comes later is taken when it comes. */
const GRACE = 100

/**
 * Keeps the servers of a name: asks when the answer before has run out, and after a failure in 1 s, 2 s, 4 s ... 30 s. Of each
 * question the last good answer stays in use as long as there is no other, so that a DNS server that is down, or has lost a zone,
 * takes no server out.
 */
export class NameWatch {
  readonly #name: WatchedName
  readonly #options: WatchOptions
  #knowledge: Knowledge = { hosts: new Map(), services: undefined }
  #found: readonly Found[] = []
  #failures = 0
  #failure: string | undefined
  #nextAt: number | undefined
  #running: Promise<void> | undefined
  /** The one that was begun last. */
  #latest: Round | undefined
  #cancel: (() => void) | undefined
  #stopped = false

  constructor (name: WatchedName, options: WatchOptions) {
    this.#name = name
    this.#options = options
  }

  /** The servers as they are known. */
  get found (): readonly Found[] {
    return this.#found
  }

  /** When it is asked again, in milliseconds since the epoch; `undefined` while the first answer is to come. */
  get nextAt (): number | undefined {
    return this.#nextAt
  }

  /** Why there was no answer the last time. */
  get failure (): string | undefined {
    return this.#failure
  }

  /** Asks now, or waits for the answers that are on their way, and again when they have run out. Never rejected. */
  refresh (): Promise<void> {
    this.#running ??= this.#round().finally(() => { this.#running = undefined })
    return this.#running
  }

  /** Asks no more. */
  stop (): void {
    this.#stopped = true
    this.#cancel?.()
  }

  async #round (): Promise<void> {
    this.#cancel?.()
    const round = this.#latest = new Round(this.#options, this.#knowledge, late => this.#late(round, late))
    const begun = DNS_ANSWER.hasSubscribers ? performance.now() : undefined
    await round.ask(this.#name)
    round.isOver = true
    if (this.#stopped) return
    const { failure } = round
    const found = serversOf(this.#name, round)
    // Questions of which none has led to a server: what was known says more.
    const lost = failure !== undefined && found.length === 0 && this.#found.length > 0
    if (!lost) this.#knowledge = round
    if (begun !== undefined) this.#tell(failure, lost ? this.#found.length : found.length, performance.now() - begun)
    if (failure === undefined) this.#succeeded()
    else this.#failed(failure, lost ? this.#found.length : found.length)
    const ttl = Math.min(MOST_TTL, Math.max(LEAST_TTL, this.#options.ttl ?? round.ttl))
    const wait = failure === undefined ? ttl : Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (this.#failures - 1))
    this.#failure = failure
    this.#nextAt = Date.now() + wait
    this.#cancel = this.#options.timers.after(wait, () => { void this.refresh() })
    if (!lost) this.#changed(found)
  }

  /** One family's answer that was not waited for. The round may still be waiting for those of another name. */
  #late (round: Round, { key, code, hosts }: FamilyAnswer): void {
    // A later round has an answer of its own, or waits for this one.
    if (this.#stopped || round !== this.#latest) return
    if (code !== undefined && !NONE.has(code)) return
    const known = round.isOver ? this.#knowledge : round
    if (!known.hosts.has(key)) return
    known.hosts.set(key, code === undefined ? hosts : [])
    if (round.isOver) this.#changed(serversOf(this.#name, this.#knowledge))
  }

  #changed (found: readonly Found[]): void {
    if (same(found, this.#found)) return
    this.#found = found
    this.#options.onChange(found)
  }

  #tell (reason: string | undefined, found: number, duration: number): void {
    DNS_ANSWER.publish({ name: this.#name.service ?? this.#name.host, reason, found, duration })
  }

  #succeeded (): void {
    const failed = this.#failures > 0
    this.#failures = 0
    if (failed) this.#options.onRecovery()
  }

  #failed (reason: string, known: number): void {
    this.#failures += 1
    if (this.#failures === 1) this.#options.onFailure(reason, known)
  }
}

interface FamilyAnswer {
  readonly key: string
  /** Why there is no answer. */
  readonly code: string | undefined
  /** Those of the answer; without one those that were known before. */
  readonly hosts: readonly string[]
}

/** What the questions have led to. */
interface Knowledge {
  /** By family and name. */
  readonly hosts: Map<string, readonly string[]>
  readonly services: readonly ServiceRecord[] | undefined
}

/** One time that all is asked. What it learns replaces what was known before, where it learns something. */
class Round implements Knowledge {
  readonly hosts = new Map<string, readonly string[]>()
  services: readonly ServiceRecord[] | undefined
  /** Nothing of it is waited for any more. */
  isOver = false
  /** The first of the questions that had no answer. */
  failure: string | undefined
  /** Of the answer that holds shortest, in milliseconds. */
  ttl = MOST_TTL
  readonly #options: WatchOptions
  readonly #before: Knowledge
  readonly #late: (answer: FamilyAnswer) => void

  constructor (options: WatchOptions, before: Knowledge, late: (answer: FamilyAnswer) => void) {
    this.#options = options
    this.#before = before
    this.#late = late
    this.services = before.services
  }

  async ask ({ host, service }: WatchedName): Promise<void> {
    if (service === undefined) {
      await this.#addresses(host)
      return
    }
    try {
      const records = await this.#options.questions.services(service)
      // A target that is the root says that there is no such service. (RFC 2782)
      const services = records.filter(({ target }) => target !== '' && target !== '.')
      if (services.length === 0) this.#fails(service, 'no SRV record with a target')
      else this.services = services
    } catch (error) {
      this.#fails(service, codeOf(error))
    }
    await Promise.all([...new Set(this.services?.map(({ target }) => target))].map(target => this.#addresses(target)))
  }

  /** Learns the addresses of a name. What is without an answer keeps those it had, which is no failure where the other family has one. */
  async #addresses (name: string): Promise<void> {
    const { families = BOTH } = this.#options
    const answers = await this.#inTime(families.map(family => this.#family(family, name)))
    const found = answers.some(answer => answer !== undefined && answer.code === undefined)
    for (const [index, family] of families.entries()) {
      const key = questionKey(family, name)
      const answer = answers[index]
      // Most names are of one family: that there is nothing of the other is an answer too, where there is something of the one.
      const none = found && answer?.code !== undefined && NONE.has(answer.code)
      this.hosts.set(key, none ? [] : answer?.hosts ?? this.#known(key))
    }
    if (found) return
    const codes = answers.flatMap(answer => answer?.code ?? [])
    this.#fails(name, codes.find(code => !NONE.has(code)) ?? codes[0] ?? NO_DATA)
  }

  /** The answers of the families: of all of them, or, where one has an answer, of those that come soon. */
  async #inTime (asked: readonly Promise<FamilyAnswer>[]): Promise<(FamilyAnswer | undefined)[]> {
    const answers: (FamilyAnswer | undefined)[] = asked.map(() => undefined)
    let cancel: (() => void) | undefined
    let over = false
    await new Promise<void>(resolve => {
      let left = asked.length
      for (const [index, one] of asked.entries()) {
        void one.then(answer => {
          left -= 1
          answers[index] = answer
          if (over) this.#late(answer)
          else if (left === 0) resolve()
          else if (answer.code === undefined) cancel ??= this.#options.timers.after(GRACE, resolve)
        })
      }
    })
    over = true
    cancel?.()
    return answers
  }

  /** The addresses of one family, or why there are none, and those that were known before. Never rejected. */
  async #family (family: Family, name: string): Promise<FamilyAnswer> {
    const key = questionKey(family, name)
    try {
      const { hosts, ttl } = await this.#options.questions.addresses(family, name)
      if (hosts.length === 0) return { key, code: NO_DATA, hosts: this.#known(key) }
      this.ttl = Math.min(this.ttl, ttl)
      return { key, code: undefined, hosts }
    } catch (error) {
      return { key, code: codeOf(error), hosts: this.#known(key) }
    }
  }

  #known (key: string): readonly string[] {
    return this.#before.hosts.get(key) ?? []
  }

  #fails (name: string, reason: string): void {
    this.failure ??= `${name}: ${reason}`
  }
}

/** The name does not exist, or has nothing of this kind: of one family that is nothing to worry about. */
const NO_DATA = 'ENODATA'
const NONE: ReadonlySet<string> = new Set(['ENOTFOUND', NO_DATA])

/** The servers that follow from what is known. */
function serversOf ({ host, service, port }: WatchedName, { hosts, services = [] }: Knowledge): Found[] {
  const addresses = (name: string): string[] => BOTH.flatMap(family => hosts.get(questionKey(family, name)) ?? [])
  if (service === undefined) return addresses(host).map(address => ({ host: address, port, weight: undefined, backup: false }))
  const first = Math.min(...services.map(({ priority }) => priority))
  // A server that several records name is one server, of the best priority among them.
  const servers = new Map<string, Found>()
  for (const { target, port, priority, weight } of services) {
    for (const address of addresses(target)) {
      const key = `${address} ${port}`
      const known = servers.get(key)
      const backup = priority !== first
      if (known === undefined || (known.backup && !backup)) servers.set(key, { host: address, port, weight: Math.max(1, weight), backup })
    }
  }
  return [...servers.values()]
}

function questionKey (family: Family, name: string): string {
  return `${family} ${name}`
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function same (one: readonly Found[], other: readonly Found[]): boolean {
  if (one.length !== other.length) return false
  const known = new Set(other.map(foundKey))
  return one.every(found => known.has(foundKey(found)))
}

function foundKey ({ host, port, weight, backup }: Found): string {
  return `${host} ${port} ${weight ?? ''} ${backup}`
}
