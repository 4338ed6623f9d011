import { constants } from 'node:os'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { integer, isRecord } from '../options/checks.ts'
import { checkKeys } from '../options/keys.ts'
import { parseTime, show } from '../options/units.ts'

/** An application as it was configured. Plain data: it goes from process to process. */
export interface SpawnSettings {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string | undefined
  /** Null takes a variable away. */
  readonly env: Readonly<Record<string, string | null>>
  readonly user: string | number | undefined
  readonly group: string | number | undefined
  readonly socket: 'stdin' | 'path' | 'port'
  readonly min: number
  readonly max: number
  readonly idleTimeout: number
  readonly delay: number
  readonly maxDelay: number
  readonly readyTimeout: number
  readonly stopSignal: NodeJS.Signals
  readonly stopTimeout: number
}

const SOCKETS = ['stdin', 'path', 'port'] as const
const SPAWN = ['command', 'args', 'cwd', 'env', 'user', 'group', 'socket', 'processes', 'restart', 'readyTimeout', 'stop']
/** More are a mistake: each is a process of the system. */
const MOST = 1000
/** Placeholders in arguments. */
const PLACES = /\{(?:socket|port)\}/

/**
 * Reads the option `spawn` of a server. What the system has to say (whether there is such a command) is found out when it starts.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readSpawn (option: string, value: unknown): SpawnSettings {
  const given = record(option, value, SPAWN, "{ command, args, ... }, such as { command: 'perl', args: ['app.pl'] }")
  if (process.platform === 'win32') throw new FST_SCGI_OPT_UNSUPPORTED(option, 'Windows has no sockets that are handed to another program')
  const socket = socketOf(`${option}.socket`, given['socket'])
  const { min, max, idleTimeout } = processesOf(`${option}.processes`, given['processes'])
  const restart = optional(`${option}.restart`, given['restart'], ['delay', 'maxDelay'])
  const stop = optional(`${option}.stop`, given['stop'], ['signal', 'timeout'])
  const delay = time(`${option}.restart.delay`, restart['delay'], 100, 1)
  const maxDelay = time(`${option}.restart.maxDelay`, restart['maxDelay'], Math.max(30_000, delay), 1)
  if (maxDelay < delay) throw new FST_SCGI_OPT_INVALID(`${option}.restart.maxDelay`, show(restart['maxDelay']), `at least the delay, ${delay} ms`)
  return {
    command: text(`${option}.command`, given['command'], 'the path or the name of a program'),
    args: argsOf(`${option}.args`, given['args'], socket),
    cwd: given['cwd'] === undefined ? undefined : text(`${option}.cwd`, given['cwd'], 'the path of a directory'),
    env: envOf(`${option}.env`, given['env']),
    user: identity(`${option}.user`, given['user'], 'a user'),
    group: identity(`${option}.group`, given['group'], 'a group'),
    socket,
    min,
    max,
    idleTimeout,
    delay,
    maxDelay,
    readyTimeout: time(`${option}.readyTimeout`, given['readyTimeout'], 30_000, 1),
    stopSignal: signalOf(`${option}.stop.signal`, stop['signal']),
    stopTimeout: time(`${option}.stop.timeout`, stop['timeout'], 5000, 0),
  }
}

/** Command and arguments, as logs show them. */
export function nameOf ({ command, args }: Pick<SpawnSettings, 'command' | 'args'>): string {
  const name = [command.slice(command.lastIndexOf('/') + 1), ...args].join(' ').replace(/[\s,]+/g, ' ')
  return name.length > 60 ? `${name.slice(0, 57)}...` : name
}

function processesOf (option: string, value: unknown): Pick<SpawnSettings, 'min' | 'max' | 'idleTimeout'> {
  const idle = 60_000
  if (value === undefined) return { min: 1, max: 1, idleTimeout: idle }
  if (typeof value === 'number') {
    const count = integer(option, value, 1, 1)
    return { min: most(option, count), max: count, idleTimeout: idle }
  }
  const given = record(option, value, ['min', 'max', 'idleTimeout'], 'a number of processes, or { min, max, idleTimeout }')
  const min = most(`${option}.min`, integer(`${option}.min`, given['min'], 1, 1))
  if (given['max'] === undefined) throw new FST_SCGI_OPT_INVALID(`${option}.max`, 'undefined', `an integer of ${min} or more`)
  const max = most(`${option}.max`, integer(`${option}.max`, given['max'], min, min))
  return { min, max, idleTimeout: time(`${option}.idleTimeout`, given['idleTimeout'], idle, 1) }
}

