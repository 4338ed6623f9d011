import { isRecord } from '../options/checks.ts'
import type { ApplicationServer, ProcessState } from './contract.ts'
import type { SpawnSettings } from './options.ts'
import type { PlainError } from './tell.ts'

// What a worker of node:cluster and its primary say to one another about applications, over process.send().

const TYPE = 'fastify-scgi:spawn'

/** The primary's number, for workers to know that it owns the applications. */
export const OWNER_VARIABLE = 'FASTIFY_SCGI_APPLICATIONS'

/** `id` is the worker's number for one of its applications. */
export type FromWorker =
  | { readonly what: 'start', readonly id: number, readonly option: string, readonly settings: SpawnSettings }
  | { readonly what: 'load', readonly id: number, readonly active: readonly (readonly [string, number])[] }
  | { readonly what: 'stop', readonly id: number }

export type FromPrimary =
  | { readonly what: 'started', readonly id: number, readonly servers: readonly ApplicationServer[] }
  | { readonly what: 'failed', readonly id: number, readonly error: PlainError }
  | { readonly what: 'servers', readonly id: number, readonly servers: readonly ApplicationServer[] }
  | { readonly what: 'processes', readonly id: number, readonly processes: readonly ProcessState[] }
  | { readonly what: 'stopped', readonly id: number }

export function wrap (body: FromWorker | FromPrimary): { type: string, body: FromWorker | FromPrimary } {
  return { type: TYPE, body }
}

/** A message of ours; `undefined` for those of others. */
export function fromWorker (message: unknown): FromWorker | undefined {
  const body = bodyOf(message)
  return isFromWorker(body) ? body : undefined
}

export function fromPrimary (message: unknown): FromPrimary | undefined {
  const body = bodyOf(message)
  return isFromPrimary(body) ? body : undefined
}

function bodyOf (message: unknown): unknown {
  return isRecord(message) && message['type'] === TYPE ? message['body'] : undefined
}

// Both ends are the same program; what tells messages apart is enough.

function isFromWorker (body: unknown): body is FromWorker {
  return isRecord(body) && typeof body['id'] === 'number' &&
    ((body['what'] === 'start' && isRecord(body['settings'])) || (body['what'] === 'load' && Array.isArray(body['active'])) || body['what'] === 'stop')
}

function isFromPrimary (body: unknown): body is FromPrimary {
  return isRecord(body) && typeof body['id'] === 'number' &&
    (Array.isArray(body['servers']) || (body['what'] === 'processes' && Array.isArray(body['processes'])) || (body['what'] === 'failed' && isRecord(body['error'])) || body['what'] === 'stopped')
}
