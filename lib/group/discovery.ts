import { NameResolver, type Questions } from './resolve/resolver.ts'
import { NameWatch, type Found, type WatchedName } from './resolve/watch.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { needsLookup, type ParsedAddress } from '../connections/address.ts'
import { systemTimers, type Timers } from '../runtime/timers.ts'
import { show } from '../options/units.ts'
import type { ResolverSettings } from './health-options.ts'

/**
 * What the DNS is to be asked for a server, if it is.
 * @param option the option that holds the server, for errors
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED
 */
export function readWatch (
  option: string, { address, text, resolve, service }: { address: ParsedAddress, text: string, resolve: boolean, service: unknown }
): WatchedName | undefined {
  if (service !== undefined && (typeof service !== 'string' || !/^[\w-]+(?:\.[\w-]+)*$/.test(service))) {
    throw new FST_SCGI_OPT_INVALID(`${option}.service`, show(service), "the name of a service: 'http', '_http._tcp'")
  }
  if (!resolve) {
    if (service !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.service`, "it needs 'resolve: true'")
    return undefined
  }
  const { hostname: host, port } = address
  if (host === undefined || !needsLookup(address)) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.resolve`, 'the address has no name to resolve')
  if (service === undefined) return { host, service: undefined, port }
  if (/:\d+$/.test(text)) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.service`, 'the address has a port, which SRV records give')
  return { host, service: service.includes('.') ? `${service}.${host}` : `_${service}._tcp.${host}`, port }
}

/** How long a start waits for the first answers. */
const PATIENCE = 5000

export interface DiscoveryOptions<L> {
  readonly settings: ResolverSettings
  readonly timers?: Timers
  /** Who is asked. Default: DNS servers, by the settings. */
  readonly questions?: (() => Questions) | undefined
  /** The servers of a line are others than before. */
  onChange (line: L, found: readonly Found[]): void
  onFailure (line: L, reason: string, known: number): void
  onRecovery (line: L): void
}

/** Keeps the servers of those lines of a group that are names, which may be told to it while it is stopped, too. */
export class Discovery<L> {
  readonly #options: DiscoveryOptions<L>
  readonly #timers: Timers
  readonly #names = new Map<L, WatchedName>()
  readonly #watches = new Map<L, NameWatch>()
  #resolver: Questions | undefined

  constructor (options: DiscoveryOptions<L>) {
    this.#options = options
    this.#timers = options.timers ?? systemTimers
  }

  /** Number of names. */
  get size (): number {
    return this.#names.size
  }

  /** What is known of a line's name beside its servers. */
  stateOf (line: L): { readonly nextAt: number | undefined, readonly failure: string | undefined } {
    const watch = this.#watches.get(line)
    return { nextAt: watch?.nextAt, failure: watch?.failure }
  }

  /** Begins with a line. Fulfilled when something is known of it, or after a while. */
  add (line: L, name: WatchedName): Promise<void> {
    this.#names.set(line, name)
    return this.#resolver === undefined ? Promise.resolve() : this.#begin(line, name, this.#resolver)
  }

  /** Is done with a line. */
  remove (line: L): void {
    this.#names.delete(line)
    this.#watches.get(line)?.stop()
    this.#watches.delete(line)
  }

  /** Begins with all lines. Fulfilled when something is known of each, or after a while. */
  async start (): Promise<void> {
    if (this.#resolver !== undefined) return
    const { questions, settings } = this.#options
    const resolver = this.#resolver = questions?.() ?? new NameResolver({ ...settings, timers: this.#timers })
    await Promise.all([...this.#names].map(([line, name]) => this.#begin(line, name, resolver)))
  }

  /** Asks no more, until it is started again. */
  stop (): void {
    for (const watch of this.#watches.values()) watch.stop()
    this.#watches.clear()
    this.#resolver?.cancel?.()
    this.#resolver = undefined
  }

  async #begin (line: L, name: WatchedName, questions: Questions): Promise<void> {
    const { settings, onChange, onFailure, onRecovery } = this.#options
    const watch = new NameWatch(name, {
      questions,
      timers: this.#timers,
      ttl: settings.ttl,
      families: settings.families,
      onChange: found => onChange(line, found),
      onFailure: (reason, known) => onFailure(line, reason, known),
      onRecovery: () => onRecovery(line),
    })
    this.#watches.set(line, watch)
    let cancel = (): void => {}
    const enough = new Promise<void>(resolve => { cancel = this.#timers.after(PATIENCE, resolve) })
    await Promise.race([watch.refresh(), enough])
    cancel()
  }
}
