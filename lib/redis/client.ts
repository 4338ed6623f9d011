import { createRequire } from 'node:module'
import { FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'

/** What the store needs of a client: iovalkey's or ioredis's `Redis`. */
export interface RedisClient {
  /** `'ready'` while commands can be sent. */
  readonly status: string
  callBuffer (command: string, ...args: Array<string | Buffer | number>): Promise<unknown>
  on (event: 'error', listener: (error: Error) => void): unknown
  once (event: 'ready' | 'close', listener: () => void): unknown
  off (event: 'error', listener: (error: Error) => void): unknown
  disconnect (reconnect?: boolean): void
}

interface RedisModule {
  Redis: new (url: string, options: Record<string, unknown>) => RedisClient
}

const PACKAGE = 'iovalkey'
/** Longest pause between two attempts to connect, in milliseconds. */
const MAX_RETRY = 2000

/**
 * Connects to a server. Nothing waits in the client: what cannot be sent fails at once, and what was not answered when the connection
 * went away is not sent again.
 * @throws FST_SCGI_OPT_UNSUPPORTED without the package
 */
export function connect (url: string, timeout: number): RedisClient {
  const { Redis } = loadPackage()
  return new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: Math.max(timeout, 1000),
    retryStrategy: (times: number) => Math.min(times * 50, MAX_RETRY),
  })
}

function loadPackage (): RedisModule {
  let loaded: unknown
  try {
    loaded = createRequire(import.meta.url)(PACKAGE)
  } catch (cause) {
    const error = new FST_SCGI_OPT_UNSUPPORTED('redisStore({ url })', `the package '${PACKAGE}' is not installed: npm install ${PACKAGE}`)
    error.cause = cause
    throw error
  }
  if (isModule(loaded)) return loaded
  throw new FST_SCGI_OPT_UNSUPPORTED('redisStore({ url })', `the package '${PACKAGE}' has no class Redis: install another version`)
}

function isModule (value: unknown): value is RedisModule {
  return typeof value === 'function' ? 'Redis' in value : typeof value === 'object' && value !== null && 'Redis' in value && typeof value.Redis === 'function'
}

export function isRedisClient (value: unknown): value is RedisClient {
  return typeof value === 'object' && value !== null && 'callBuffer' in value && typeof value.callBuffer === 'function' && 'status' in value
}
