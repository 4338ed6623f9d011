import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { atOnce } from '../options/functions.ts'
import { readRows } from '../options/read.ts'
import { ACCEL } from '../options/table/doors.ts'
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

/** Fastify's own options of `register`, which pass through. */
const FASTIFY = ['prefix', 'logLevel']

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function compileAccel (options: AccelOptions): AccelSettings {
  const { ...own } = options
  for (const name of FASTIFY) Reflect.deleteProperty(own, name)
  const { sendfileHeader } = readRows(ACCEL, own, '', 'accel')
  const { trust, redirectTo, root, locations } = options
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
