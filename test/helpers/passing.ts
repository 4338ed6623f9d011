import type { FastifyError, FastifyHttpOptions, FastifyInstance } from 'fastify'
import type { Server } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import scgi from '../../lib/index.ts'
import type { Attempt, FastifyScgiOptions, ScgiRequestInfo, UpstreamServer } from '../../types/index.ts'
import { startGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'
import { rawRequest } from './raw-client.ts'
import type { LastResponse } from './raw-client.ts'

/** What is known of a request when it is over. */
export interface Finished {
  url: string
  scgi: ScgiRequestInfo
  /** What Fastify's error handler was given. */
  error: FastifyError | undefined
}

export interface Sent extends Finished {
  response: LastResponse
}

/** A gateway that tells how its requests went from server to server. */
export interface PassingGateway extends Gateway {
  /** Sends one request on a connection of its own, and waits until the gateway is through with it too. */
  send (method: string, path: string, body?: string | Buffer, headers?: string[]): Promise<Sent>
  /** Waits for the next request to this path that is over. */
  finished (url: string): Promise<Finished>
  /** The servers of a group that has a name. */
  servers (group: string): readonly UpstreamServer[]
}

/** Starts a gateway with these mounts; LOCK is one of its methods. */
export async function startPassing (
  mounts: FastifyScgiOptions | FastifyScgiOptions[], options: FastifyHttpOptions<Server> = {}
): Promise<PassingGateway> {
  const over = new Map<string, Finished[]>()
  const waiting: (() => void)[] = []
  const errors = new WeakMap<object, FastifyError>()
  const gateway = await startGateway((app: FastifyInstance) => {
    app.addHttpMethod('LOCK', { hasBody: true })
    app.addHook('onError', (request, _reply, error, done) => {
      errors.set(request, error)
      done()
    })
    app.addHook('onRequest', (request, reply, done) => {
      reply.raw.once('close', () => {
        const { scgi } = request
        const list = over.get(request.url) ?? []
        over.set(request.url, list)
        if (scgi !== null) list.push({ url: request.url, scgi, error: errors.get(request) })
        for (const resolve of waiting.splice(0)) resolve()
      })
      done()
    })
    for (const mount of Array.isArray(mounts) ? mounts : [mounts]) app.register(scgi, mount)
  }, options)

  const finished = async (url: string): Promise<Finished> => {
    for (;;) {
      const first = over.get(url)?.shift()
      if (first !== undefined) return first
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }
  return {
    ...gateway,
    get log () { return gateway.log },
    finished,
    async send (method, path, body = '', headers = []) {
      const bytes = Buffer.from(body)
      const lines = [`${method} ${path} HTTP/1.1`, 'Host: gateway.test', 'Connection: close', ...headers]
      if (bytes.length > 0) lines.push(`Content-Length: ${bytes.length}`)
      const response = await rawRequest(gateway, Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]))
      return { response, ...await finished(path) }
    },
    servers (name) {
      const found = gateway.app.scgi.groups.get(name)
      if (found === undefined) throw new Error(`no group ${name}`)
      return found.servers
    },
    [Symbol.asyncDispose]: gateway.close,
  }
}

/** Address and status of each attempt, as logs show them. */
export function trail (attempts: readonly Attempt[]): string[] {
  return attempts.map((attempt) => `${attempt.address} ${attempt.status ?? '-'}`)
}

/** Lets the loop turn until `check` holds; fails when it is clear that it never will. For what no event tells of. */
export async function turnsUntil (check: () => boolean, what: string, seconds = 30): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`within ${seconds} s not: ${what}`)
    await nextTurn()
  }
}
