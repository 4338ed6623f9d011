import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isRecord } from '../options/checks.ts'
import { checkKeys } from '../options/keys.ts'
import { MAX_PROBE_DELAY, probeDelay, show } from '../options/units.ts'
import { LOG_LEVELS } from './read-logs.ts'
import type { FastifyServerOptions } from 'fastify'
import type { ServerOptions } from 'node:http'
import type { LoggerOptions } from 'pino'
import type { GatewayFastifyOptions } from '../../types/config.ts'

const FASTIFY: Record<keyof GatewayFastifyOptions, true> = {
  ajv: true,
  allowErrorHandlerOverride: true,
  allowUnsafeRegex: true,
  bodyLimit: true,
  caseSensitive: true,
  childLoggerFactory: true,
  clientErrorHandler: true,
  connectionTimeout: true,
  constraints: true,
  disableRequestLogging: true,
  exposeHeadRoutes: true,
  forceCloseConnections: true,
  frameworkErrors: true,
  genReqId: true,
  handlerTimeout: true,
  http: true,
  ignoreDuplicateSlashes: true,
  ignoreTrailingSlash: true,
  keepAliveTimeout: true,
  logController: true,
  logger: true,
  maxParamLength: true,
  maxRequestsPerSocket: true,
  onConstructorPoisoning: true,
  onProtoPoisoning: true,
  pluginTimeout: true,
  querystringParser: true,
  requestIdHeader: true,
  requestIdLogLabel: true,
  requestTimeout: true,
  return503OnClosing: true,
  rewriteUrl: true,
  routerOptions: true,
  schemaController: true,
  schemaErrorFormatter: true,
  serializerOpts: true,
  trustProxy: true,
  useSemicolonDelimiter: true,
}

/** Options of Fastify's that have a place of their own here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  https: 'TLS is said for each place: listen: { port: 8443, tls: { cert, key } }',
  http2: 'it is said for each place: listen: { port: 8443, tls: { cert, key }, http2: true }',
  http2SessionTimeout: "sessions end with keepAliveTimeout: HTTP/2 is said for each place of 'listen'",
  serverFactory: "the gateway makes the servers: 'listen' says which",
  loggerInstance: "the gateway makes the log: 'log' says where it goes, 'fastify.logger' may have pino's options",
}

const HTTP: Record<Exclude<keyof ServerOptions, 'keepAliveTimeout' | 'requestTimeout'>, true> = {
  IncomingMessage: true,
  ServerResponse: true,
  connectionsCheckingInterval: true,
  headersTimeout: true,
  highWaterMark: true,
  insecureHTTPParser: true,
  joinDuplicateHeaders: true,
  keepAlive: true,
  keepAliveInitialDelay: true,
  maxHeaderSize: true,
  noDelay: true,
  rejectNonStandardBodyWrites: true,
  requireHostHeader: true,
  uniqueHeaders: true,
}
/** Of later versions of Node.js. */
const LATER_HTTP = ['keepAliveTimeoutBuffer', 'optimizeEmptyRequests', 'shouldUpgradeCallback']

const ROUTER: Record<keyof NonNullable<FastifyServerOptions['routerOptions']>, true> = {
  allowUnsafeRegex: true,
  caseSensitive: true,
  compile: true,
  constraints: true,
  defaultRoute: true,
  ignoreDuplicateSlashes: true,
  ignoreTrailingSlash: true,
  maxParamLength: true,
  onBadUrl: true,
  onMaxParamLength: true,
  querystringParser: true,
}
/** The router has it, and Fastify's types do not. */
const MORE_ROUTER = ['buildPrettyMeta', 'useSemicolonDelimiter']

const AJV: Record<keyof NonNullable<FastifyServerOptions['ajv']>, true> = { customOptions: true, mode: true, onCreate: true, plugins: true }

