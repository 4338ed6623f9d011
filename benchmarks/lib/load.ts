import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { programVersion } from '../peers/peer.ts'

/** What one round of load saw. */
export interface LoadResult {
  readonly requests: number
  /** Bytes of replies, heads included, those of replies that the end of the round cut among them. */
  readonly bytes: number
  readonly seconds: number
  /** 99th percentile of the latency in milliseconds. */
  readonly p99: number
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
}

/** A program that keeps `connections` requests under way over keep-alive connections. */
export interface LoadGenerator {
  readonly name: string
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

const own: LoadGenerator = {
  name: 'benchmarks/lib/keepalive.ts',
  command: (url, options) => [
    process.execPath, '--import', 'tsx', fileURLToPath(new URL('./keepalive.ts', import.meta.url)), url, JSON.stringify(options),
  ],
}

/** wrk where it is installed, else the small one that comes with the bench. */
export function chooseLoadGenerator (force?: string): LoadGenerator {
  if (force === 'own') return own
  return programVersion('wrk', ['-v'], /wrk (\S+)/) === undefined ? own : wrk
}

/** Runs one round; rejects when the generator fails or prints no result. */
export async function runLoad (generator: LoadGenerator, url: string, options: LoadOptions): Promise<LoadResult> {
  const command = generator.command(url, options)
  const [program, ...args] = options.core === undefined ? command : ['taskset', '-c', String(options.core), ...command]
  // It ends by itself; the limit is for one that hangs.
  const child = spawn(program ?? '', args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: options.seconds * 1000 + 30_000 })
  const stop = (): void => { child.kill('SIGKILL') }
  process.once('exit', stop)
  const chunks: Buffer[] = []
  for await (const chunk of child.stdout) chunks.push(chunk)
  process.off('exit', stop)
  const line = /^@(\{.*\})$/m.exec(Buffer.concat(chunks).toString('latin1'))?.[1]
  if (line === undefined) throw new Error(`${generator.name} printed no result: ${Buffer.concat(chunks).toString('latin1').slice(0, 500)}`)
  const { requests, bytes, microseconds, p99, ...errors }: Record<string, number> = JSON.parse(line)
  return { requests: requests ?? 0, bytes: bytes ?? 0, seconds: (microseconds ?? NaN) / 1e6, p99: (p99 ?? NaN) / 1000, errors }
}
