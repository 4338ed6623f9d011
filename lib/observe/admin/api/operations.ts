import { CACHE_OPERATIONS } from './cache-operations.ts'
import { GROUP_OPERATIONS } from './group-operations.ts'
import { idOf } from './model.ts'
import { processModel } from './process.ts'
import { missingIn, type Operation } from './route.ts'

/** All operations of the API but the document and the stream, which are no JSON objects of their own. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: 'GET',
    path: '/',
    summary: 'What there is',
    answer: 'Index',
    async run ({ service }) {
      const { groups, caches, workers, missing } = await service.overall()
      return {
        body: {
          name: 'fastify-scgi',
          process: processModel(),
          ...(workers === undefined ? undefined : { workers }),
          groups: groups.map(({ name }) => idOf(name)),
          caches: caches.map(({ name }) => idOf(name)),
          ...missingIn(missing),
        },
      }
    },
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
    async run ({ service }) {
      const { failed, missing } = await service.overall()
      return { body: { requests: failed, ...missingIn(missing) } }
    },
  },
  {
    method: 'GET',
    path: '/requests/slow',
    summary: 'The latest slow requests',
    answer: 'Requests',
    async run ({ service }) {
      const { slow, missing } = await service.overall()
      return { body: { requests: slow, ...missingIn(missing) } }
    },
  },
  {
    method: 'POST',
    path: '/requests/reset',
    summary: 'Forgets the requests that failed or were slow',
    answer: 'Done',
    async run ({ service, operator }) {
      const missing = await service.resetRequests(operator)
      return { body: { done: true, ...missingIn(missing) } }
    },
  },
  {
    method: 'GET',
    path: '/edits',
    summary: 'The latest edits, and who has made them',
    answer: 'Edits',
    async run ({ service }) {
      const { edits, missing } = await service.overall()
      return { body: { edits, ...missingIn(missing) } }
    },
  },
]
