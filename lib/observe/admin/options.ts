import { FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { atOnce } from '../../options/functions.ts'
import { checkKeys } from '../../options/keys.ts'
import { parseTime, show } from '../../options/units.ts'
import type { AdminOptions } from '../../../types/admin.ts'

/** The options, checked and ready for use. */
export interface AdminSettings {
  readonly authorize: AdminOptions['authorize']
  /** In lower case. */
  readonly hosts: ReadonlySet<string>
  readonly operator: AdminOptions['operator']
  readonly secret: string | undefined
  readonly state: string | undefined
  readonly socket: string | undefined
  /** Milliseconds. */
  readonly slow: number
}

const NAMES: readonly string[] = ['authorize', 'hosts', 'operator', 'secret', 'state', 'socket', 'slow'] satisfies (keyof AdminOptions)[]
/** Fastify's own. */
const FASTIFYS = ['prefix', 'logLevel', 'logSerializers']
const HOST = /^[a-z\d_]([a-z\d_.-]*[a-z\d_])?(:\d{1,5})?$/
/** Bytes that fit in an address of a unix socket. */
const SOCKET_PATH_MAX = 107

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function readAdminOptions (options: AdminOptions): AdminSettings {
  checkKeys('', options, [...FASTIFYS, ...NAMES], 'admin')
  const { authorize, hosts = [], operator, secret, state, socket, slow = '1s' } = options
  if (authorize !== undefined && typeof authorize !== 'function') {
    throw new FST_SCGI_OPT_INVALID('authorize', show(authorize), 'an onRequest hook, (request, reply, done) or async (request, reply)')
  }
  if (!Array.isArray(hosts) || hosts.some(host => typeof host !== 'string' || !HOST.test(host.toLowerCase()))) {
    throw new FST_SCGI_OPT_INVALID('hosts', show(hosts), "a list of host names, such as 'gateway.example' or 'gateway.example:8443'")
  }
  if (operator !== undefined && typeof operator !== 'function') throw new FST_SCGI_OPT_INVALID('operator', show(operator), 'a function of the request')
  if (secret !== undefined && (typeof secret !== 'string' || secret.length < 16)) {
    throw new FST_SCGI_OPT_INVALID('secret', 'too short, or no text', 'a text of 16 characters or more')
  }
  return {
    authorize,
    hosts: new Set(hosts.map(host => host.toLowerCase())),
    operator: operator === undefined ? undefined : atOnce('operator', operator),
    secret,
    state: path('state', state, 4095),
    socket: path('socket', socket, SOCKET_PATH_MAX),
    slow: parseTime('slow', slow),
  }
}

function path (option: string, value: unknown, most: number): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value === '' || value.includes('\0') || Buffer.byteLength(value) > most) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), `the path of a file, of at most ${most} bytes`)
  }
  return value
}
