import { isRecord } from '../../../options/checks.ts'
import type { PurgeMatch } from '../../../../types/cache-store.ts'
import type { WorkerName } from '../../../workers/siblings.ts'
import type { HistoryCounts } from '../accounts/history.ts'
import type { CacheModel, GroupModel, RequestModel, SeenEdit } from '../api/model.ts'
import type { ProcessModel } from '../api/process.ts'

// What workers ask one another, and tell. It goes over the channel of node:cluster as JSON.

export type Question =
  /** @param history points of the graphs */
  | { readonly what: 'state', readonly history: number }
  | { readonly what: 'entries', readonly cache: string, readonly glob: string | undefined, readonly offset: number, readonly limit: number }
  | { readonly what: 'ages', readonly cache: string }
  | { readonly what: 'purge', readonly cache: string, readonly match: PurgeMatch, readonly soft: boolean }
  /** All servers of a group, or one; a cache; the lists of requests. */
  | { readonly what: 'reset', readonly cache?: string, readonly group?: string, readonly server?: string, readonly requests?: boolean }

const QUESTIONS: ReadonlySet<unknown> = new Set(['state', 'entries', 'ages', 'purge', 'reset'] satisfies Question['what'][])

/** Only workers of this code ask on its topics. */
export function isQuestion (question: unknown): question is Question {
  return isRecord(question) && QUESTIONS.has(question['what'])
}

/** What one worker knows. */
export interface Told {
  readonly process: ProcessModel
  readonly groups: readonly GroupModel[]
  /** By the names of group and server. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, HistoryCounts>>>>
  readonly caches: readonly CacheModel[]
  /** Names of the caches that other workers have, too, as they are. */
  readonly common: readonly string[]
  readonly failed: readonly RequestModel[]
  readonly slow: readonly RequestModel[]
  readonly edits: readonly SeenEdit[]
}

export function isTold (answer: unknown): answer is Told {
  return isRecord(answer) && isRecord(answer['process']) && Array.isArray(answer['groups'])
}

/** What all workers know. */
export interface Overall extends Omit<Told, 'counts' | 'common'> {
  /** Those that have answered, and this one; `undefined` in a process that has no others. */
  readonly workers: readonly ProcessModel[] | undefined
  readonly missing: readonly WorkerName[] | undefined
}
