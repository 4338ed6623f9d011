import type { Timers } from '../timers.ts'
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
  /** The servers are others than before. */
  onChange (found: readonly Found[]): void
  /** The DNS gives no answer any more; told once, until it gives one again. */
  onFailure (reason: string, known: number): void
  /** The DNS answers again. */
  onRecovery (): void
}

/** An answer that does not hold even that long is asked for no more often. */
const LEAST_TTL = 1000
/** DNS servers keep answers for days at most; a longer TTL is a mistake. */
const MOST_TTL = 86_400_000
const FIRST_RETRY = 1000
const LAST_RETRY = 30_000

/**
 * Keeps the servers of a name: asks when the answer before has run out, and after a failure in 1 s, 2 s, 4 s ... 30 s. Of each
 * question the last good answer stays in use as long as there is no other, so that a DNS server that is down, or has lost a zone,
 * takes no server out.
 */
export class NameWatch {
  readonly #name: WatchedName
  readonly #options: WatchOptions
  #hosts = new Map<string, readonly string[]>()
  #services: readonly ServiceRecord[] | undefined
  #found: readonly Found[] = []
  #failures = 0
  #running: Promise<void> | undefined
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
    const round = new Round(this.#options.questions, this.#hosts, this.#services)
    const found = await round.ask(this.#name)
    if (this.#stopped) return
    this.#hosts = round.hosts
    this.#services = round.services
    if (round.failure === undefined) this.#succeeded()
    else this.#failed(round.failure, found.length)
    const ttl = Math.min(MOST_TTL, Math.max(LEAST_TTL, this.#options.ttl ?? round.ttl))
    const wait = round.failure === undefined ? ttl : Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (this.#failures - 1))
    this.#cancel = this.#options.timers.after(wait, () => { this.refresh() })
    if (same(found, this.#found)) return
    this.#found = found
    this.#options.onChange(found)
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
  readonly hosts: readonly string[] | undefined
}

/** One time that all is asked. What it learns replaces what was known before, where it learns something. */
class Round {
  readonly hosts = new Map<string, readonly string[]>()
  services: readonly ServiceRecord[] | undefined
  /** The first of the questions that had no answer. */
  failure: string | undefined
  /** Of the answer that holds shortest, in milliseconds. */
  ttl = MOST_TTL
  readonly #questions: Questions
  readonly #before: ReadonlyMap<string, readonly string[]>

  constructor (questions: Questions, before: ReadonlyMap<string, readonly string[]>, services: readonly ServiceRecord[] | undefined) {
    this.#questions = questions
    this.#before = before
    this.services = services
  }

  async ask ({ host, service, port }: WatchedName): Promise<Found[]> {
    if (service === undefined) {
      return (await this.#addresses(host)).map(address => ({ host: address, port, weight: undefined, backup: false }))
    }
    try {
      const records = await this.#questions.services(service)
      // A target that is the root says that there is no such service. (RFC 2782)
      this.services = records.filter(({ target }) => target !== '' && target !== '.')
      if (this.services.length === 0) this.#fails(service, 'no SRV record with a target')
    } catch (error) {
      this.#fails(service, codeOf(error))
    }
    const records = this.services ?? []
    const first = Math.min(...records.map(({ priority }) => priority))
    const lists = await Promise.all(records.map(async ({ target, port, priority, weight }) =>
      (await this.#addresses(target)).map(address => ({ host: address, port, weight: Math.max(1, weight), backup: priority !== first }))))
    // A server that several records name is one server, of the best priority among them.
    const servers = new Map<string, Found>()
    for (const found of lists.flat()) {
      const key = `${found.host} ${found.port}`
      const known = servers.get(key)
      if (known === undefined || (known.backup && !found.backup)) servers.set(key, found)
    }
    return [...servers.values()]
  }

  /** The addresses of both families. What is without an answer keeps those it had. */
  async #addresses (name: string): Promise<string[]> {
    const [four, six] = await Promise.all([this.#family(4, name), this.#family(6, name)])
    const answers = [four, six]
    const answered = answers.some(({ code }) => code === undefined)
    for (const { key, code, hosts } of answers) {
      // Most names are of one family: that there is nothing of the other is an answer too, where there is something of the one.
      if (code === undefined || (answered && NONE.has(code))) continue
      this.#fails(name, code)
      if (hosts !== undefined) this.hosts.set(key, hosts)
    }
    return answers.flatMap(({ key }) => this.hosts.get(key) ?? [])
  }

  /** The addresses of one family, or why there are none, and those that were known before. */
  async #family (family: 4 | 6, name: string): Promise<FamilyAnswer> {
    const key = `${family} ${name}`
    try {
      const answer = await this.#questions.addresses(family, name)
      this.hosts.set(key, answer.hosts)
      this.ttl = Math.min(this.ttl, answer.ttl)
      return { key, code: undefined, hosts: answer.hosts }
    } catch (error) {
      return { key, code: codeOf(error), hosts: this.#before.get(key) }
    }
  }

  #fails (name: string, reason: string): void {
    this.failure ??= `${name}: ${reason}`
  }
}

/** The name does not exist, or has nothing of this kind: of one family that is nothing to worry about. */
const NONE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA'])

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function same (one: readonly Found[], other: readonly Found[]): boolean {
  if (one.length !== other.length) return false
  const known = new Set(other.map(keyOf))
  return one.every(found => known.has(keyOf(found)))
}

function keyOf ({ host, port, weight, backup }: Found): string {
  return `${host} ${port} ${weight ?? ''} ${backup}`
}
