import { once } from 'node:events'
import { setTimeout as later } from 'node:timers/promises'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { H2Client } from '../helpers/h2-client.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'
import type { RecordedRequest, Recorder } from '../helpers/recorder.ts'

/** Milliseconds after which it is clear even on a machine with much else to do. */
const PATIENCE = 30_000

/** A gateway that speaks HTTP/2 in clear. */
export interface Http2Gateway extends AsyncDisposable {
  readonly port: number
  /** A client connected to it. */
  readonly client: H2Client
  /** Closes the application alone. */
  close (): Promise<void>
}

/** Starts a gateway and connects a client to it. */
export async function startHttp2 (options: Omit<FastifyScgiOptions, 'logLevel'>): Promise<Http2Gateway> {
  const app = Fastify({ http2: true, logger: false })
  await app.register(async scope => { scope.register(scgi, options) })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const port = Number(new URL(url).port)
  const client = await H2Client.connect(port)
  return {
    port,
    client,
    close: () => app.close(),
    async [Symbol.asyncDispose] () {
      await client.close()
      await app.close()
    },
  }
}

/** The bytes of a request: the lines, an empty one, the body. Text is latin1. */
export function bytes (lines: string[], body: string | Buffer = ''): Buffer {
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), typeof body === 'string' ? Buffer.from(body, 'latin1') : body])
}

/** The bytes of a GET, or of another method, without a body. */
export function get (target: string, ...headers: string[]): Buffer {
  return bytes([`GET ${target} HTTP/1.1`, 'Host: gateway.test', ...headers])
}

/** The last request that a recorder has, and no other. */
export function only (recorder: Recorder): RecordedRequest {
  const [first, second] = recorder.requests
  if (first === undefined || second !== undefined) throw new Error(`${recorder.requests.length} requests recorded, 1 expected`)
  recorder.clear()
  return first
}

/** The parameters of these names. */
export function pick (request: RecordedRequest, ...names: string[]): (string | undefined)[] {
  return names.map(name => request.param(name))
}

/** Waits until `check` holds; fails when it is clear that it never will. For what no event tells of. */
export async function eventually (check: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`)
    await later(2)
  }
}

/** Waits for an event and fails when it is clear that it never will come. */
export async function within (emitter: NodeJS.EventEmitter, event: string): Promise<void> {
  await once(emitter, event, { signal: AbortSignal.timeout(PATIENCE) })
}
