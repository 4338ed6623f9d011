import { after, before } from 'node:test'
import { testCacheStore } from '../../lib/cache-store-suite/index.ts'
import { redisStore } from '../../lib/cache/stores/redis.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import type { Redis } from '../helpers/redis.ts'

if (noRedis === false) {
  let redis: Redis
  let stores = 0
  before(async () => { redis = await startRedis() })
  after(() => redis.stop())
  testCacheStore('redis', () => redisStore({ url: redis.url, prefix: `test [${stores++}]*:`, timeout: '5s' }), { methods: ['updateMeta', 'openRange', 'purge', 'keys', 'close'] })
}
