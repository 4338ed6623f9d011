import { StartError } from './errors.ts'
import { bindingsOf, explainListen, listenOn, urlOf, type Binding } from './sockets.ts'
import { divertListen } from './handles.ts'
import { toError } from '../runtime/caught.ts'
import type { Server } from 'node:net'
import { closeUnstarted, type Application } from './application.ts'
import type { Listener } from './read-listen.ts'

/** For Fastify, which must be told something: where it listens is decided elsewhere. */
const ANYWHERE = { host: '127.0.0.1', port: 0, address: '127.0.0.1', family: 'IPv4' } as const

interface Opening {
  readonly listener: Listener
  readonly binding: Binding
  readonly server: Server
}

/**
 * Has an application listen in this process, at all of its places or at none.
 * @returns where clients find it
 * @throws StartError
 */
export async function listenHere (application: Application, listeners: readonly Listener[]): Promise<string[]> {
  const { app } = application
  const openings: Opening[] = []
  for (const listener of listeners) {
    for (const binding of await bindingsOf(listener.place)) openings.push({ listener, binding, server: application.server(listener) })
  }
  const urls = new Map<Opening, string>()
  // A port that the system chooses is one for all addresses of a name.
  const ports = new Map<Listener, number>()
  const open = async (opening: Opening): Promise<void> => {
    const { listener, binding, server } = opening
    const port = ports.get(listener)
    try {
      await listenOn(server, port === undefined ? binding : { ...binding, options: { ...binding.options, port } })
    } catch (error) {
      if (binding.optional) return
      throw error
    }
    const address = server.address()
    if (typeof address === 'object' && address !== null) ports.set(listener, address.port)
    urls.set(opening, urlOf(server, schemeOf(listener)))
  }
  const own = openings.find(({ server }) => server === app.server)
  const [first] = openings
  try {
    // Fastify's comes first: the others of its name take its port.
    if (own === undefined) divertListen(app.server, ANYWHERE)
    await Promise.all([own === undefined ? undefined : listenBy(own.server, () => open(own)), app.listen({
      host: ANYWHERE.host,
      port: ANYWHERE.port,
      listenTextResolver: address => own === undefined ? 'Fastify is ready' : listening(address),
    })])
    for (const opening of openings) {
      if (opening === own) continue
      await open(opening)
      const url = urls.get(opening)
      if (url !== undefined) app.log.info(listening(url))
    }
  } catch (error) {
    await closeUnstarted(app)
    // Fastify may be the first to tell what its server has told.
    throw error instanceof StartError || first === undefined || !(error instanceof Error && 'syscall' in error)
      ? error
      : explainListen((own ?? first).binding.place, error)
  }
  return openings.map(opening => urls.get(opening)).filter(url => url !== undefined)
}

/** Fastify has its server listen; how, is another's business. The promise is fulfilled, or rejected, when that is done. */
function listenBy (server: Server, listen: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const start = (): Server => {
      Reflect.deleteProperty(server, 'listen')
      let told = false
      const tell = (): void => { told = true }
      server.once('error', tell).once('listening', tell)
      listen().then(resolve, (error: unknown) => {
        reject(toError(error))
        // Fastify hears of it by the server.
        if (!told) server.emit('error', toError(error))
      })
      return server
    }
    Object.defineProperty(server, 'listen', { configurable: true, value: start })
  })
}

export function schemeOf ({ tls }: Listener): string {
  return tls === undefined ? 'http' : 'https'
}

/** The line of the log; Fastify's. */
export function listening (url: string): string {
  return `Server listening at ${url}`
}