function most (option: string, count: number): number {
  if (count > MOST) throw new FST_SCGI_OPT_INVALID(option, String(count), `at most ${MOST} processes`)
  return count
}

function argsOf (option: string, value: unknown, socket: SpawnSettings['socket']): string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'a list of texts, one for each argument')
  return value.map((arg: unknown, index) => {
    const place = `${option}[${index}]`
    if (typeof arg !== 'string' || arg.includes('\0')) throw new FST_SCGI_OPT_INVALID(place, show(arg), 'a text')
    const [placeholder] = PLACES.exec(arg) ?? []
    if (placeholder !== undefined && socket === 'stdin') {
      throw new FST_SCGI_OPT_UNSUPPORTED(place, `${placeholder} is there with socket: 'path' and 'port'; with 'stdin' descriptor 0 is the socket`)
    }
    if (socket === 'path' && arg.includes('{port}')) throw new FST_SCGI_OPT_UNSUPPORTED(place, "{port} is there with socket: 'port'")
    return arg
  })
}

function envOf (option: string, value: unknown): Record<string, string | null> {
  if (value === undefined) return {}
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), '{ NAME: value }')
  return Object.fromEntries(Object.entries(value).map(([name, given]) => {
    if (name === '' || /[=\0]/.test(name)) throw new FST_SCGI_OPT_INVALID(option, show(name), "names of variables, without '='")
    if (given === undefined) return [name, null]
    if (typeof given !== 'string' || given.includes('\0')) throw new FST_SCGI_OPT_INVALID(`${option}.${name}`, show(given), 'a text, or undefined')
    return [name, given]
  }))
}

function identity (option: string, value: unknown, what: string): string | number | undefined {
  if (value === undefined) return undefined
  const number = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
  if (!number && (typeof value !== 'string' || !/^[^\s:\0]+$/.test(value))) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), `${what}, by name or number`)
  }
  return typeof value === 'string' || typeof value === 'number' ? value : undefined
}

function signalOf (option: string, value: unknown): NodeJS.Signals {
  if (value === undefined) return 'SIGTERM'
  const known = SIGNALS.find(name => name === value)
  if (known === undefined) throw new FST_SCGI_OPT_INVALID(option, show(value), "the name of a signal, such as 'SIGTERM' or 'SIGINT'")
  return known
}

const SIGNALS = signalNames()

function signalNames (): NodeJS.Signals[] {
  const names: NodeJS.Signals[] = []
  for (const name in constants.signals) if (isSignal(name)) names.push(name)
  return names
}

function isSignal (name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name)
}

function socketOf (option: string, value: unknown): SpawnSettings['socket'] {
  const known = SOCKETS.find(name => name === (value ?? 'stdin'))
  if (known === undefined) throw new FST_SCGI_OPT_INVALID(option, show(value), "'stdin', 'path' or 'port'")
  return known
}

function text (option: string, value: unknown, expected: string): string {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw new FST_SCGI_OPT_INVALID(option, show(value), expected)
  return value
}

function time (option: string, value: unknown, otherwise: number, least: number): number {
  const ms = value === undefined ? otherwise : parseTime(option, value)
  if (ms < least) throw new FST_SCGI_OPT_INVALID(option, show(value), `a time of at least ${least} ms`)
  return ms
}

function optional (option: string, value: unknown, keys: readonly string[]): Record<string, unknown> {
  return value === undefined ? {} : record(option, value, keys, `{ ${keys.join(', ')} }`)
}

function record (option: string, value: unknown, keys: readonly string[], expected: string): Record<string, unknown> {
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), expected)
  checkKeys(option, value, keys, 'it')
  return value
}
