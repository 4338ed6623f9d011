// What undici brings is a store as well.
import { cacheStores } from 'undici'
import { testCacheStore } from '../../lib/cache-store-suite/index.ts'

testCacheStore('undici', () => new cacheStores.MemoryCacheStore())
