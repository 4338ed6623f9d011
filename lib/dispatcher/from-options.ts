import { parseBind } from '../request/bind.ts'
import { Call } from './from-call.ts'
import { PARAM_SETS } from '../request/param-sets.ts'
import type { FastifyView } from '../request/view.ts'
import type { DispatchOptions, ScgiDispatcherOptions } from '../../types/dispatcher.ts'
import type { FastifyScgiOptions, ParamValue } from '../../types/options.ts'

/** Options that mean the same to the plugin and to a dispatcher. */
const SHARED = [
  'defaultParams', 'maxParamsSize', 'passRequestHeaders', 'underscoresInHeaders', 'requestBuffering', 'socketKeepalive',
  'connectTimeout', 'sendTimeout', 'readTimeout', 'nextUpstream', 'encodedSlashes', 'mergeSlashes',
] as const
type Shared = Pick<ScgiDispatcherOptions, typeof SHARED[number]>

/** What a dispatcher cannot know of a connection that is not its own. */
const OF_THE_CLIENT: Readonly<Record<string, (view: FastifyView) => string | number>> = {
  SERVER_ADDR: view => view.serverAddr,
  SERVER_PORT: view => view.serverPort,
  SERVER_PROTOCOL: view => view.protocol,
  REQUEST_SCHEME: view => view.scheme,
  HTTPS: view => view.scheme === 'https' ? 'on' : '',
  REMOTE_ADDR: view => view.remoteAddr,
  REMOTE_PORT: view => view.remotePort,
}

/** The options of the dispatcher behind `reply.from()`, which sees a client's connection only by the call. */
export function dispatcherOptions (options: FastifyScgiOptions): ScgiDispatcherOptions {
  const { params = {}, defaultParams = 'cgi', buffering } = options
  const bind = parseBind(options.bind)
  const made: ScgiDispatcherOptions = {
    params: { ...clientParams(defaultParams) },
    bind: request => {
      const local = bind(Call.of(request).request)
      if (local === undefined) return undefined
      const { localAddress, localPort, transparent } = local
      const host = localAddress.includes(':') ? `[${localAddress}]` : localAddress
      return { address: localPort === undefined ? localAddress : `${host}:${localPort}`, transparent }
    },
  }
  for (const [name, value] of Object.entries(params)) made.params = { ...made.params, [name]: ofRequest(value) }
  for (const key of SHARED) copy(options, made, key)
  if (typeof buffering === 'object' && buffering.bufferSize !== undefined) made.bufferSize = buffering.bufferSize
  return made
}

function copy<Key extends keyof Shared> (from: Shared, to: Shared, key: Key): void {
  if (from[key] !== undefined) to[key] = from[key]
}

/** The parameters of the set that tell of the client's connection. */
function clientParams (set: NonNullable<FastifyScgiOptions['defaultParams']>): Record<string, ParamValue<DispatchOptions>> {
  const params: Record<string, ParamValue<DispatchOptions>> = {}
  for (const { name } of set === false ? [] : PARAM_SETS[set].params) {
    const read = OF_THE_CLIENT[name]
    if (read !== undefined) params[name] = { value: request => String(read(Call.of(request).view)), ifNotEmpty: name === 'HTTPS' }
  }
  return params
}

function ofRequest (value: ParamValue): ParamValue<DispatchOptions> {
  if (typeof value === 'function') return request => value(Call.of(request).request)
  if (typeof value !== 'object' || value === null) return value
  const { value: given } = value
  return { ...value, value: typeof given === 'function' ? request => given(Call.of(request).request) : given }
}
