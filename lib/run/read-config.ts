import { availableParallelism } from 'node:os'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { isFunction, isRecord } from '../options/checks.ts'
import { parseLifetime, show } from '../options/units.ts'
import { checkRegisterOptions } from '../plugin-options.ts'
import { checkKeys } from '../options/keys.ts'
import { readFastify } from './read-fastify.ts'
import { readAccessLog, readLog, type AccessLogSettings, type LogSettings } from './read-logs.ts'
import { readListeners, type Listener } from './read-listen.ts'
import type { FastifyInstance } from 'fastify'
import type { GatewayConfig, GatewayFastifyOptions, GatewayMount } from '../../types/config.ts'

/** More processes than that are a mistake. */
const MOST_WORKERS = 1024
const DRAIN_TIMEOUT = '1h'

/** A configuration that was checked, as far as that can be done without asking the system. */
export interface Settings {
  readonly listeners: readonly Listener[]
  /** `undefined` if nothing was said. */
  readonly workers: number | undefined
  readonly fastify: GatewayFastifyOptions
  readonly mounts: readonly GatewayMount[]
  readonly setup: ((app: FastifyInstance) => unknown) | undefined
  readonly log: LogSettings
  readonly accessLog: AccessLogSettings | undefined
  readonly pidFile: string | undefined
  /** Milliseconds; 0 is without limit. */
  readonly drainTimeout: number
}

const NAMES: Record<keyof GatewayConfig, true> = {
  listen: true, workers: true, fastify: true, mounts: true, setup: true, log: true, accessLog: true, pidFile: true, drainTimeout: true,
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED: each names the place of the mistake */
export function readConfig (config: unknown): Settings {
  if (!isRecord(config)) throw new FST_SCGI_OPT_INVALID('config', show(config), 'an object: { listen, workers, fastify, mounts, setup }')
  checkKeys('', config, Object.keys(NAMES), 'a configuration')
  const { setup, pidFile } = config
  if (setup !== undefined && !isFunction(setup)) throw new FST_SCGI_OPT_INVALID('setup', show(setup), 'a function that takes the application')
  if (pidFile !== undefined && (typeof pidFile !== 'string' || pidFile === '')) throw new FST_SCGI_OPT_INVALID('pidFile', show(pidFile), 'the path of a file')
  return {
    listeners: readListeners(config.listen),
    workers: readWorkers(config.workers),
    fastify: readFastify(config.fastify),
    mounts: readMounts(config.mounts),
    setup,
    log: readLog(config.log),
    accessLog: readAccessLog(config.accessLog),
    pidFile,
    drainTimeout: parseLifetime('drainTimeout', config.drainTimeout ?? DRAIN_TIMEOUT),
  }
}

/** @throws FST_SCGI_OPT_INVALID */
function readWorkers (value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (value === 'auto') return availableParallelism()
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MOST_WORKERS) {
    throw new FST_SCGI_OPT_INVALID('workers', show(value), `'auto', or a number of processes, 1 to ${MOST_WORKERS}`)
  }
  return value
}

function readMounts (value: unknown): GatewayMount[] {
  if (value === undefined) return []
  if (!isMounts(value)) throw new FST_SCGI_OPT_INVALID('mounts', show(value), "a list of what register takes: [{ prefix: '/app', upstreams: '127.0.0.1:4000' }]")
  value.forEach((mount, index) => checkRegisterOptions(mount, `mounts[${index}]`))
  return value
}

/** What is in it is looked at after that. */
function isMounts (value: unknown): value is GatewayMount[] {
  return Array.isArray(value)
}
