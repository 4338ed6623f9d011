import { hash, randomUUID } from 'node:crypto'
import type { Writable } from 'node:stream'
import type { CacheStore, CacheStoreKey, CacheStoreResult, CacheStoreValue, PurgeMatch } from '../../../types/cache-store.ts'
import { FST_SCGI_CACHE_STORE, FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { ActiveList } from '../../runtime/active-list.ts'
import { readRows } from '../../options/read.ts'
import { REDIS_STORE } from '../../options/table/cache.ts'
import { show } from '../../options/units.ts'
import { readTags } from '../tags.ts'
import { wasReplaced } from '../replaced.ts'
import { BodyWriter } from './body-writer.ts'
import { copyValue, entryKey, isValue, keyBytes, keyText, promisedLength, purgeTest, readKey } from './key.ts'
import { connect, isRedisClient } from '../../redis/client.ts'
import type { RedisClient } from '../../redis/client.ts'
import { Guard } from '../../redis/guard.ts'
import { COMMIT, GET, LIST, PURGE, PURGE_ONE, RANGE, TAG, UPDATE } from './redis/scripts.ts'
import { varyMatches, variantText, varyNames } from './vary.ts'

export type { RedisClient } from '../../redis/client.ts'

export interface RedisStoreOptions {
  /** `'redis://user:password@host:6379/0'`, `'rediss://...'` or the path of a unix socket. Needs the package `iovalkey`. */
  url?: string
  /** Your own client (`iovalkey`, `ioredis`) instead of `url`; `close()` does not close it. */
  client?: RedisClient
  /** Prefix of all keys. Default `'fastify-scgi:'`. */
  prefix?: string
  /** Maximum time of a command; after that the store has no entries until Redis answers again. Default `'250ms'`. */
  timeout?: number | string
  /** Maximum size of a body; a larger one is not stored. Default `'1m'`. */
  maxEntrySize?: number | string
  /** Called once for each outage of Redis. Default: `process.emitWarning()`. */
  onWarning?: (error: Error) => void
}

/** Keys that one SCAN looks at, about. */
const SCAN_COUNT = 500

/**
 * A store in Redis or Valkey, which several gateways can share. While Redis is down, slow or hangs, it has no entries.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED (the package iovalkey is missing)
 */
export function redisStore (options: RedisStoreOptions): CacheStore {
  return new RedisStore(options)
}

/** What came of a lookup. */
interface Looked {
  readonly key: CacheStoreKey
  /** Headers that select a variant of the key; undefined if Redis did not answer. */
  readonly names: readonly string[] | undefined
  readonly result: CacheStoreResult | undefined
}

const WORDS = { failure: (reason: string) => new FST_SCGI_CACHE_STORE(reason), meanwhile: 'the cache is taken for empty' }

class RedisStore implements CacheStore {
  readonly shared = true
  readonly #guard: Guard
  readonly #prefix: string
  readonly #maxEntrySize: number
  readonly #writers = new ActiveList<BodyWriter>()
  /** What is being asked now. Redis answers in turn, so that none of it is older than a write or a purge of ours that is done. */
  readonly #lookups = new Map<string, Promise<Looked>>()
  #closed = false

  constructor (options: RedisStoreOptions) {
    const { prefix, timeout, maxEntrySize } = readRows(REDIS_STORE, options, '', 'redisStore')
    const { url, client, onWarning = warning => process.emitWarning(warning) } = options
    this.#prefix = prefix
    this.#maxEntrySize = maxEntrySize
    if (client !== undefined) {
      if (!isRedisClient(client) || url !== undefined) throw new FST_SCGI_OPT_INVALID('client', show(typeof client), "a Redis client, without 'url'")
      this.#guard = new Guard({ client, owned: false, timeout, onWarning, ...WORDS })
    } else {
      if (typeof url !== 'string' || url === '') throw new FST_SCGI_OPT_INVALID('url', show(url), "the URL of a server, or a 'client'")
      this.#guard = new Guard({ client: connect(url, timeout), owned: true, timeout, onWarning, ...WORDS })
    }
  }

  async get (key: CacheStoreKey): Promise<CacheStoreResult | undefined> {
    if (!this.#guard.isAvailable) return undefined
    const main = this.#main(key)
    const running = this.#lookups.get(main)
    if (running !== undefined) {
      // A thousand requests for one key are not to be a thousand copies of its body on their way at once.
      const { names, key: { method, headers }, result } = await running
      if (names === undefined) return undefined
      if (method === key.method && variantText(method, names, headers) === variantText(method, names, key.headers)) return result
      return (await this.#lookUp(main, key)).result
    }
    const lookup = this.#lookUp(main, key)
    this.#lookups.set(main, lookup)
    try {
      return (await lookup).result
    } finally {
      this.#lookups.delete(main)
    }
  }

  createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined {
    if (!this.#guard.isAvailable || promisedLength(value) > this.#maxEntrySize) return undefined
    const copy = copyValue(value)
    const tags = readTags(copy.headers)
    const writer = new BodyWriter(key, tags, this.#maxEntrySize, (pieces, size, done) => {
      // That Redis failed was said once already; the entry is dropped.
      void this.#commit(key, copy, tags, Buffer.concat(pieces, size)).catch(() => writer.destroy()).then(done)
    })
    this.#writers.add(writer)
    writer.once('close', () => this.#writers.delete(writer))
    return writer
  }

  async delete (key: CacheStoreKey): Promise<void> {
    await this.purge(key.origin, { key: key.path }, false)
  }

  async updateMeta (key: CacheStoreKey, value: CacheStoreValue, of?: CacheStoreResult): Promise<boolean> {
    const found = await this.get(key)
    if (found?.id === undefined || wasReplaced(found, value, of)) return false
    const next = copyValue(found.vary === undefined ? value : { ...value, vary: found.vary })
    const head = [JSON.stringify({ ...next, method: key.method }), found.id, next.staleAt, next.deleteAt]
    const main = this.#main(key)
    const tags = readTags(next.headers)
    const dropped = readTags(found.headers).filter(tag => !tags.includes(tag))
    const lists = [tags, dropped].flatMap(list => [list.length, ...list.map(tag => this.#tag(key.origin, tag))])
    try {
      const place = main.slice(this.#prefix.length)
      const args = [keyBytes(keyText(key)), key.method, ...head, Date.now(), place, ...lists, ...headerArguments(key)]
      return await this.#guard.run(UPDATE, main, ...args) === 1
    } catch {
      return false
    }
  }

  async openRange (key: CacheStoreKey, start: number, end: number, of?: CacheStoreResult): Promise<Buffer | undefined> {
    if (start < 0 || start > end) return undefined
    if (Buffer.isBuffer(of?.body)) return end < of.body.length ? of.body.subarray(start, end + 1) : undefined
    try {
      const bytes = await this.#guard.run(RANGE, this.#main(key), keyBytes(keyText(key)), key.method, start, end, ...headerArguments(key))
      return Buffer.isBuffer(bytes) ? bytes : undefined
    } catch {
      return undefined
    }
  }

  /** Rejects where Redis does not answer: what could not be purged is still there. */
  async purge (origin: string, match: PurgeMatch, soft: boolean): Promise<number> {
    if (this.#closed) return 0
    const test = purgeTest(origin, match)
    // What was fetched before a purge is what the purge is against.
    for (const writer of this.#writers.all()) {
      const { key, tags } = writer
      if (test({ origin: key.origin, path: key.path, tags })) writer.destroy()
    }
    if ('key' in match) return this.#purge(this.#main({ origin, method: 'GET', path: match.key }), soft)
    if ('tag' in match) return this.#purgeTag(origin, match.tag, soft)
    let count = 0
    for await (const main of this.#mains()) {
      const text = await this.#guard.command('HGET', main, 'key')
      if (Buffer.isBuffer(text) && test({ ...readKey(text), tags: [] })) count += await this.#purge(main, soft)
    }
    return count
  }

  async * keys (origin: string): AsyncGenerator<CacheStoreKey> {
    for await (const main of this.#mains()) {
      const [text, ...metas] = arrayOf(await this.#guard.run(LIST, main))
      if (!Buffer.isBuffer(text)) continue
      const key = readKey(text)
      for (const meta of key.origin === origin ? metas : []) {
        const value = readMeta(meta)
        if (value !== undefined) yield entryKey(origin, value.method, key.path, value.vary)
      }
    }
  }

  close (): void {
    this.#closed = true
    for (const writer of this.#writers.all()) writer.destroy()
    this.#guard.close()
  }

  async #lookUp (main: string, key: CacheStoreKey): Promise<Looked> {
    let found: unknown
    try {
      found = await this.#guard.run(GET, main, keyBytes(keyText(key)), key.method, ...headerArguments(key))
    } catch {
      return { key, names: undefined, result: undefined }
    }
    const [lists, meta, stale, body, id] = arrayOf(found)
    const names = [...new Set(String(lists).split(/[\n,]/))].filter(name => name !== '')
    const head = readMeta(meta)
    if (head === undefined || !Buffer.isBuffer(stale) || !Buffer.isBuffer(body)) return { key, names, result: undefined }
    const { method, ...value } = head
    const fits = method === key.method && value.deleteAt > Date.now() && varyMatches(value.vary, key.headers)
    if (!fits) return { key, names, result: undefined }
    return { key, names, result: { ...value, staleAt: Number(stale.toString()), body, size: body.length, id: String(id) } }
  }

  #main (key: CacheStoreKey): string {
    return `${this.#prefix}{${hash('sha1', keyBytes(keyText(key)))}}`
  }

  #tag (origin: string, tag: string): string {
    return `${this.#prefix}:tag:${hash('sha1', keyBytes(keyText({ origin, method: '', path: tag })))}`
  }

  async #commit (key: CacheStoreKey, value: CacheStoreValue, tags: readonly string[], body: Buffer): Promise<void> {
    const main = this.#main(key)
    const names = varyNames(value.vary)
    const variant = hash('sha1', variantText(key.method, names, value.vary))
    const id = randomUUID()
    const { staleAt, deleteAt } = value
    const now = Date.now()
    const member = `${main.slice(this.#prefix.length)}:${variant}:${id}`
    const meta = JSON.stringify({ ...value, method: key.method })
    const args = [keyBytes(keyText(key)), names.join(), variant, id, meta, staleAt, deleteAt, now, body]
    await Promise.all([
      // Before the entry, so that no purge of the tag misses it.
      ...tags.map(tag => this.#guard.run(TAG, this.#tag(key.origin, tag), member, deleteAt, now)),
      this.#guard.run(COMMIT, main, ...args),
    ])
  }

  async #purge (main: string, soft: boolean): Promise<number> {
    return Number(await this.#guard.run(PURGE, main, soft ? 1 : 0, Date.now() - 1))
  }

  async #purgeTag (origin: string, tag: string, soft: boolean): Promise<number> {
    const key = this.#tag(origin, tag)
    let count = 0
    for (const member of arrayOf(await this.#guard.command('ZRANGE', key, 0, -1))) {
      const [main = '', variant = '', id = ''] = String(member).split(':')
      count += Number(await this.#guard.run(PURGE_ONE, this.#prefix + main, soft ? 1 : 0, Date.now() - 1, variant, id))
      if (!soft) await this.#guard.command('ZREM', key, String(member))
    }
    return count
  }

  /** The keys of all entries, those of other zones too, each once. */
  async * #mains (): AsyncGenerator<string> {
    const pattern = `${this.#prefix.replace(/[*?[\]\\^-]/g, '\\$&')}{*}`
    const seen = new Set<string>()
    let cursor = '0'
    do {
      const [next, keys] = arrayOf(await this.#guard.command('SCAN', cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT))
      for (const key of arrayOf(keys).map(String)) {
        if (seen.has(key)) continue
        seen.add(key)
        yield key
      }
      cursor = String(next)
    } while (cursor !== '0')
  }
}

function headerArguments ({ headers }: CacheStoreKey): string[] {
  return Object.entries(headers ?? {}).flatMap(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value])
}

function arrayOf (answer: unknown): unknown[] {
  return Array.isArray(answer) ? answer : []
}

function readMeta (meta: unknown): (CacheStoreValue & { method: string }) | undefined {
  if (!Buffer.isBuffer(meta)) return undefined
  try {
    const value: unknown = JSON.parse(meta.toString())
    return isValue(value) && 'method' in value && typeof value.method === 'string' ? { ...value, method: value.method } : undefined
  } catch {
    return undefined
  }
}
