import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { steeringHeaders } from '../http/accel-headers.ts'
import { CACHE_HEADERS } from '../cache/options.ts'
import { atOnce } from '../options/functions.ts'
import { Root } from '../files/root.ts'
import { readKnown, readRows } from '../options/read.ts'
import { EXCHANGE } from '../options/table/plugin.ts'
import { SENDFILE } from '../options/table/reply.ts'
import { parseSize, show } from '../options/units.ts'
import { headerName } from '../http/token.ts'
import { isFunction, orSwitch } from '../options/checks.ts'
import { compileErrorPages } from '../redirect/error-pages.ts'
import type { FallbackPages } from '../reply/plan.ts'
import type { ReplyRules } from '../reply/settings.ts'
import type { ExchangeOptions } from '../../types/options.ts'
import type { FastifyRequest } from 'fastify'

/** What `ignoreHeaders` may name: what is obeyed for each reply, and by the cache. */
const OBEYED = steeringHeaders(({ option, obeyedBy }) => option === 'ignoreHeaders' && obeyedBy === 'reply').map(({ name }) => name)
const IGNORABLE: readonly string[] = [...OBEYED, ...CACHE_HEADERS]

/** What happens to a reply, as far as the options say it. */
export interface ResponseSettings extends ReplyRules {
  /** Lower-case name of the header of an internal redirect after Apache's rules. */
  readonly internalRedirect: string | undefined
  readonly sendfile: { readonly header: string, readonly roots: readonly Root[] } | undefined
  /** Names of the headers that the options give a meaning, in lower case: the client does not get them. */
  readonly hidden: readonly string[]
  /** `'handler'`: what has no page goes to Fastify's handlers. */
  readonly interceptErrors: boolean | 'handler'
  readonly errorPages: FallbackPages | undefined
  /** Bytes a second from the application. */
  readonly limitRate: ((request: FastifyRequest) => number) | undefined
}

const { interceptErrors, recursiveErrorPages, forceRanges, clientLimitRateAfter, clientSendTimeout } = EXCHANGE
const OWN = { interceptErrors, recursiveErrorPages, forceRanges, clientLimitRateAfter, clientSendTimeout }

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function compileResponse (options: ExchangeOptions): ResponseSettings {
  const ignored = ignoredHeaders(options.ignoreHeaders)
  const { interceptErrors, recursiveErrorPages, forceRanges, clientLimitRateAfter, clientSendTimeout } = readKnown(OWN, options, '')
  const internalRedirect = redirectHeader(options.internalRedirect)
  const file = sendfile(options.sendfile)
  return {
    obeyed: new Set(OBEYED.filter(name => !ignored.has(name))),
    internalRedirect,
    sendfile: file,
    hidden: file === undefined ? [] : [file.header],
    interceptErrors,
    errorPages: compileErrorPages(options.errorPages, recursiveErrorPages),
    forceRanges,
    limitRate: rate('limitRate', options.limitRate),
    clientLimitRate: rate('clientLimitRate', options.clientLimitRate),
    clientLimitRateAfter,
    clientSendTimeout,
  }
}

function redirectHeader (value: unknown): string | undefined {
  if (value === undefined || value === true) return 'location'
  if (value === false) return undefined
  return headerName('internalRedirect', value, orSwitch(value, "true, false or a header's name"))
}

function sendfile (value: unknown): ResponseSettings['sendfile'] {
  if (value === undefined || value === false) return undefined
  if (typeof value !== 'object' || value === null) {
    throw new FST_SCGI_OPT_INVALID('sendfile', show(value), "false or { root, header }, such as { root: '/srv/files' }: without a root any file of this machine could be sent")
  }
  const { header: name, root } = readRows(SENDFILE, value, 'sendfile', 'it')
  const header = headerName('sendfile.header', name, "a header's name, such as 'X-Sendfile'")
  const list: unknown[] = Array.isArray(root) ? root : [root]
  const paths = list.filter(path => typeof path === 'string' && path !== '')
  if (paths.length === 0 || paths.length < list.length) {
    throw new FST_SCGI_OPT_INVALID('sendfile.root', show(root), 'a directory, or a list of directories')
  }
  return { header, roots: paths.map(path => new Root(String(path))) }
}

function rate (option: string, value: unknown): ((request: FastifyRequest) => number) | undefined {
  if (value === undefined) return undefined
  if (isFunction(value)) {
    const ask = atOnce(option, value)
    return request => {
      const bytes = ask(request)
      if (bytes === undefined || bytes === null) return 0
      if (typeof bytes !== 'number' || !(bytes >= 0)) throw new FST_SCGI_OPT_INVALID(option, `a function that gave ${show(bytes)}`, 'bytes a second')
      if (bytes === 0 || bytes === Infinity) return 0
      // Less than a byte is slow, and not without limit.
      return Math.max(1, Math.floor(bytes))
    }
  }
  const bytes = parseSize(option, value)
  return bytes === 0 ? undefined : () => bytes
}

function ignoredHeaders (value: unknown): ReadonlySet<string> {
  if (value === undefined) return new Set()
  if (!Array.isArray(value) || value.some(name => typeof name !== 'string')) throw new FST_SCGI_OPT_INVALID('ignoreHeaders', show(value), 'a list of header names')
  const names = value.map(name => String(name).toLowerCase())
  for (const name of names) {
    if (!IGNORABLE.includes(name)) {
      throw new FST_SCGI_OPT_INVALID('ignoreHeaders', show(name), `headers that have an effect on the gateway: ${IGNORABLE.join(', ')}`)
    }
  }
  return new Set(names)
}
