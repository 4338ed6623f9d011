import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isRecord } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { MOST_PROCESSES, PROCESSES, SPAWN } from '../options/table/spawn.ts'
import { show } from '../options/units.ts'

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

/** Placeholders in arguments. */
const PLACES = /\{(?:socket|port)\}/
/** Default of `maxDelay`, where `delay` is no longer. */
const MAX_DELAY = 30_000

/**
 * Reads the option `spawn` of a server. What the system has to say (whether there is such a command) is found out when it starts.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readSpawn (option: string, value: unknown): SpawnSettings {
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), "{ command, args, ... }, such as { command: 'perl', args: ['app.pl'] }")
  if (process.platform === 'win32') throw new FST_SCGI_OPT_UNSUPPORTED(option, 'Windows has no sockets that are handed to another program')
  const given = readRows(SPAWN, value, option)
  const { command, cwd, socket, readyTimeout } = given
  if (socket === 'stdin' && 'readyTimeout' in value && value.readyTimeout !== undefined) {
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.readyTimeout`, "with socket: 'stdin' the gateway listens itself, from the start: it is for 'path' and 'port'")
  }
  const restart = given.restart ?? SPAWN.restart.read(`${option}.restart`, {})
  const stop = given.stop ?? SPAWN.stop.read(`${option}.stop`, {})
  const delay = restart?.delay ?? 0
  const maxDelay = restart?.maxDelay ?? Math.max(MAX_DELAY, delay)
  if (maxDelay < delay) throw new FST_SCGI_OPT_INVALID(`${option}.restart.maxDelay`, show(maxDelay), `at least the delay, ${delay} ms`)
  return {
    command,
    args: argsOf(`${option}.args`, given.args, socket),
    cwd,
    env: envOf(`${option}.env`, given.env),
    user: identity(`${option}.user`, given.user, 'a user'),
    group: identity(`${option}.group`, given.group, 'a group'),
    socket,
    ...processesOf(`${option}.processes`, given.processes),
    delay,
    maxDelay,
    readyTimeout,
    stopSignal: stop?.signal ?? 'SIGTERM',
    stopTimeout: stop?.timeout ?? 0,
  }
}

/** Command and arguments, as logs show them. */
export function nameOf ({ command, args }: Pick<SpawnSettings, 'command' | 'args'>): string {
  const name = [command.slice(command.lastIndexOf('/') + 1), ...args].join(' ').replace(/[\s,]+/g, ' ')
  return name.length > 60 ? `${name.slice(0, 57)}...` : name
}

function processesOf (option: string, value: unknown): Pick<SpawnSettings, 'min' | 'max' | 'idleTimeout'> {
  if (isRecord(value)) {
    const given = readRows(PROCESSES, value, option)
    if (given.max < given.min) throw new FST_SCGI_OPT_INVALID(`${option}.max`, show(given.max), `an integer of ${given.min} to ${MOST_PROCESSES}`)
    return given
  }
  if (typeof value !== 'number') throw new FST_SCGI_OPT_INVALID(option, show(value), 'a number of processes, or { min, max, idleTimeout }')
  const count = PROCESSES.min.read(option, value)
  return { min: count, max: count, idleTimeout: PROCESSES.idleTimeout.read(option, undefined) }
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
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  if (typeof value === 'string' && /^[^\s:\0]+$/.test(value)) return value
  throw new FST_SCGI_OPT_INVALID(option, show(value), `${what}, by name or number`)
}
