import { isRecord } from '../options/checks.ts'
import type { ServerAddress } from './handles.ts'
import type { LogSettings } from './read-logs.ts'
import type { Place } from './read-listen.ts'

/** By it a process knows that it is a worker of this package's, and not of somebody else's cluster. */
export const WORKER_ENV = 'FASTIFY_SCGI_WORKER'

/** A place of a configuration. */
interface PlannedListener {
  readonly place: Place
  readonly scheme: string
  /** HTTP/1 without TLS: what a dead worker had in flight can be known. */
  readonly plain: boolean
}

/** What the primary must know of a configuration, which it never loads itself: modules that are loaded once stay as they were. */
export interface Plan {
  readonly listeners: readonly PlannedListener[]
  readonly workers: number | undefined
  readonly log: LogSettings
  /** Its log or its access log goes to a file. */
  readonly logsToFiles: boolean
  readonly pidFile: string | undefined
  readonly drainTimeout: number
  /** Milliseconds that closing may take. */
  readonly closeTimeout: number
}

/** From the primary to a worker. */
export type Order =
  /** What the files of the configuration had when it was loaded last, as `keptText` says it. */
  | { readonly scgi: 'source', readonly text: string }
  /** Where each of its listeners is, and the file in which it notes what it has in flight. */
  | { readonly scgi: 'listen', readonly addresses: readonly ServerAddress[], readonly journal?: string }
  /** A connection comes with it. */
  | {
    readonly scgi: 'connection'
    readonly listener: number
    /** By which the primary has a copy of it. */
    readonly id?: number
    /** Another worker has had it. */
    readonly again?: boolean
    /** What that one had read on it and not answered, one char a byte. */
    readonly request?: string
  }
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
  /** The connection did not arrive: this worker has no descriptor left. */
  | { readonly scgi: 'lost' }
  /** These connections are no more. */
  | { readonly scgi: 'closed', readonly ids: readonly number[] }
  /** What it has in flight is not noted any more. */
  | { readonly scgi: 'no-journal', readonly reason: string }
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
