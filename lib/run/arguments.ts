import { parseArgs } from 'node:util'
import { parseAddress } from '../connections/address.ts'
import { parseSize } from '../options/units.ts'
import { UsageError } from './errors.ts'
import { parseListen, type ListenAddress } from './listen.ts'

const PARAM_SETS = ['cgi', 'nginx', 'minimal'] as const
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** What the gateway is to do. */
export interface GatewayArguments {
  readonly listen: ListenAddress
  readonly prefix: string
  readonly params: typeof PARAM_SETS[number]
  readonly logLevel: typeof LOG_LEVELS[number]
  /** Where the log goes; `undefined` for the standard output. */
  readonly logFile: string | undefined
  /** Bytes; `undefined` where nothing was said. */
  readonly bodyLimit: number | undefined
  /** Where the application listens; empty for the demo. */
  readonly addresses: string[]
}

/**
 * Reads the command line.
 * @throws UsageError
 */
export function readArguments (args: string[]): GatewayArguments | 'help' | 'version' {
  const { values, positionals: addresses } = parse(args)
  if (values.help === true) return 'help'
  if (values.version === true) return 'version'
  if (addresses.length === 0 && values.demo !== true) throw new UsageError('no address given: where does the SCGI application listen?')
  for (const address of addresses) checkAddress(address)
  if (values['log-file'] === '') throw new UsageError('--log-file is empty: it names a file')
  const prefix = values.prefix ?? '/'
  if (!prefix.startsWith('/')) throw new UsageError(`--prefix '${prefix}' is no path: it begins with '/'`)
  return {
    listen: parseListen(values.listen ?? '8080'),
    prefix,
    params: oneOf('--params', values.params ?? 'cgi', PARAM_SETS),
    logLevel: oneOf('--log-level', values['log-level'] ?? 'info', LOG_LEVELS),
    logFile: values['log-file'],
    bodyLimit: values['body-limit'] === undefined ? undefined : readSize('--body-limit', values['body-limit']),
    addresses,
  }
}

function parse (args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        listen: { type: 'string' },
        prefix: { type: 'string' },
        params: { type: 'string' },
        'body-limit': { type: 'string' },
        'log-level': { type: 'string' },
        'log-file': { type: 'string' },
        demo: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    })
  } catch (error) {
    // What follows the first sentence is advice about arguments that begin with a dash.
    const [message] = (error instanceof Error ? error.message : String(error)).split('. ')
    throw new UsageError(message)
  }
}

function checkAddress (address: string): void {
  if (/^\d+$/.test(address)) throw new UsageError(`the address '${address}' is only a port: write 127.0.0.1:${address}`)
  try {
    parseAddress('address', address)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message.replace(/^fastify-scgi: /, '') : String(error))
  }
}

function oneOf<T extends string> (option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find(name => name === value)
  if (found === undefined) throw new UsageError(`${option} '${value}' is none of ${allowed.join(', ')}`)
  return found
}

function readSize (option: string, value: string): number {
  try {
    return parseSize(option, /^\d+$/.test(value) ? Number(value) : value)
  } catch {
    throw new UsageError(`${option} '${value}' is no size, such as 8k, 20m or 1g`)
  }
}
