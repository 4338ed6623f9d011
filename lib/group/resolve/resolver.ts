import { promises as dns } from 'node:dns'
import { systemTimers, type Timers } from '../../runtime/timers.ts'

/** An address of a name, and how long it holds, in milliseconds. */
export interface AddressAnswer {
  readonly hosts: readonly string[]
  /** Of the record that holds shortest. */
  readonly ttl: number
}

/** One SRV record. (RFC 2782) */
export interface ServiceRecord {
  readonly target: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/**
 * What a watch asks. An answer has at least one record. Questions fail with an error whose `code` is Node's: `'ENOTFOUND'`,
 * `'ENODATA'`, `'ESERVFAIL'`, `'ETIMEOUT'` ...
 */
export interface Questions {
  addresses (family: 4 | 6, name: string): Promise<AddressAnswer>
  services (name: string): Promise<readonly ServiceRecord[]>
  /** Ends what is on its way. */
  cancel? (): void
}

export interface ResolverOptions {
  /** IP addresses, with or without port. Default: those of the system (/etc/resolv.conf), read anew for each question. */
  readonly servers?: readonly string[] | undefined
  /** Milliseconds for an answer, whatever the number of servers asked. */
  readonly timeout: number
  readonly timers?: Timers
}

/**
 * Asks DNS servers, past /etc/hosts and the search list of /etc/resolv.conf. The same question is on its way once, however many
 * ask it.
 */
export class NameResolver implements Questions {
  readonly #options: ResolverOptions
  readonly #timers: Timers
  readonly #addresses = new Map<string, Promise<AddressAnswer>>()
  readonly #services = new Map<string, Promise<readonly ServiceRecord[]>>()
  readonly #busy = new Set<dns.Resolver>()

  constructor (options: ResolverOptions) {
    this.#options = options
    this.#timers = options.timers ?? systemTimers
  }

  addresses (family: 4 | 6, name: string): Promise<AddressAnswer> {
    return this.#once(this.#addresses, `${family} ${name}`, async resolver => {
      const records = await follow(resolver, name, alias =>
        family === 4 ? resolver.resolve4(alias, { ttl: true }) : resolver.resolve6(alias, { ttl: true }))
      return {
        hosts: [...new Set(records.map(({ address }) => address))],
        ttl: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
      }
    })
  }

  /** Node.js does not tell how long these hold. */
  services (name: string): Promise<readonly ServiceRecord[]> {
    return this.#once(this.#services, name, async resolver =>
      (await follow(resolver, name, alias => resolver.resolveSrv(alias)))
        .map(({ name: target, port, priority, weight }) => ({ target, port, priority, weight })))
  }

  /** Ends what is on its way: it fails with ECANCELLED. */
  cancel (): void {
    for (const resolver of this.#busy) resolver.cancel()
  }

  #once<T> (running: Map<string, Promise<T>>, key: string, ask: (resolver: dns.Resolver) => Promise<T>): Promise<T> {
    const known = running.get(key)
    if (known !== undefined) return known
    const answer = this.#ask(ask).finally(() => running.delete(key))
    running.set(key, answer)
    return answer
  }

  async #ask<T> (ask: (resolver: dns.Resolver) => Promise<T>): Promise<T> {
    const { timeout } = this.#options
    const resolver = this.#resolver()
    this.#busy.add(resolver)
    let late = false
    const stop = this.#timers.after(timeout, () => {
      late = true
      resolver.cancel()
    })
    try {
      return await ask(resolver)
    } catch (error) {
      throw late ? Object.assign(new Error(`no answer within ${timeout} ms`), { code: 'ETIMEOUT' }) : error
    } finally {
      stop()
      this.#busy.delete(resolver)
    }
  }

  /** One for each question: to cancel one cancels nothing else, and the system's servers may have changed meanwhile. */
  #resolver (): dns.Resolver {
    // The second try waits twice as long as the first; together they take the time there is.
    const resolver = new dns.Resolver({ timeout: Math.max(1, Math.floor(this.#options.timeout / 3)), tries: 2 })
    if (this.#options.servers !== undefined) resolver.setServers(this.#options.servers)
    return resolver
  }
}

/** As long as chains of aliases get; what is longer leads round in a circle. */
const MOST_ALIASES = 8

/**
 * The records of a name, at least one. A server that does not ask others tells of an alias without what that stands for: Node.js takes
 * it for an answer without a record.
 */
async function follow<R> (resolver: dns.Resolver, name: string, ask: (name: string) => Promise<R[]>): Promise<R[]> {
  let alias: string | undefined = name
  for (let n = 0; n <= MOST_ALIASES && alias !== undefined; n++) {
    const records = await ask(alias)
    if (records.length > 0) return records
    const aliases = await resolver.resolveCname(alias)
    alias = aliases[0]
  }
  throw Object.assign(new Error(`nothing but aliases for ${name}`), { code: 'ENODATA' })
}
