import Fastify, { type FastifyInstance } from 'fastify'
import { fastifyScgi } from '../plugin.ts'
import { startDemo } from '../demo/index.ts'
import { explainListen, removeStaleSocket, showListen } from './listen.ts'
import { showDemo } from './banner.ts'
import type { GatewayArguments } from './arguments.ts'
import { LogWriter } from './log.ts'
import type { Closable, Running } from './signals.ts'

/** What the demo's upload is for: photographs, not backups. */
const DEMO_BODY_LIMIT = 64 * 1024 ** 2

/** How long open event streams of the demo may hold up its end; nobody loses anything. */
const DEMO_CLOSE_TIMEOUT = 1000

/**
 * Serves HTTP in front of the application, or of the demo.
 * @throws StartError, FST_SCGI_*
 */
export async function startGateway (wanted: GatewayArguments, writer: LogWriter): Promise<Running> {
  const { listen, prefix, params, addresses } = wanted
  const demo = addresses.length === 0 ? await startDemo(prefix) : undefined
  const bodyLimit = wanted.bodyLimit ?? (demo === undefined ? undefined : DEMO_BODY_LIMIT)
  const app = Fastify({ logger: { level: wanted.logLevel, stream: writer } })
  writer.onDropped = dropped => app.log.warn({ dropped }, `${dropped} lines of the log are lost: they could not be written`)
  app.register(fastifyScgi, {
    upstreams: demo === undefined ? addresses : [demo.address],
    prefix,
    defaultParams: params,
    ...(bodyLimit === undefined ? undefined : { bodyLimit }),
    ...(demo === undefined ? undefined : { closeTimeout: DEMO_CLOSE_TIMEOUT }),
  })
  await app.ready()
  try {
    if ('path' in listen) await removeStaleSocket(listen.path)
    await app.listen(listen)
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? explainListen(listen, error) : error
  }
  app.log.info(`${prefix} is served by ${demo === undefined ? addresses.join(', ') : `the demo on ${demo.address}`}`)
  if (demo !== undefined) {
    const terminal = wanted.logFile === undefined ? writer : new LogWriter()
    terminal.write(showDemo({ url: urlOf(app), socket: 'path' in listen ? listen.path : undefined, prefix }))
  }
  return { log: app.log, close: () => close(app, demo) }
}

async function close (app: FastifyInstance, demo: Closable | undefined): Promise<void> {
  app.log.info('closing: requests in flight may finish')
  await Promise.all([app.close(), demo?.close()])
}

/** What a browser on this machine can open. */
function urlOf (app: FastifyInstance): string {
  const address = app.server.address()
  if (typeof address !== 'object' || address === null) return 'http://localhost'
  const host = address.address === '0.0.0.0' || address.address === '::' ? '127.0.0.1' : address.address
  return `http://${showListen({ host, port: address.port })}`
}
