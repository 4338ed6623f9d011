import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, chmodSync, closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** One program that the bench started. It leads a process group of its own, so its `pid` names all its processes. */
export interface Running {
  readonly name: string
  readonly pid: number
  readonly child: ChildProcess
  /** The first line it printed, parsed as JSON; only where `StartOptions.announces` was set. */
  readonly announced: Readonly<Record<string, unknown>>
}

export interface StartOptions {
  /** Core to run on; undefined leaves the choice to the system. */
  readonly core: number | undefined
  /** Wait for a first line of JSON on its standard output. */
  readonly announces?: boolean
  /** Open a channel for messages (Node only). */
  readonly channel?: boolean
}

// Reads process groups from its standard input and kills them all when that closes without `done`: the bench itself was killed.
const watchdogScript = `while read -r word; do [ "$word" = done ] && exit; groups="$groups $word"; done
for group in $groups; do kill -9 "-$group"; done
rm -rf -- "$@"`

// Where Linux has a file system in memory, and how statfs(2) calls its kind.
const memoryRoot = '/dev/shm'
const tmpfs = 0x01021994

/** A temporary directory and the programs that run in it; `close` leaves nothing of either behind. */
export class Box {
  readonly dir: string
  /** Another one, on a file system that is in memory; undefined where there is none. */
  readonly inMemory: string | undefined
  readonly #running = new Map<number, Running>()
  readonly #watchdog: ChildProcess
  /** A program, with its arguments, that those are started under. */
  wrapper: readonly string[] = []
  /** Called with a message when a program ends that nobody stopped. */
  onLoss: (message: string) => void = () => {}

  constructor () {
    this.dir = mkdtempSync(join(tmpdir(), 'fastify-scgi-bench-'))
    chmodSync(this.dir, 0o755) // Apache's workers are another user, and must reach the origin's socket
    this.inMemory = makeInMemory()
    this.#watchdog = spawn('/bin/sh', ['-c', watchdogScript, 'watchdog', ...this.#directories], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    this.#watchdog.unref()
    process.once('exit', () => this.#destroy())
  }

  /** A file in the directory; returns its path. */
  write (name: string, text: string): string {
    const path = join(this.dir, name)
    writeFileSync(path, text)
    return path
  }

  /** Starts a program in the directory. Rejects with what it printed if it ends before it has announced itself. */
  async start (name: string, command: string, args: readonly string[], options: StartOptions): Promise<Running> {
    const log = join(this.dir, `${name.replaceAll('/', '_')}.log`)
    const descriptor = openSync(log, 'a')
    const wrapped = [...this.wrapper, command, ...args]
    const [program, ...rest] = options.core === undefined ? wrapped : ['taskset', '-c', String(options.core), ...wrapped]
    // Node.js reads such certificates before anything else, which takes 80 ms and 2 MB: they are this machine's, not the program's.
    const child = spawn(program ?? command, rest, {
      cwd: this.dir,
      detached: true,
      env: { ...process.env, NODE_ENV: 'production', NODE_EXTRA_CA_CERTS: undefined },
      stdio: ['ignore', options.announces === true ? 'pipe' : descriptor, descriptor, ...(options.channel === true ? ['ipc' as const] : [])],
    })
    closeSync(descriptor)
    const started = await Promise.race([once(child, 'spawn').then(() => true), once(child, 'error').then(() => false)])
    const pid = child.pid
    if (!started || pid === undefined) throw new Error(`${name}: ${command} cannot be started`)
    this.#watchdog.stdin?.write(`${pid}\n`)
    const lost = once(child, 'exit').then(([code, signal]: unknown[]) => {
      if (!this.#running.delete(pid)) return ''
      const message = `${name} ended (${String(signal ?? code)}): ${readFileSync(log, 'utf8').slice(-2000)}`
      kill(pid, 'SIGKILL') // what it may have started
      this.onLoss(message)
      return message
    })
    const running: { -readonly [Key in keyof Running]: Running[Key] } = { name, pid, child, announced: {} }
    this.#running.set(pid, running)
    if (options.announces === true) {
      const first = await Promise.race([firstLine(child), lost.then((message) => new Error(message))])
      if (first instanceof Error) throw first
      running.announced = JSON.parse(first)
    }
    return running
  }

  /** Ends one program. */
  async stop ({ pid, child }: Running): Promise<void> {
    if (!this.#running.delete(pid)) return
    const ended = once(child, 'exit')
    kill(pid, 'SIGTERM')
    await Promise.race([ended, setTimeout(1000, undefined, { ref: false })])
    kill(pid, 'SIGKILL')
  }

  /**
   * Ends everything that runs and removes the directory. A master process gets a second to end and reap its workers before
   * its whole group is killed.
   */
  async close (): Promise<void> {
    const ended = [...this.#running.values()].map(({ child }) => once(child, 'exit'))
    const groups = [...this.#running.keys()]
    this.#running.clear()
    for (const pid of groups) kill(pid, 'SIGTERM')
    await Promise.race([Promise.all(ended), setTimeout(1000, undefined, { ref: false })])
    for (const pid of groups) kill(pid, 'SIGKILL')
    this.#remove()
  }

  /** The same at once, for the moment in which the process exits. */
  #destroy (): void {
    for (const pid of this.#running.keys()) kill(pid, 'SIGKILL')
    this.#running.clear()
    this.#remove()
  }

  #remove (): void {
    this.#watchdog.stdin?.end('done\n')
    for (const directory of this.#directories) rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }

  get #directories (): string[] {
    return this.inMemory === undefined ? [this.dir] : [this.dir, this.inMemory]
  }
}

function makeInMemory (): string | undefined {
  try {
    accessSync(memoryRoot, constants.W_OK)
    return statfsSync(memoryRoot).type === tmpfs ? mkdtempSync(join(memoryRoot, 'fastify-scgi-bench-')) : undefined
  } catch {
    return undefined
  }
}

function kill (group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // it is gone
  }
}

async function firstLine (child: ChildProcess): Promise<string> {
  const stdout = child.stdout
  if (stdout === null) throw new TypeError('no standard output')
  let text = ''
  for (;;) {
    const [chunk] = await once(stdout, 'data')
    text += String(chunk)
    const end = text.indexOf('\n')
    if (end === -1) continue
    stdout.resume() // whatever it prints later must not block it
    return text.slice(0, end)
  }
}

/** Has a program that was started with a channel do one of its commands, and gives what that returns. */
export async function ask<Answer = null> (running: Running, command: string, value?: string): Promise<Answer> {
  const answer = once(running.child, 'message', { signal: AbortSignal.timeout(30_000) })
  running.child.send({ command, value })
  const [message]: unknown[] = await answer
  return JSON.parse(String(message))
}

/** A TCP port of 127.0.0.1 that was free a moment ago, for servers that cannot choose one themselves. */
export async function freePort (): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new TypeError('no port')
  return address.port
}
