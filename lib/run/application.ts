import { addFurtherServer } from '../inbound/further-servers.ts'
import { fastifyScgi } from '../plugin.ts'
import { requireCommonJs } from '../runtime/commonjs.ts'
import { codeOf, toError } from '../runtime/caught.ts'
import { placeIn } from '../options/keys.ts'
import { StartError } from './errors.ts'
import { Refusal } from './refusal.ts'
import { plainServer, serverOf } from './servers.ts'
import type { RequestListener } from 'node:http'
import type { Server } from 'node:net'
import type { GatewayFastifyOptions, GatewayMount } from '../../types/config.ts'
import type { fastify, FastifyInstance } from 'fastify'
import type { Listener } from './read-listen.ts'
import type { Settings } from './read-config.ts'

const Fastify: typeof fastify = requireCommonJs('fastify')

/** What the gateway serves, and the servers that it may be served by. */
export class Application {
  readonly app: FastifyInstance
  readonly #options: GatewayFastifyOptions
  readonly #handler: RequestListener
  readonly #further: Server[] = []
  #plainTaken = false

  /** @throws StartError where Fastify refuses its options */
  constructor (options: GatewayFastifyOptions) {
    let handler: RequestListener | undefined
    const defaults = { keepAliveTimeout: 72_000, requestTimeout: 0, connectionTimeout: 0 }
    this.#options = { ...defaults, ...options }
    try {
      const { http: _http, return503OnClosing = true, ...others } = options
      const refusal = new Refusal(return503OnClosing)
      this.app = Fastify({
        ...others,
        // Fastify's own would hit the internal redirects of requests in progress, too.
        return503OnClosing: false,
        serverFactory: given => {
          handler = refusal.before(given)
          return plainServer(handler, this.#options)
        },
      })
      refusal.watch(this.app)
    } catch (error) {
      throw new StartError(`fastify: ${toError(error).message}`)
    }
    if (handler === undefined) throw new Error('Fastify has made no server')
    this.#handler = handler
    const open = new Set<Server>()
    let whenNone = (): void => {}
    this.app.addHook('preClose', done => {
      for (const server of this.#further) {
        if (!server.listening) continue
        open.add(server)
        server.close(() => {
          open.delete(server)
          if (open.size === 0) whenNone()
        })
      }
      done()
    })
    // Fastify waits for its own server only.
    this.app.addHook('onClose', (_instance, done) => {
      if (open.size === 0) done()
      else whenNone = done
    })
  }

  /** A server for one socket of a place; the first of plain HTTP/1 is Fastify's own. To be had before `app.listen`. */
  server (listener: Listener): Server {
    if (!this.#plainTaken && listener.tls === undefined && !listener.http2) {
      this.#plainTaken = true
      return this.app.server
    }
    const server = serverOf(listener, this.#handler, this.#options)
    // As Fastify does with those that it has for localhost.
    server.on('upgrade', (...given) => this.app.server.emit('upgrade', ...given))
    this.#further.push(server)
    addFurtherServer(this.app, server)
    return server
  }

  /**
   * Adds what the configuration has, and has everything ready.
   * @throws StartError; its message begins with the place of the mistake
   */
  async load ({ setup, mounts }: Pick<Settings, 'setup' | 'mounts'>): Promise<void> {
    const { app } = this
    try {
      if (setup !== undefined) await at('setup', async () => { await setup(app) })
      for (const [index, mount] of mounts.entries()) await at(`mounts[${index}]`, async () => { await register(app, mount) })
      await at('setup', async () => { await app.ready() })
    } catch (error) {
      await closeUnstarted(app)
      throw error
    }
  }
}

/** Closes an application that cannot start. Why is said by who calls this; an `onClose` hook that fails must not be what is said instead. */
export async function closeUnstarted (app: FastifyInstance): Promise<void> {
  try {
    await app.close()
  } catch (error) {
    app.log.error({ err: error }, 'an application that cannot start did not close either')
  }
}

function register (app: FastifyInstance, mount: GatewayMount): PromiseLike<unknown> {
  if (typeof mount === 'object' && !Array.isArray(mount) && 'upstreams' in mount) return app.register(fastifyScgi, mount)
  return app.register(fastifyScgi, mount)
}

/** Says where a mistake was made. */
async function at (place: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw new StartError(placed(place, toError(error)), { cause: error })
  }
}

function placed (place: string, error: Error): string {
  const message = error.message.replace(/^fastify-scgi: /, '')
  // The plugin names its own option.
  if (codeOf(error).startsWith('FST_SCGI_OPT_')) return placeIn(place, message)
  if (codeOf(error) === 'FST_ERR_DUPLICATED_ROUTE') return `${place}: its path is taken already, by another mount or by a route of setup`
  return `${place}: ${message}`
}
