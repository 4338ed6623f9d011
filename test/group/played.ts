// Servers that are played: each exchange is held until the test says what becomes of it.
import { Group } from '../../lib/balancer/group.ts'
import type { GroupOptions } from '../../lib/balancer/group.ts'
import type { PeerOptions } from '../../lib/balancer/peer.ts'
import { FST_SCGI_CONNECT, upstreamError } from '../../lib/errors.ts'
import { parseNextUpstream } from '../../lib/balancer/next-upstream.ts'
import { Pass } from '../../lib/attempts/pass.ts'
import type { PassHandler, PassRequest } from '../../lib/attempts/pass.ts'
import { scgi } from '../../lib/connections/scgi/protocol.ts'
import type { Endpoint } from '../../lib/connections/protocol.ts'
import type { Attempt, ExchangeControl, ExchangeHandler, NextUpstreamCondition, ServerAddress } from '../../types/index.ts'

/** An exchange with a played server. */
export class HeldExchange implements ExchangeControl {
  readonly handler: ExchangeHandler
  aborted = false
  /** It is over. */
  done = false
  bytesSent = 0
  bytesReceived = 0
  bodyReceived = 0
  reused = false

  constructor (handler: ExchangeHandler) {
    this.handler = handler
  }

  start (): void {}
  pause (): void {}
  resume (): void {}

  abort (): void {
    this.aborted = true
    this.done = true
  }

  head (statusCode: number): void {
    this.bytesSent = 100
    this.handler.onConnect()
    this.bytesReceived = 10
    this.handler.onHead({ statusCode, statusMessage: '', headers: {}, rawHeaders: [], contentLength: -1, chunked: false, nph: false })
  }

  reply (statusCode = 200): void {
    this.head(statusCode)
    if (this.aborted) return
    this.done = true
    this.handler.onEnd()
  }

  refuse (): void {
    this.done = true
    this.handler.onError(upstreamError(new FST_SCGI_CONNECT('x', 'refused'), 'x', 'error', 'connect'))
  }
}

export class HeldServer implements Endpoint {
  readonly address: ServerAddress
  readonly name: string
  readonly protocol = scgi
  readonly pathPrefix = ''
  readonly keepalive = false
  readonly exchanges: HeldExchange[] = []

  constructor (name: string) {
    this.name = name
    this.address = { name, host: '127.0.0.1', port: 1, socketPath: undefined, pathPrefix: '' }
  }

  exchange (_: unknown, handler: ExchangeHandler): ExchangeControl {
    const held = new HeldExchange(handler)
    this.exchanges.push(held)
    return held
  }

  /** The latest exchange. */
  get last (): HeldExchange {
    const last = this.exchanges.at(-1)
    if (last === undefined) throw new Error(`no exchange with ${this.name}`)
    return last
  }

  closeIdle (): void {}
}

/** A request that was given to a group, and what its handler was told. */
export class PlayedRequest implements PassHandler, PassRequest {
  readonly method: string = 'GET'
  readonly body = null
  readonly localAddress = undefined
  readonly localPort = undefined
  readonly source: unknown
  readonly clientAddress: string | undefined
  readonly attempts: Attempt[] = []
  status: number | undefined
  ended = 0
  error: (Error & { code?: string, statusCode?: number }) | undefined
  readonly pass: Pass

  constructor (group: Group<Endpoint>, options: { on?: NextUpstreamCondition[], source?: unknown, clientAddress?: string } = {}) {
    this.source = options.source
    this.clientAddress = options.clientAddress
    this.pass = new Pass(group, {
      nextUpstream: parseNextUpstream({ on: options.on ?? ['error'] }),
      timeouts: { connect: 0, send: 0, read: 0 },
      bufferSize: 1024,
      socketKeepalive: undefined,
    }, this, this, this.attempts)
  }

  encodeHttp (): never {
    throw new Error('no server speaks HTTP')
  }

  encode (): Buffer {
    return Buffer.from('head')
  }

  onHead ({ statusCode }: { statusCode: number }): void {
    this.status = statusCode
  }

  onData (): void {}

  onEnd (): void {
    this.ended += 1
  }

  onError (error: Error): void {
    this.ended += 1
    this.error = error
  }

  onAttempt (): void {}
}

export interface PlayedGroup {
  readonly group: Group<Endpoint>
  readonly servers: HeldServer[]
  /** Gives a request to the group, at once. */
  send (options?: ConstructorParameters<typeof PlayedRequest>[1]): PlayedRequest
}

/** A group of held servers, with these settings each. */
export function playedGroup (
  settings: Partial<PeerOptions<Endpoint>>[], options: Partial<GroupOptions<Endpoint>> = {}
): PlayedGroup {
  const servers = settings.map((_, index) => new HeldServer(String.fromCharCode(97 + index)))
  const peers = servers.map((server, index) => ({ name: server.name, target: server, ...settings[index] }))
  const group = new Group<Endpoint>({ name: 'g', ...options, peers })
  return {
    group,
    servers,
    send (given) {
      const request = new PlayedRequest(group, given)
      request.pass.start()
      return request
    },
  }
}
