import { createCache } from './cache/create.ts'
import { DiskStore } from './cache/stores/disk.ts'
import { MemoryStore } from './cache/stores/memory.ts'
import { redisStore } from './cache/stores/redis.ts'
import * as errors from './errors.ts'
import { nginxDefaults } from './options/presets.ts'
import { fastifyScgi } from './plugin.ts'
import { ScgiClient } from './client/client.ts'
import { createUpstreams } from './group/server-group.ts'

/** What `require('fastify-scgi')` gives: the plugin, and the rest as its properties. */
const commonjs = Object.assign(fastifyScgi, {
  default: fastifyScgi, fastifyScgi, createCache, MemoryStore, DiskStore, redisStore, createUpstreams, ScgiClient, nginxDefaults, errors,
})

export {
  fastifyScgi, fastifyScgi as default, createCache, MemoryStore, DiskStore, redisStore, createUpstreams, ScgiClient, nginxDefaults, errors,
  commonjs as 'module.exports',
}
export type { DiskStoreOptions } from './cache/stores/disk.ts'
export type { MemoryStoreOptions } from './cache/stores/memory.ts'
export type { RedisClient, RedisStoreOptions } from './cache/stores/redis.ts'
export type { ScgiClientOptions, ScgiClientRequest, ScgiClientResponse, ScgiParamBytes } from './client/client.ts'
export type * from '../types/index.ts'