/** Those of pino, and Fastify's own. */
const LOGGER: Record<Exclude<keyof LoggerOptions, 'transport'> | 'genReqId', true> = {
  base: true,
  browser: true,
  crlf: true,
  customLevels: true,
  depthLimit: true,
  edgeLimit: true,
  enabled: true,
  errorKey: true,
  formatters: true,
  genReqId: true,
  hooks: true,
  level: true,
  levelComparison: true,
  levelVal: true,
  messageKey: true,
  mixin: true,
  mixinMergeStrategy: true,
  msgPrefix: true,
  name: true,
  nestedKey: true,
  onChild: true,
  redact: true,
  safe: true,
  serializers: true,
  timestamp: true,
  useOnlyCustomLevels: true,
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED */
export function readFastify (value: unknown): GatewayFastifyOptions {
  if (value === undefined) return {}
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID('fastify', show(value), "an object of Fastify's options")
  for (const name of Object.keys(value)) {
    const why = Object.hasOwn(ELSEWHERE, name) ? ELSEWHERE[name] : undefined
    if (why !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`fastify.${name}`, why)
  }
  // Fastify, its router, Node.js and pino drop what they do not know without a word.
  checkKeys('fastify', value, Object.keys(FASTIFY), "'fastify'")
  if (isRecord(value.http)) {
    for (const name of ['keepAliveTimeout', 'requestTimeout']) {
      if (value.http[name] !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`fastify.http.${name}`, `Fastify sets it: fastify.${name}`)
    }
    checkKeys('fastify.http', value.http, [...Object.keys(HTTP), ...LATER_HTTP], "'fastify.http'")
  }
  if (isRecord(value.routerOptions)) checkKeys('fastify.routerOptions', value.routerOptions, [...Object.keys(ROUTER), ...MORE_ROUTER], "'fastify.routerOptions'")
  if (isRecord(value.ajv)) checkKeys('fastify.ajv', value.ajv, Object.keys(AJV), "'fastify.ajv'")
  if (isRecord(value.logger)) checkLogger(value.logger)
  checkTrust('fastify.trustProxy', value.trustProxy)
  if (!isRecord(value.http) || value.http.keepAliveInitialDelay === undefined) return value
  return { ...value, http: { ...value.http, keepAliveInitialDelay: readProbeDelay(value.http.keepAliveInitialDelay) } }
}

/**
 * Fastify takes the text '2' for the address 0.0.0.2, and with the number it trusts nobody.
 * @throws FST_SCGI_OPT_INVALID
 */
export function checkTrust (option: string, value: unknown): void {
  const whom: unknown[] = typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [value]
  for (const one of whom) {
    if (one === 0 || !(typeof one === 'number' || (typeof one === 'string' && /^\s*\d[^.:]*$/.test(one)))) continue
    throw new FST_SCGI_OPT_INVALID(option, show(value), "addresses or networks of the proxies, such as '127.0.0.1, 10.0.0.0/8': a number of proxies says nothing about who connects")
  }
}

function readProbeDelay (value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= MAX_PROBE_DELAY) return probeDelay(value)
  throw new FST_SCGI_OPT_INVALID('fastify.http.keepAliveInitialDelay', show(value), `milliseconds, of at most ${MAX_PROBE_DELAY}`)
}

function checkLogger (logger: Record<string, unknown>): void {
  for (const name of ['stream', 'file', 'transport']) {
    if (logger[name] !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`fastify.logger.${name}`, 'log: { file, pretty } says where the lines go')
  }
  checkKeys('fastify.logger', logger, Object.keys(LOGGER), "'fastify.logger'")
  const { level, customLevels } = logger
  const levels = [...LOG_LEVELS, ...Object.keys(isRecord(customLevels) ? customLevels : {})]
  if (level !== undefined && !levels.some(known => known === level)) {
    throw new FST_SCGI_OPT_INVALID('fastify.logger.level', show(level), `one of ${levels.join(', ')}`)
  }
}
