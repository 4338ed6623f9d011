import { parseAddress } from '../connections/address.ts'
import { parseSize } from '../options/units.ts'
import { codeOf, toError } from '../runtime/caught.ts'
import { StartError, UsageError } from './errors.ts'
import { LOG_LEVELS } from './read-logs.ts'
import { PLAIN_OPTIONS, readPlain, spellOut } from './plain-options.ts'
import { splitWords } from './words.ts'
import { parse } from './parse.ts'
import { checkTrust } from './read-fastify.ts'
import { readMode, readText, type Place } from './read-listen.ts'
import type { GatewayConfig, GatewayFastifyOptions, ListenOptions } from '../../types/config.ts'
import type { SpawnOptions } from '../../types/spawn.ts'
import type { GroupOptions, ServerEntry } from '../../types/upstream.ts'

const PARAM_SETS = ['cgi', 'nginx', 'minimal'] as const

/** What the command is to do. */
export type Wanted =
  | { readonly what: 'help' }
  | { readonly what: 'help-options' }
  | { readonly what: 'version' }
  /** Tells a gateway that runs to load its configuration anew. */
  | { readonly what: 'reload', readonly config: string | undefined, readonly pidFile: string | undefined }
  | { readonly what: 'run' | 'test' | 'print', readonly config: GatewayConfig | string }
  /** The configuration is without what the demo adds. */
  | { readonly what: 'demo', readonly config: GatewayConfig }

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  test: { type: 'boolean', short: 't' },
  print: { type: 'boolean' },
  listen: { type: 'string', multiple: true },
  'listen-mode': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  http2: { type: 'boolean' },
  workers: { type: 'string' },
  'trust-proxy': { type: 'string' },
  'max-header-size': { type: 'string' },
  spawn: { type: 'string', multiple: true },
  prefix: { type: 'string' },
  params: { type: 'string' },
  'body-limit': { type: 'string' },
  'log-level': { type: 'string' },
  'log-file': { type: 'string' },
  'access-log': { type: 'string' },
  'pid-file': { type: 'string' },
  demo: { type: 'boolean' },
  'help-options': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const

/** Those of the table of options are texts, until their rows read them. */
const TABLE = Object.fromEntries([...PLAIN_OPTIONS.keys()].map(name => [name, { type: 'string' }] as const))

type Values = ReturnType<typeof parseAll>['values']

function parseAll (args: string[]) {
  return parse({ args: spellOut(args), allowPositionals: true, options: { ...TABLE, ...OPTIONS } })
}

/**
 * Reads the command line.
 * @throws UsageError, StartError
 */
export function readArguments (args: string[]): Wanted {
  const { values, positionals: addresses } = parseAll(args)
  if (values.help === true) return { what: 'help' }
  if (values['help-options'] === true) return { what: 'help-options' }
  if (values.version === true) return { what: 'version' }
  if (addresses[0] === 'reload') return readReload(values, addresses.slice(1))
  const what = values.print === true ? 'print' : values.test === true ? 'test' : 'run'
  if (values.config !== undefined) return { what, config: readFile(values, addresses) }
  const none = addresses.length === 0 && values.spawn === undefined
  const demo = none && values.demo === true
  if (none && !demo) throw new UsageError('no address given: where does the SCGI application listen? Or which command starts it (--spawn)?')
  const [alone] = demo ? (['workers', 'test', 'print'] as const).filter(name => values[name] !== undefined) : []
  if (alone !== undefined) throw new UsageError(`--${alone} stands with an address, not with the demo`)
  for (const address of addresses) checkAddress(address)
  const config = readShortForm(values, addresses)
  return demo ? { what: 'demo', config } : { what, config }
}

function readShortForm (values: Values, addresses: string[]): GatewayConfig {
  for (const name of ['log-file', 'pid-file'] as const) if (values[name] === '') throw new UsageError(`--${name} is empty: it names a file`)
  const prefix = values.prefix ?? '/'
  if (!prefix.startsWith('/')) throw new UsageError(`--prefix '${prefix}' is no path: it begins with '/'`)
  const bodyLimit = values['body-limit'] === undefined ? undefined : readSize('--body-limit', values['body-limit'])
  const access = values['access-log']
  const table = said(() => ({ mount: readPlain(values, 'mount'), group: readPlain(values, 'group'), server: readPlain(values, 'server') }))
  return {
    listen: readListen(values),
    ...(values.workers === undefined ? undefined : { workers: readWorkers(values.workers) }),
    fastify: readFastify(values),
    mounts: [{
      ...table.mount,
      prefix,
      upstreams: upstreamsOf(addresses, values.spawn ?? [], table),
      defaultParams: oneOf('--params', values.params ?? 'cgi', PARAM_SETS),
      ...(bodyLimit === undefined ? undefined : { bodyLimit }),
    }],
    log: {
      ...(values['log-level'] === undefined ? undefined : { level: oneOf('--log-level', values['log-level'], LOG_LEVELS) }),
      ...(values['log-file'] === undefined ? undefined : { file: values['log-file'] }),
    },
    ...(access === undefined ? undefined : { accessLog: oneOf('--access-log', access, ['combined', 'json'] as const) }),
    ...(values['pid-file'] === undefined ? undefined : { pidFile: values['pid-file'] }),
  }
}

