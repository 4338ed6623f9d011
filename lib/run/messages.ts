import { isRecord } from '../options/checks.ts'
import type { ServerAddress } from './handles.ts'
import type { LogSettings } from './read-logs.ts'
import type { Place } from './read-listen.ts'

/** What the primary must know of a configuration, which it never loads itself: modules that are loaded once stay as they were. */
export interface Plan {
  readonly listeners: readonly { readonly place: Place, readonly scheme: string }[]
  readonly workers: number | undefined
  readonly log: LogSettings
  readonly pidFile: string | undefined
  readonly drainTimeout: number
  /** Milliseconds that closing may take. */
  readonly closeTimeout: number
}

/** From the primary to a worker. */
export type Order =
  /** What the file of the configuration had when it was loaded last. */
  | { readonly scgi: 'source', readonly text: string }
  /** Where each of its listeners is. */
  | { readonly scgi: 'listen', readonly addresses: readonly ServerAddress[] }
  /** A connection comes with it. */
  | { readonly scgi: 'connection', readonly listener: number }
  | { readonly scgi: 'drain', readonly timeout: number }
  | { readonly scgi: 'close' }
  | { readonly scgi: 'reopen' }

/** From a worker to the primary. */
export type Report =
  /** It waits for what the primary has kept of the configuration. */
  | { readonly scgi: 'source' }
  | { readonly scgi: 'loaded', readonly plan: Plan, readonly source: string | undefined }
  | { readonly scgi: 'failed', readonly message: string }
  | { readonly scgi: 'serving' }
  | { readonly scgi: 'took', readonly accepted: boolean }
  /** Somebody has told this worker to end. */
  | { readonly scgi: 'leaving' }

/** Others send messages, too: groups that are shared, and whatever the configuration does. Only processes of this package send these. */
export function isOrder (message: unknown): message is Order {
  return isRecord(message) && typeof message.scgi === 'string'
}

/** As `isOrder`. */
export function isReport (message: unknown): message is Report {
  return isRecord(message) && typeof message.scgi === 'string'
}
