import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN } from './errors.ts'
import { ServerGroup } from './group/server-group.ts'
import { show } from './options/units.ts'
import type { FastifyScgiOptions, ReplyScgiOptions } from '../types/options.ts'

type Known<T> = Record<keyof T, true>

const EXCHANGE = {
  params: true,
  defaultParams: true,
  maxParamsSize: true,
  passRequestHeaders: true,
  passRequestBody: true,
  underscoresInHeaders: true,
  encodedSlashes: true,
  mergeSlashes: true,
  forwarded: true,
  requestBuffering: true,
  bind: true,
  socketKeepalive: true,
  connectTimeout: true,
  sendTimeout: true,
  readTimeout: true,
  clientBodyTimeout: true,
  buffering: true,
  clientSendTimeout: true,
  limitRate: true,
  clientLimitRate: true,
  clientLimitRateAfter: true,
  forceRanges: true,
  interceptErrors: true,
  errorPages: true,
  recursiveErrorPages: true,
  internalRedirect: true,
  sendfile: true,
  store: true,
  cache: true,
  cacheRules: true,
  ignoreClientAbort: true,
  earlyHints: true,
  upgrade: true,
  nextUpstream: true,
  hideHeaders: true,
  passHeaders: true,
  ignoreHeaders: true,
  preserveHeaderCase: true,
  allowAnyUpstream: true,
  resolver: true,
  rewriteRequestHeaders: true,
  rewriteHeaders: true,
  onResponse: true,
  onError: true,
} as const

const REPLY: Known<ReplyScgiOptions> = { ...EXCHANGE, upstreams: true, rewritePrefix: true, body: true }

const REGISTER: Known<FastifyScgiOptions> = {
  ...EXCHANGE,
  upstreams: true,
  prefix: true,
  rewritePrefix: true,
  httpMethods: true,
  replyFrom: true,
  internal: true,
  closeTimeout: true,
  bodyLimit: true,
  constraints: true,
  config: true,
  preHandler: true,
  preValidation: true,
  logLevel: true,
}

/** Fastify's own options of `register`, which pass through. */
const FASTIFY = new Set(['logSerializers'])

/**
 * Reads what `register` was given: the options, or the upstreams alone.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function readRegisterOptions (given: unknown): FastifyScgiOptions {
  if (typeof given === 'string' || Array.isArray(given) || given instanceof ServerGroup) return { upstreams: given }
  checkNames(given, REGISTER)
  return given
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function checkReplyOptions (given: ReplyScgiOptions): void {
  checkNames(given, REPLY)
  const { body } = given
  if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body) && typeof body?.pipe !== 'function') {
    throw new FST_SCGI_OPT_INVALID('body', show(body), 'a string, a Buffer or a readable stream')
  }
}

function checkNames<T extends { upstreams: unknown }> (given: unknown, known: Known<T>): asserts given is T {
  if (typeof given !== 'object' || given === null) {
    throw new FST_SCGI_OPT_INVALID('options', show(given), "an address, a list of servers, or an object with the option 'upstreams'")
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(known, name) && !FASTIFY.has(name)) throw new FST_SCGI_OPT_UNKNOWN(name, hint(name, Object.keys(known)))
  }
  if (!('upstreams' in given) || given.upstreams === undefined) {
    throw new FST_SCGI_OPT_INVALID('upstreams', 'missing', "where the requests go, for instance '127.0.0.1:4000'")
  }
}

/** Directives whose option has another name. */
const RENAMED: Readonly<Record<string, string>> = { pass: 'upstreams', param: 'params', timeout: 'readTimeout', servers: 'upstreams' }

/** The option that was probably meant. */
function hint (name: string, known: string[]): string {
  const plain = (text: string): string => text.toLowerCase().replace(/^scgi_/, '').replaceAll('_', '')
  const wanted = plain(name)
  const match = known.find(option => plain(option) === wanted) ?? RENAMED[wanted] ??
    known.find(option => distance(plain(option), wanted) <= 2) ??
    known.find(option => plain(option).startsWith(wanted) || wanted.startsWith(plain(option)))
  return match === undefined ? ' in this version' : ` (is '${match}' meant?)`
}

/** Letters to add, to drop or to change to make one word of the other. */
function distance (a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
