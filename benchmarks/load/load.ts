import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { programVersion } from '../peers/peer.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'
import type { Readable, Writable } from 'node:stream'

/** What one round of load saw. */
export interface LoadResult {
  readonly requests: number
  /** Bytes of replies, heads included, those of replies that the end of the round cut among them. */
  readonly bytes: number
  readonly seconds: number
  /** Percentiles of the latency in milliseconds; only the 99th where the generator gives no other. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** Milliseconds until all connections had their first reply; NaN where the generator does not open them beforehand. */
  readonly opened: number
  /** 99th percentile of the milliseconds from connecting to the first reply, of those connections. */
  readonly firstP99: number
  /** 99th percentile of the milliseconds by which an open loop sent a request late though a connection was free. */
  readonly lateP99: number
  /** Replies other than 2xx, failed connects, reads and writes, replies that never came. */
  readonly errors: Readonly<Record<string, number>>
}

export interface LoadOptions {
  readonly seconds: number
  readonly connections: number
  /** Core to run on; undefined leaves the choice to the system. */
  readonly core: number | undefined
  /** Request headers beside Host. */
  readonly headers: Readonly<Record<string, string>>
  /** Length of the body of a POST; undefined for a GET. */
  readonly post?: number | undefined
  /** Ask for so many URLs in turn instead of one, with a query of the prefix and a number from 1 on. */
  readonly queries?: { readonly prefix: string, readonly count: number }
  /** Requests a second, for a generator of open loop. */
  readonly rate?: number
  /** So many connections are opened at the same time by a generator that opens them first; 250 if undefined. */
  readonly together?: number
}

/** A program that keeps `connections` requests under way over keep-alive connections, or sends `rate` requests a second over them. */
export interface LoadGenerator {
  readonly name: string
  /** It opens all connections and has a reply on each, prints `ready`, and begins when it reads a line. */
  readonly opensFirst?: boolean
  command (url: string, options: LoadOptions): [program: string, ...args: string[]]
}

const wrk: LoadGenerator = {
  name: 'wrk',
  command: (url, { seconds, connections, headers, queries, post }) => [
    'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '20s', ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    '-s', fileURLToPath(new URL('./wrk.lua', import.meta.url)), url,
    ...(queries === undefined ? post === undefined ? [] : ['--', 'post', String(post)] : ['--', queries.prefix, String(queries.count)]),
  ],
}

/** A program of this directory, started with a URL and LoadOptions. */
function ofOurs (file: string): LoadGenerator {
  return {
    name: `benchmarks/load/${file}`,
    opensFirst: true,
    command: (url, options) => [
      process.execPath, ...TYPESCRIPT, fileURLToPath(new URL(`./${file}`, import.meta.url)),
      url, JSON.stringify(options),
    ],
  }
}

export const closedLoop = ofOurs('closed-loop.ts')
export const openLoop = ofOurs('open-loop.ts')
export const http2Load = ofOurs('http2.ts')

/** wrk where it is installed, else the small one that comes with the bench. */
export function chooseLoadGenerator (force?: string): LoadGenerator {
  if (force === 'own') return closedLoop
  return programVersion('wrk', ['-v'], /wrk (\S+)/) === undefined ? closedLoop : wrk
}

/**
 * Starts a program on a core; it ends by itself, and with the bench.
 * @param timeout milliseconds, for one that hangs
 */
export function spawnOn (
  core: number | undefined, command: readonly string[], timeout?: number
): ChildProcessByStdio<Writable, Readable, null> {
  const [program = '', ...args] = core === undefined ? command : ['taskset', '-c', String(core), ...command]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], timeout })
  const stop = (): void => { child.kill('SIGKILL') }
  process.once('exit', stop)
  child.once('exit', () => { process.off('exit', stop) })
  return child
}

/**
 * Runs one round; rejects when the generator fails or prints no result.
 * @param begin called when the load is about to begin: at once, or when all connections are open
 */
export async function runLoad (
  generator: LoadGenerator, url: string, options: LoadOptions, begin: () => void = () => {}
): Promise<LoadResult> {
  if (generator.opensFirst !== true) begin()
  const child = spawnOn(options.core, generator.command(url, options), options.seconds * 1000 + 90_000)
  child.stdin.on('error', () => {}) // it has ended: no result is printed
  let printed = ''
  for await (const line of createInterface(child.stdout)) {
    if (line === 'ready') {
      begin()
      child.stdin.write('go\n')
    } else {
      printed += `${line}\n`
    }
  }
  const result = /^@(\{.*\})$/m.exec(printed)?.[1]
  if (result === undefined) throw new Error(`${generator.name} printed no result: ${printed.slice(0, 500)}`)
  const seen: Record<string, number> = JSON.parse(result)
  const { requests = 0, bytes = 0, microseconds = NaN, p50, p99, p999, opened, firstP99, lateP99, ...errors } = seen
  const milliseconds = (value = NaN): number => value / 1000
  return {
    requests,
    bytes,
    seconds: microseconds / 1e6,
    p50: milliseconds(p50),
    p99: milliseconds(p99),
    p999: milliseconds(p999),
    opened: milliseconds(opened),
    firstP99: milliseconds(firstP99),
    lateP99: milliseconds(lateP99),
    errors,
  }
}
