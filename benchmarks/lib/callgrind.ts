import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { programVersion } from '../peers/peer.ts'
import { groupPids } from './group.ts'

const patience = 60_000

/** The version of valgrind; undefined where it is not installed. */
export function valgrindVersion (): string | undefined {
  return programVersion('valgrind', ['--version'], /valgrind-(\S+)/)
}

/** Counts instructions of programs that were started under it: those of user space, whatever else the machine does. */
export class Callgrind {
  readonly #dir: string

  /** @param dir a directory for what it writes */
  constructor (dir: string) {
    this.#dir = dir
  }

  /** What stands in front of the command of a program. */
  get wrapper (): string[] {
    return ['valgrind', '--tool=callgrind', '--smc-check=all-non-file', `--callgrind-out-file=${join(this.#dir, 'cg.%p')}`, this.#prefix]
  }

  get #prefix (): string {
    return `--vgdb-prefix=${join(this.#dir, 'vgdb')}`
  }

  /** Instructions that all processes of a group and their threads execute while something is done. */
  async count (group: number, work: () => Promise<void>): Promise<number> {
    const pids = groupPids(group)
    for (const pid of pids) this.#control('--zero', pid)
    await work()
    return pids.reduce((sum, pid) => sum + this.#dump(pid), 0)
  }

  #control (command: '--zero' | '--dump', pid: number): void {
    execFileSync('callgrind_control', [this.#prefix, command, String(pid)], { stdio: ['ignore', 'ignore', 'pipe'], timeout: patience })
  }

  /** What a process has executed since it was told to begin at zero. */
  #dump (pid: number): number {
    this.#control('--dump', pid)
    const files = readdirSync(this.#dir).filter((name) => name.startsWith(`cg.${pid}.`))
    const counts = files.map((name) => readCount(readFileSync(join(this.#dir, name), 'latin1')))
    for (const name of files) rmSync(join(this.#dir, name))
    if (counts.length === 0) throw new Error(`callgrind has written nothing for process ${pid}`)
    return counts.reduce((sum, count) => sum + count, 0)
  }
}

/** The instructions that a file of callgrind sums up. */
export function readCount (text: string): number {
  const count = /^(?:summary|totals): (\d+)/m.exec(text)?.[1]
  if (count === undefined) throw new Error('a file of callgrind has no sum')
  return Number(count)
}
