import { Dispatcher, errors } from 'undici'
import { Group } from '../balancer/group.ts'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { ServerGroup } from '../group/server-group.ts'
import { ActiveList } from '../runtime/active-list.ts'
import { maybeLater } from '../options/functions.ts'
import { show } from '../options/units.ts'
import { toError } from '../runtime/caught.ts'
import { receiverOf } from './handlers.ts'
import { readOptions, type Settings } from './options.ts'
import { DispatchedRequest, type Find } from './request.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { DispatcherUpstreams, DispatchOptions, ScgiDispatcherOptions } from '../../types/dispatcher.ts'

/** The dispatcher itself. `compose()` puts a Proxy around the public class, for which the fields of that would be out of reach. */
class Core {
  closed = false
  destroyed = false
  readonly #settings: Settings
  readonly #find: Find
  /** The group that is always meant. */
  readonly #group: ServerGroup | undefined
  readonly #running = new ActiveList<DispatchedRequest>()
  /** Called when the last request is over. */
  readonly #waiting: (() => void)[] = []

  constructor (upstreams: DispatcherUpstreams, options: ScgiDispatcherOptions) {
    this.#settings = readOptions(options)
    if (typeof upstreams === 'function') {
      this.#find = request => maybeLater<unknown, Group<Endpoint>>(upstreams(request), balancerOf)
    } else {
      const group = this.#group = groupOf(upstreams)
      group.hold()
      this.#find = () => group.balancer ?? group.open()
    }
  }

  dispatch (options: DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const receiver = receiverOf(handler)
    let request
    try {
      if (this.destroyed) throw new errors.ClientDestroyedError()
      if (this.closed) throw new errors.ClientClosedError()
      request = new DispatchedRequest(this.#settings, options, receiver, over => this.#over(over))
    } catch (error) {
      receiver.error(toError(error))
      return false
    }
    this.#running.add(request)
    request.start(this.#find)
    return true
  }

  async close (): Promise<void> {
    this.closed = true
    if (this.#running.size > 0) await new Promise<void>(resolve => this.#waiting.push(resolve))
    this.#shut()
    await this.#group?.stopped()
  }

  async destroy (reason: Error): Promise<void> {
    this.closed = true
    this.#shut()
    for (const request of this.#running.all()) request.abort(reason)
    await this.#group?.stopped()
  }

  #shut (): void {
    if (!this.destroyed) this.#group?.release()
    this.destroyed = true
  }

  #over (request: DispatchedRequest): void {
    this.#running.delete(request)
    if (this.#running.size === 0) for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/**
 * A dispatcher for undici that speaks SCGI: `undici.request`, `fetch`, `stream`, `pipeline`, interceptors and @fastify/reply-from can use a group
 * of SCGI servers, with the balancer and the exchange of the plugin. The URL of a request only sets Host, scheme and path; the group
 * chooses the server.
 *
 * It takes every request at once: `dispatch` returns false, and its handler an error, only where the dispatcher is closed or the
 * request cannot be sent. Of undici's request options `idempotent`, `blocking`, `reset`, `expectContinue` and `typeOfService` have no
 * meaning here: they concern connections of HTTP. CONNECT and upgrades fail with NotSupportedError. The `context` of the handlers
 * and of `request()` is a `DispatchContext`.
 *
 * Requests fail with errors of undici's (`UND_ERR_SOCKET`, `UND_ERR_HEADERS_TIMEOUT` ..., or the system's `ECONNREFUSED` ...), so that
 * `interceptors.retry` and others know them; `cause` is the `FST_SCGI_*` error, and `statusCode` the status a gateway answers with.
 */
export class ScgiDispatcher extends Dispatcher {
  private readonly core: Core

  /**
   * Names among the addresses are resolved at the first request, which fails with `ENOTFOUND` or the like if they do not resolve.
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
   */
  constructor (upstreams: DispatcherUpstreams, options: ScgiDispatcherOptions = {}) {
    super()
    this.core = new Core(upstreams, options)
  }

  /** `close()` or `destroy()` was called. */
  get closed (): boolean {
    return this.core.closed
  }

  /** `destroy()` was called, or `close()` has finished. */
  get destroyed (): boolean {
    return this.core.destroyed
  }

  /** Sends a request. The handler gets the reply or the error; it can have either of undici's interfaces for handlers. */
  override dispatch (options: DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.core.dispatch(options, handler)
  }

  /** Accepts no more requests, and resolves when those in progress have ended. */
  override close (): Promise<void>
  override close (callback: () => void): void
  override close (callback?: () => void): Promise<void> | undefined {
    return tell(this.core.close(), callback)
  }

  /** Ends the requests in progress, with `error` or ClientDestroyedError, and closes idle connections. */
  override destroy (): Promise<void>
  override destroy (error: Error | null): Promise<void>
  override destroy (callback: () => void): void
  override destroy (error: Error | null, callback: () => void): void
  override destroy (error?: Error | null | (() => void), callback?: () => void): Promise<void> | undefined {
    const done = this.core.destroy(error instanceof Error ? error : new errors.ClientDestroyedError())
    return tell(done, typeof error === 'function' ? error : callback)
  }
}

function tell (done: Promise<void>, callback: (() => void) | undefined): Promise<void> | undefined {
  if (callback === undefined) return done
  // Not called by the promise itself, which would keep what it throws.
  void done.then(() => process.nextTick(callback))
  return undefined
}

function groupOf (upstreams: Exclude<DispatcherUpstreams, Function>): ServerGroup {
  if (upstreams instanceof ServerGroup) return upstreams
  if (typeof upstreams === 'string') return new ServerGroup({ servers: [upstreams] })
  if (Array.isArray(upstreams)) return new ServerGroup({ servers: upstreams })
  if (typeof upstreams === 'object' && upstreams !== null && isGroupOptions(upstreams)) return new ServerGroup(upstreams)
  throw new FST_SCGI_OPT_INVALID('upstreams', show(upstreams), 'an address, a list of servers, a group or a function')
}

function isGroupOptions (upstreams: object): upstreams is ConstructorParameters<typeof ServerGroup>[0] {
  return 'servers' in upstreams && Array.isArray(upstreams.servers)
}

function balancerOf (chosen: unknown): Group<Endpoint> | Promise<Group<Endpoint>> {
  if (chosen instanceof ServerGroup) return chosen.balancer ?? chosen.open()
  if (chosen instanceof Group) return chosen
  throw new FST_SCGI_OPT_INVALID('upstreams', `a function that gave ${show(chosen)}`, 'a function that gives a group of createUpstreams()')
}
