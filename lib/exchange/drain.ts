import { ActiveList } from '../runtime/active-list.ts'
import type { Caches } from './cache-registry.ts'
import type { FastifyInstance } from 'fastify'
import type { Listed } from '../runtime/active-list.ts'

/** Something that an application waits for when it closes. */
export interface Running extends Listed {
  /** Ends it at once. */
  cut (): void
  /** The application is closing: what promised to keep a connection does not. */
  closing (): void
}

/** What an application that closes waits for. */
export class DrainState {
  /** The application is closing: connections are not to be kept. */
  closing = false
  /** Exchanges that run, with or without their client. */
  readonly running = new ActiveList<Running>()
  /** Called when the last of them has ended. */
  onIdle: (() => void) | undefined = undefined
}

/** What the gateways of one application share. */
export class GatewayState extends DrainState {
  readonly caches: Caches

  constructor (caches: Caches) {
    super()
    this.caches = caches
  }
}

/** Something that ran has ended; an application that closes may have waited for it. */
export function ended (state: DrainState, running: Running): void {
  if (state.running.delete(running) && state.running.size === 0) state.onIdle?.()
}

/**
 * While the application closes, replies end their connections, and what has not ended after a while is cut.
 * @param closeTimeout milliseconds
 */
export function drain (fastify: FastifyInstance, state: DrainState, closeTimeout: number): void {
  let timer: NodeJS.Timeout | undefined
  fastify.addHook('preClose', done => {
    state.closing = true
    // Also where nothing runs, and again: a request that a hook still holds back may lose its client, and then nothing else ends it in time.
    timer = setInterval(() => state.running.all().forEach(exchange => exchange.cut()), closeTimeout)
    for (const exchange of state.running.all()) exchange.closing()
    done()
  })
  // The clients are served, or gone; what runs without one (ignoreClientAbort) is waited for.
  fastify.addHook('onClose', (_instance, done) => {
    state.onIdle = () => {
      clearInterval(timer)
      done()
    }
    if (state.running.size === 0) state.onIdle()
  })
}
