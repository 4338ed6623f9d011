import type { Socket } from 'node:net'
import type { Listed } from '../runtime/active-list.ts'
import type { ServerSettings } from './options.ts'
import type { ScgiIncomingMessage } from './request.ts'
import type { ScgiServerResponse } from './response.ts'

/** What a connection needs of its server. The limits may change while it lives, as those of `http.Server`. */
export interface ConnectionHost {
  readonly settings: ServerSettings
  readonly listening: boolean
  readonly headersTimeout: number
  readonly requestTimeout: number
  readonly keepAliveTimeout: number
  readonly timeout: number
  readonly maxHeadersCount: number | null
  readonly maxRequestsPerSocket: number | null
  emit (event: 'request', request: ScgiIncomingMessage, response: ScgiServerResponse): boolean
  emit (event: 'clientError', error: Error, socket: Socket): boolean
  emit (event: 'timeout', socket: Socket): boolean
  emit (event: 'upgrade', request: ScgiIncomingMessage, socket: Socket, head: Buffer): boolean
  listenerCount (event: 'upgrade'): number
  /** What came was no request that could be served. */
  refused (error: Error, socket: Socket): void
  /** The connection is no more. */
  forget (connection: Listed): void
}
