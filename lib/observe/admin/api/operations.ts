import cluster from 'node:cluster'
import { CACHE_OPERATIONS } from './cache-operations.ts'
import { GROUP_OPERATIONS } from './group-operations.ts'
import { idOf, requestModel } from './model.ts'
import type { Operation } from './route.ts'

/** This process: counters are its own. */
export function processModel () {
  return {
    pid: process.pid,
    worker: cluster.worker?.id ?? null,
    uptime: Math.round(process.uptime()),
    memory: process.memoryUsage.rss(),
    node: process.version,
  }
}

/** All operations of the API but the document and the stream, which are no JSON objects of their own. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: 'GET',
    path: '/',
    summary: 'What there is',
    answer: 'Index',
    run: ({ service }) => ({
      body: {
        name: 'fastify-scgi',
        process: processModel(),
        groups: service.groups.map(({ name }) => idOf(name)),
        caches: service.caches.map(({ name }) => idOf(name)),
      },
    }),
  },
  {
    method: 'GET',
    path: '/token',
    summary: 'A token for edits, to be sent in x-gateway-token; it holds for 12 hours',
    answer: 'Token',
    run: call => ({ body: { token: call.token() } }),
  },
  ...GROUP_OPERATIONS,
  ...CACHE_OPERATIONS,
  {
    method: 'GET',
    path: '/requests/failed',
    summary: 'The latest requests that were answered with 5xx, or went on to another server',
    answer: 'Requests',
    run: ({ service }) => ({ body: { requests: service.requests.failed.map(requestModel) } }),
  },
  {
    method: 'GET',
    path: '/requests/slow',
    summary: 'The latest slow requests',
    answer: 'Requests',
    run: ({ service }) => ({ body: { requests: service.requests.slow.map(requestModel) } }),
  },
  {
    method: 'POST',
    path: '/requests/reset',
    summary: 'Forgets the requests that failed or were slow',
    answer: 'Done',
    run ({ service, operator }) {
      service.requests.reset()
      service.tell(operator, 'clears the lists of failed and slow requests')
      return { body: { done: true } }
    },
  },
  {
    method: 'GET',
    path: '/edits',
    summary: 'The latest edits, and who has made them',
    answer: 'Edits',
    run: ({ service }) => ({ body: { edits: service.edits } }),
  },
]
