import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { programVersion } from '../peers/peer.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The machine and the source that were measured. */
export interface Machine {
  readonly date: string
  readonly cpu: string
  readonly cores: number
  readonly kernel: string
  readonly node: string
  readonly commit: string
  /** Load average of the last minute: what else the machine did when the run began. */
  readonly load: number
}

/** Which cores the gateways, and the origins with the load generator, run on; undefined where they cannot be kept apart. */
export interface Cores {
  readonly gateway: number | undefined
  readonly rest: number | undefined
}

function commit (): string {
  try {
    const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = git('status', '--porcelain', '--', 'lib', 'types', 'package.json') !== ''
    return git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '')
  } catch {
    return 'unknown'
  }
}

export function describeMachine (): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    kernel: `${type()} ${release()}`,
    node: process.version,
    commit: commit(),
    load: loadavg()[0] ?? NaN,
  }
}

/** The numbers in a list such as `0-3,8`. */
function expand (text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [first = NaN, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** The first two cores that this process may use. */
export function chooseCores (): Cores {
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  const [gateway, rest] = allowed === undefined ? [] : expand(allowed)
  const pinned = rest !== undefined && programVersion('taskset', ['--version'], /(\d)/) !== undefined
  return pinned ? { gateway, rest } : { gateway: undefined, rest: undefined }
}

const titles: Readonly<Record<string, string>> = { 'fastify-scgi': 'Fastify', 'http-proxy': '@fastify/http-proxy' }

/** What was measured, on what, and what else the machine did. */
export function describeRun (machine: Machine, { gateway }: Cores, versions: ReadonlyMap<string, string>): string {
  const { date, commit, cpu, cores, kernel, node, load } = machine
  const peers = [...versions].map(([name, version]) => `, ${titles[name] ?? name} ${version}`).join('')
  const busy = load > 0.5 * cores ? ' (an earlier run of the bench counts; if there was none, **other work was going on: the numbers are worth less**)' : ''
  const shared = gateway === undefined ? ' Nothing was pinned: the gateways shared their core with the load.' : ''
  return `${date}, commit ${commit}: ${cpu}, ${cores} cores, ${kernel}, Node ${node}${peers}; load average ${load.toFixed(1)} before${busy}.${shared}`
}