/** A list, unless there is more to be said. */
function upstreamsOf (
  addresses: string[], commands: string[], { group, server }: { group: object, server: object }
): ServerEntry[] | GroupOptions {
  const { spawn = {}, ...common }: { spawn?: object } = server
  const [name] = Object.keys(spawn)
  if (name !== undefined && commands.length === 0) throw new UsageError(`--spawn.${name} stands beside --spawn, which has the command`)
  if ('command' in spawn) throw new UsageError("--spawn.command is said by --spawn: --spawn 'perl app.pl'")
  const plain = Object.keys(common).length === 0
  const servers: ServerEntry[] = [
    ...addresses.map(address => plain ? address : { ...common, address }),
    ...commands.map(command => ({ ...common, spawn: { ...spawn, ...readSpawned(command) } })),
  ]
  return Object.keys(group).length === 0 ? servers : { ...group, servers }
}

function readSpawned (text: string): SpawnOptions {
  const [command, ...args] = splitWords('--spawn', text)
  if (command === undefined) throw new UsageError("--spawn is empty: it is a command with its arguments, such as --spawn 'perl app.pl'")
  return { command, args }
}

/** The file says everything else. */
function readFile (values: Values, addresses: string[]): string {
  const { config = '', test: _test, print: _print, ...others } = values
  const [other] = Object.keys(others)
  if (addresses.length > 0) throw new UsageError(`the address '${addresses[0]}' stands beside --config: it belongs into the file, in 'mounts'`)
  if (other !== undefined) throw new UsageError(`--${other} stands beside --config: it belongs into the file`)
  if (config === '') throw new UsageError('--config is empty: it names a file')
  return config
}

function readReload (values: Values, more: string[]): Wanted {
  const { config, 'pid-file': pidFile, ...others } = values
  const [other] = [...more, ...Object.keys(others).map(name => `--${name}`)]
  if (other !== undefined) throw new UsageError(`reload takes --config or --pid-file, not ${other}`)
  return { what: 'reload', config, pidFile }
}

function readListen (values: Values): ListenOptions[] {
  const { 'tls-cert': cert, 'tls-key': key, 'listen-mode': mode, http2 } = values
  if (cert !== undefined && key === undefined) throw new StartError(`--tls-cert ${cert} is without its key: name the file of the key with --tls-key`)
  if (key !== undefined && cert === undefined) throw new StartError(`--tls-key ${key} is without its certificate: name the file of the certificate with --tls-cert`)
  if (mode !== undefined) said(() => readMode('--listen-mode', mode))
  const places = (values.listen ?? ['8080']).map(text => readPlace(text))
  if (mode !== undefined && !places.some(place => 'path' in place)) throw new UsageError('--listen-mode is that of a unix socket: --listen unix:/path')
  return places.map(place => ({
    ...optionsOf(place),
    ...(mode === undefined || !('path' in place) ? undefined : { mode }),
    ...(cert === undefined || key === undefined ? undefined : { tls: { cert, key } }),
    ...(http2 === undefined ? undefined : { http2 }),
  }))
}

function readPlace (text: string): Place {
  if (text === 'unix:') throw new UsageError(`--listen '${text}' names no socket: write unix:/path`)
  try {
    return readText('--listen', text)
  } catch {
    throw new UsageError(`--listen '${text}' is no address: write 8080, 127.0.0.1:8080, [::1]:8080, unix:/path, fd:3 or systemd`)
  }
}

function optionsOf (place: Place): ListenOptions {
  if ('port' in place) return { host: place.host, port: place.port }
  if ('path' in place) return { path: place.path }
  return place
}

function readFastify (values: Values): GatewayFastifyOptions {
  const { 'trust-proxy': proxy, 'max-header-size': size } = values
  return {
    ...(proxy === undefined ? undefined : { trustProxy: readTrust(proxy) }),
    ...(size === undefined ? undefined : { http: { maxHeaderSize: readSize('--max-header-size', size) } }),
  }
}

/** `true`, or addresses and networks. */
function readTrust (text: string): boolean | string {
  if (text === '') throw new UsageError('--trust-proxy is empty: name the addresses or networks of the proxies, such as 127.0.0.1 or 10.0.0.0/8')
  if (text === 'true') return true
  said(() => checkTrust('--trust-proxy', text))
  return text
}

function readWorkers (text: string): 'auto' | number {
  if (text === 'auto') return text
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError(`--workers '${text}' is neither auto nor a number of processes`)
  return Number(text)
}

function checkAddress (address: string): void {
  if (/^\d+$/.test(address)) throw new UsageError(`the address '${address}' is only a port: write 127.0.0.1:${address}`)
  said(() => parseAddress('address', address, true))
}

/** What is wrong with an option is wrong usage. */
function said<Value> (check: () => Value): Value {
  try {
    return check()
  } catch (error) {
    if (!codeOf(error).startsWith('FST_SCGI_OPT_')) throw error
    throw new UsageError(toError(error).message.replace(/^fastify-scgi: /, '').replace(/^option '(--[^']+)'/, '$1'))
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
