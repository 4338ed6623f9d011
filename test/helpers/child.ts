import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import type { TempDir } from './temp.ts'
import { waitForListener } from './ready.ts'
import type { Target } from './raw-client.ts'

/** A real server that runs as a child of the tests. */
export interface RealServer extends AsyncDisposable {
  readonly pid: number
  /** Its directory, removed with it. */
  readonly dir: TempDir
  /** Everything it has written so far: standard output and error, and its log files. */
  logs (): string
  /** Ends it and removes its directory. */
  stop (): Promise<void>
}

export interface RealServerOptions {
  command: string
  args: string[]
  dir: TempDir
  /** What accepts connections once it is ready. */
  ready: Target[]
  env?: Record<string, string>
  /** Names of the log files in `dir`. */
  logFiles?: string[]
  /** A signal to end it with; after two seconds it is killed. Default SIGTERM. */
  signal?: NodeJS.Signals
  /** Keep what the child writes to standard output (terminal pictures) out of the logs. */
  quiet?: boolean
}

const SETPRIV = '/usr/bin/setpriv'
const running = new Set<ChildProcess>()

function killAll (): void {
  for (const child of running) child.kill('SIGKILL')
}

process.once('exit', killAll)
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    killAll()
    process.kill(process.pid, signal)
  })
}

/**
 * Starts a foreign server in the foreground, as one process, and waits until it accepts connections. It ends with the tests
 * whatever becomes of them. When it does not come up, the error shows its logs.
 */
export async function startRealServer (options: RealServerOptions): Promise<RealServer> {
  const { dir } = options
  // The kernel ends the server where this process is killed and can do nothing itself.
  const tied = existsSync(SETPRIV)
  const command = tied ? SETPRIV : options.command
  const args = tied ? ['--pdeathsig', 'KILL', options.command, ...options.args] : options.args
  const child = spawn(command, args, {
    cwd: dir.path,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: dir.path, TMPDIR: dir.path, LC_ALL: 'C.UTF-8', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  const keep = (chunk: Buffer): void => { output = (output + chunk.toString()).slice(-100000) }
  if (options.quiet) child.stdout.resume()
  else child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  let ended: string | undefined
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => { ended ??= error.message; running.delete(child); resolve() })
    child.once('close', (code, signal) => { ended ??= `ended with ${signal ?? code}`; running.delete(child); resolve() })
  })

  const logs = (): string => [output, ...(options.logFiles ?? []).map((name) => `--- ${name}\n${read(dir.file(name))}`)].join('\n')
  const stop = async (): Promise<void> => {
    if (ended === undefined) {
      child.kill(options.signal ?? 'SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 2000)
      await exited
      clearTimeout(timer)
    }
    await dir.remove()
  }

  try {
    for (const target of options.ready) await waitForListener(target, { alive: () => ended === undefined })
  } catch (cause) {
    const shown = `${options.command} did not start${ended === undefined ? '' : ` (${ended})`}:\n${logs()}`
    await stop()
    throw new Error(shown, { cause })
  }
  return { pid: child.pid ?? 0, dir, logs, stop, [Symbol.asyncDispose]: stop }
}

function read (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/**
 * Runs `test` and, where it fails, puts the server's logs into the error.
 */
export async function withLogs<T> (server: RealServer, test: () => T | Promise<T>): Promise<T> {
  try {
    return await test()
  } catch (error) {
    if (error instanceof Error) error.message += `\n--- logs of the real server\n${server.logs().slice(-4000)}`
    throw error
  }
}
