import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

/** What a process has told by itself, in the order in which it came. */
interface Told {
  readonly told: string
  readonly [what: string]: unknown
}

/** A process of test/helpers/channel-worker.ts. */
export class ChannelProcess {
  readonly worker: Worker
  readonly told: Told[] = []
  readonly #answers = new Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void }>()
  #waiting: (() => void)[] = []
  #lastId = 0
  /** It listens: what is sent before is lost. */
  readonly #ready: Promise<unknown>

  constructor (worker: Worker) {
    this.worker = worker
    this.#ready = this.heard(({ told }) => told === 'ready')
    worker.on('message', (message: { id?: number, value?: unknown, error?: string, told?: string }) => {
      if (message.told !== undefined) {
        this.told.push({ ...message, told: message.told })
        for (const wake of this.#waiting.splice(0)) wake()
      }
      if (message.id === undefined) return
      const answer = this.#answers.get(message.id)
      this.#answers.delete(message.id)
      if (message.error === undefined) answer?.resolve(message.value)
      else answer?.reject(new Error(message.error))
    })
    worker.once('exit', () => { for (const wake of this.#waiting.splice(0)) wake() })
  }

  async call (call: string, ...given: unknown[]): Promise<unknown> {
    await this.#ready
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject })
      this.worker.send({ id, call, given })
    })
  }

  /** Waits until it has told something of which this holds. */
  async heard (check: (told: Told) => boolean): Promise<Told> {
    for (;;) {
      const found = this.told.find(check)
      if (found !== undefined) return found
      if (this.worker.isDead()) throw new Error('the process has ended')
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  /** Asks again and again, with each thing that it tells and each turn of a while, until the answer is right. */
  async until (call: string, given: unknown[], check: (value: unknown) => boolean): Promise<void> {
    while (!check(await this.call(call, ...given))) await new Promise(resolve => setTimeout(resolve, 20))
  }

  /** As if what it has told so far had not been. */
  forget (): void {
    this.told.length = 0
  }
}

/** Forks so many workers of node:cluster, of which this process is the primary. */
export function forkChannelProcesses (
  count: number, env: Record<string, string> = {}, file: 'channel-worker.ts' | 'shared-worker.ts' = 'channel-worker.ts'
): ChannelProcess[] {
  cluster.setupPrimary({ exec: fileURLToPath(new URL(file, import.meta.url)), execArgv: TYPESCRIPT, silent: false })
  return Array.from({ length: count }, () => new ChannelProcess(cluster.fork(env)))
}

export async function endProcesses (processes: readonly ChannelProcess[]): Promise<void> {
  await Promise.all(processes.map(({ worker }) => worker.isDead()
    ? undefined
    : new Promise<void>(resolve => {
      worker.once('exit', () => resolve())
      worker.process.kill('SIGKILL')
    })))
}
