import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN } from '../errors.ts'
import { atOnce } from '../options/functions.ts'
import { Root } from '../files/root.ts'
import { headerName } from '../http/token.ts'
import { show } from '../options/units.ts'
import type { AccelOptions } from '../../types/accel.ts'

/** The options, checked and ready for use. */
export interface AccelSettings {
  readonly trust: AccelOptions['trust']
  readonly targets: readonly string[] | undefined
  readonly roots: readonly Root[] | undefined
  readonly sendfileHeader: string
}

const NAMES: readonly string[] = ['trust', 'redirectTo', 'locations', 'root', 'sendfileHeader'] satisfies (keyof AccelOptions)[]

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function compileAccel (options: AccelOptions): AccelSettings {
  for (const name of Object.keys(options)) {
    // Fastify's own.
    if (!NAMES.includes(name) && name !== 'prefix' && name !== 'logLevel') throw new FST_SCGI_OPT_UNKNOWN(name, `: there are ${NAMES.join(', ')}`)
  }
  const { trust, redirectTo, root, sendfileHeader = 'X-Sendfile', locations } = options
  if (typeof trust !== 'function') {
    throw new FST_SCGI_OPT_INVALID('trust', show(trust), 'a function (request, reply) that says whose replies may steer')
  }
  if (locations !== undefined && (typeof locations !== 'object' || locations === null)) {
    throw new FST_SCGI_OPT_INVALID('locations', show(locations), 'an object of names and handlers')
  }
  return {
    trust: atOnce('trust', trust),
    targets: list('redirectTo', redirectTo, /^[/@]/, "a list of paths and of names that begin with '@'"),
    roots: list('root', typeof root === 'string' ? [root] : root, /./, 'a directory, or a list of directories')?.map(path => new Root(path)),
    sendfileHeader: headerName('sendfileHeader', sendfileHeader, "a header's name, such as 'X-Sendfile'"),
  }
}

function list (option: string, value: unknown, each: RegExp, expected: string): string[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value) || value.length === 0 || value.some(item => typeof item !== 'string' || !each.test(item))) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), expected)
  }
  return value.map(String)
}
