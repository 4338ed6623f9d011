import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { readRows } from '../options/read.ts'
import { SERVER_SIDE } from '../options/table/doors.ts'
import { show } from '../options/units.ts'
import type { ScgiServerOptions } from '../../types/server.ts'

/** The options of a server, checked, in milliseconds and bytes. */
export interface ServerSettings {
  readonly nph: boolean
  readonly trustGateway: boolean
  readonly keepalive: boolean
  readonly keepAliveTimeout: number
  readonly maxRequestsPerSocket: number
  readonly maxParamsSize: number
  readonly headersTimeout: number
  readonly requestTimeout: number
  readonly timeout: number
}

/**
 * Checks the options of a server and fills in the defaults.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function parseServerOptions (options: ScgiServerOptions): ServerSettings {
  if (typeof options !== 'object' || options === null) throw new FST_SCGI_OPT_INVALID('options', show(options), 'an object')
  return readRows(SERVER_SIDE, options, '', 'a server')
}
