// Groups that several processes share: `import { clusterChannel, redisChannel } from 'fastify-scgi/channel'`.
export { clusterChannel } from './cluster.ts'
export { redisChannel } from './redis.ts'
export type * from '../../types/channel.ts'
