import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { compiled } from './compiled.ts'
import type { ChildProcess } from 'node:child_process'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** How a process ended. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A command that runs, with what it prints. */
export class RunningCommand implements AsyncDisposable {
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''
  readonly #child: ChildProcess
  readonly #waiting: (() => void)[] = []
  #over = false

  constructor (command: string, args: string[], env: Record<string, string> = {}) {
    const child = this.#child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout?.on('data', (chunk: Buffer) => { this.stdout += chunk.toString(); this.#changed() })
    child.stderr?.on('data', (chunk: Buffer) => { this.stderr += chunk.toString(); this.#changed() })
    this.ended = once(child, 'close').then(() => {
      this.#over = true
      this.#changed()
      return { code: child.exitCode, signal: child.signalCode }
    })
  }

  kill (signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Waits for something on standard output; rejects when the command ends without it. */
  async printed (pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout)
      if (match !== null) return match
      if (this.#over) throw new Error(`ended without printing ${pattern}:\n${this.stdout}${this.stderr}`)
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  /** The URL at which a gateway listens, once it does. */
  async listening (): Promise<string> {
    const [, url = ''] = await this.printed(/Server listening at (http:\/\/[^"]+)"/)
    return url
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    if (!this.#over) this.kill('SIGKILL')
    await this.ended
  }

  #changed (): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** Runs a TypeScript file of this project. */
export function runScript (file: string, args: string[] = [], env: Record<string, string> = {}): RunningCommand {
  return new RunningCommand(process.execPath, [compiled(file), ...args], env)
}

/** Runs the command `fastify-scgi`. */
export function runCli (...args: string[]): RunningCommand {
  return runScript('lib/run/bin.ts', args)
}
