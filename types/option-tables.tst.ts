import { describe, expect, test } from 'tstyche'
import type { AccelOptions } from '../lib/accel/index.ts'
import type { RedisStoreOptions } from '../lib/index.ts'
import type { CACHE, CREATE_CACHE, LOADER, REDIS_STORE, ROUNDS } from '../lib/options/table/cache.ts'
import type { BIND, NEXT_UPSTREAM, RESOLVER } from '../lib/options/table/connections.ts'
import type { ACCEL, CLIENT, DISPATCHER, SERVER_SIDE } from '../lib/options/table/doors.ts'
import type { GROUP, QUEUE, SERVER, TLS } from '../lib/options/table/group.ts'
import type { PROCESSES, SPAWN } from '../lib/options/table/spawn.ts'
import type { EXPECT, HEALTH, OUTLIER } from '../lib/options/table/health.ts'
import type { EXCHANGE, REGISTER, REPLY } from '../lib/options/table/plugin.ts'
import type { BUFFERING, HOOKS, SENDFILE, STORE, TEMP_PATH } from '../lib/options/table/reply.ts'
import type { REQUEST_BUFFERING } from '../lib/options/table/request.ts'
import type { STICKY_APACHE, STICKY_COOKIE, STICKY_LEARN } from '../lib/options/table/sticky.ts'
import type { BufferingOptions, TempPathOptions } from './buffering.ts'
import type { CacheOptions, CacheRoundOptions, CreateCacheOptions } from './cache.ts'
import type { ScgiClientOptions } from './client.ts'
import type { ScgiDispatcherOptions } from './dispatcher.ts'
import type { BindOptions } from './exchange.ts'
import type { HealthOptions, OutlierOptions, ResolverOptions } from './health.ts'
import type {
  ExchangeHooks, ExchangeOptions, FastifyScgiOptions, NextUpstreamOptions, ReplyScgiOptions, RequestBufferingOptions, SendfileOptions,
} from './options.ts'
import type { ScgiServerOptions } from './server.ts'
import type { StickyApacheOptions, StickyCookieOptions, StickyLearnOptions } from './sticky.ts'
import type { StoreOptions } from './store.ts'
import type { SpawnOptions, SpawnProcessesOptions } from './spawn.ts'
import type { GroupOptions, ServerOptions, ServerTlsOptions, UpstreamQueueOptions } from './upstream.ts'

describe('the tables have the options of the types, no more and no fewer', () => {
  test('of the plugin', () => {
    expect<keyof typeof EXCHANGE>().type.toBe<keyof ExchangeOptions>()
    expect<keyof typeof HOOKS>().type.toBe<keyof ExchangeHooks>()
    expect<keyof typeof REGISTER>().type.toBe<keyof FastifyScgiOptions>()
    expect<keyof typeof REPLY>().type.toBe<keyof ReplyScgiOptions>()
    expect<keyof typeof REQUEST_BUFFERING>().type.toBe<keyof RequestBufferingOptions>()
    expect<keyof typeof BIND>().type.toBe<keyof BindOptions>()
    expect<keyof typeof NEXT_UPSTREAM>().type.toBe<keyof NextUpstreamOptions>()
    expect<keyof typeof BUFFERING>().type.toBe<keyof BufferingOptions>()
    expect<keyof typeof TEMP_PATH>().type.toBe<keyof TempPathOptions>()
    expect<keyof typeof SENDFILE>().type.toBe<keyof SendfileOptions>()
    expect<keyof typeof STORE>().type.toBe<keyof StoreOptions>()
  })
  test('of groups and servers', () => {
    expect<keyof typeof GROUP>().type.toBe<keyof GroupOptions>()
    expect<keyof typeof SERVER>().type.toBe<keyof ServerOptions | 'spawn'>()
    expect<keyof typeof SPAWN>().type.toBe<keyof SpawnOptions>()
    expect<keyof typeof PROCESSES>().type.toBe<keyof SpawnProcessesOptions>()
    expect<keyof typeof TLS>().type.toBe<keyof ServerTlsOptions>()
    expect<keyof typeof QUEUE>().type.toBe<keyof UpstreamQueueOptions>()
    expect<keyof typeof HEALTH>().type.toBe<keyof HealthOptions>()
    expect<keyof typeof EXPECT>().type.toBe<keyof NonNullable<HealthOptions['expect']>>()
    expect<keyof typeof OUTLIER>().type.toBe<keyof OutlierOptions>()
    expect<keyof typeof RESOLVER>().type.toBe<keyof ResolverOptions>()
    expect<keyof typeof STICKY_COOKIE>().type.toBe<keyof StickyCookieOptions>()
    expect<keyof typeof STICKY_LEARN>().type.toBe<keyof StickyLearnOptions>()
    expect<keyof typeof STICKY_APACHE>().type.toBe<keyof StickyApacheOptions>()
  })
  test('of the cache', () => {
    expect<keyof typeof CACHE>().type.toBe<keyof CacheOptions>()
    expect<keyof typeof CREATE_CACHE>().type.toBe<keyof CreateCacheOptions>()
    expect<keyof typeof ROUNDS>().type.toBe<keyof CacheRoundOptions>()
    expect<keyof typeof LOADER>().type.toBe<keyof NonNullable<CreateCacheOptions['loader']>>()
    expect<keyof typeof REDIS_STORE>().type.toBe<keyof RedisStoreOptions>()
  })
  test('of the other doors', () => {
    expect<keyof typeof DISPATCHER>().type.toBe<keyof ScgiDispatcherOptions>()
    expect<keyof typeof CLIENT>().type.toBe<keyof ScgiClientOptions>()
    expect<keyof typeof SERVER_SIDE>().type.toBe<keyof ScgiServerOptions>()
    expect<keyof typeof ACCEL>().type.toBe<keyof AccelOptions>()
  })
})
