import Fastify from 'fastify'
import type { FastifyHttpOptions, FastifyInstance } from 'fastify'
import type { Server } from 'node:http'
import scgi from '../../lib/index.ts'
import { LATE_COMPILERS } from '../../lib/run/late-compilers.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

/** One line of the log. */
export interface LogLine {
  level: number
  msg: string
  [key: string]: unknown
}

/** A Fastify application with the plugin, listening on a port of 127.0.0.1. */
export interface Gateway extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly port: number
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** Everything logged so far, at level debug and above: ask again for what came later. */
  readonly log: LogLine[]
  close (): Promise<void>
}

/**
 * Starts a gateway: with the plugin's options, or with a function that registers what it likes.
 */
export async function startGateway (
  setup: Omit<FastifyScgiOptions, 'logLevel'> | ((app: FastifyInstance) => void | Promise<void>), options: FastifyHttpOptions<Server> = {}
): Promise<Gateway> {
  const log: LogLine[] = []
  // Most lines are read by nobody, and are not worth parsing.
  let lines: string[] = []
  // Hardly any test has a schema, and to load what compiles them takes a fifth of a short test's time.
  const schemaController = { compilersFactory: LATE_COMPILERS }
  const app = Fastify({ schemaController, logger: { level: 'debug', stream: { write: (line: string) => { lines.push(line) } } }, ...options })
  if (typeof setup === 'function') await setup(app)
  else app.register(scgi, setup)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const close = (): Promise<void> => app.close()
  return {
    app,
    url,
    port: Number(new URL(url).port),
    get log () {
      for (const line of lines) log.push(JSON.parse(line))
      lines = []
      return log
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
