import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Redis as Client } from 'iovalkey'
import { testCacheStore } from '../../lib/cache-store-suite/index.ts'
import { redisStore } from '../../lib/cache/stores/redis.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import type { Redis } from '../helpers/redis.ts'
import { keyOf, valueOf, write } from './store-kit.ts'

if (noRedis === false) {
  let redis: Redis
  let stores = 0
  before(async () => { redis = await startRedis() })
  after(() => redis.stop())
  testCacheStore('redis', () => redisStore({ url: redis.url, prefix: `test [${stores++}]*:`, timeout: '5s' }), { methods: ['updateMeta', 'openRange', 'purge', 'keys', 'close'] })

  test('redis: an entry can be purged by its tags for as long as it is kept, also where a new head has it kept for longer', async () => {
    const store = redisStore({ url: redis.url, prefix: 'tags:', timeout: '5s' })
    const client = new Client(redis.url)
    try {
      const now = Date.now()
      await write(store, '/a', 'a', { headers: { 'cache-tag': 'kept, lost' }, deleteAt: now + 60_000 })
      const value = valueOf({ headers: { 'cache-tag': 'kept, new' }, deleteAt: now + 3_600_000 })
      assert.equal(await store.updateMeta?.(keyOf('/a'), value), true)
      const lives: [scores: number[], long: boolean][] = []
      for (const key of await client.keys('tags::tag:*')) {
        const scores = (await client.zrange(key, 0, -1, 'WITHSCORES')).filter((_, index) => index % 2 === 1).map(Number)
        lives.push([scores, await client.pttl(key) > 3_000_000])
      }
      assert.deepEqual(lives, [[[now + 3_600_000], true], [[now + 3_600_000], true]])
    } finally {
      await client.quit()
      await store.close?.()
    }
  })
}
