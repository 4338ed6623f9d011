import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'

/** CPU time in seconds. */
export interface CpuTime {
  readonly user: number
  readonly system: number
}

function clockTicks (): number {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100
  } catch {
    return 100
  }
}

const ticksPerSecond = clockTicks()

/** The processes of one process group: for each, its id and the fields of /proc/PID/stat from the third (state) on, as proc(5) counts them. */
function * processesOf (group: number): Generator<[pid: string, fields: readonly string[]]> {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    let stat: string
    try {
      stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
    } catch {
      continue // it ended meanwhile
    }
    // The command, in parentheses, may hold spaces: count the fields from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[2]) === group) yield [entry, fields]
  }
}

/**
 * CPU time that the processes of one process group have used so far, their threads and their exited children included.
 * (proc(5): utime, stime, cutime, cstime of /proc/PID/stat)
 */
export function groupCpu (group: number): CpuTime {
  let user = 0
  let system = 0
  for (const [, fields] of processesOf(group)) {
    user += Number(fields[11]) + Number(fields[13])
    system += Number(fields[12]) + Number(fields[14])
  }
  return { user: user / ticksPerSecond, system: system / ticksPerSecond }
}

/** Ids of the processes of one process group. */
export function groupPids (group: number): number[] {
  return [...processesOf(group)].map(([pid]) => Number(pid))
}

/** Resident memory of the processes of one process group in bytes; what they share counts for each. */
export function groupRss (group: number): number {
  let rss = 0
  for (const [pid] of processesOf(group)) {
    try {
      rss += 1024 * Number(/^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0)
    } catch {
      continue // it ended meanwhile
    }
  }
  return rss
}

/** CPU time used since `start`. */
export function cpuSince (group: number, start: CpuTime): CpuTime {
  const now = groupCpu(group)
  return { user: now.user - start.user, system: now.system - start.system }
}

/**
 * Waits until a group is quiet (what is left of the requests that the load generator cut is done with), at most half a second:
 * that work belongs to the round, and the next round wants a free core.
 */
export async function settle (group: number): Promise<void> {
  let last = groupCpu(group)
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    const now = groupCpu(group)
    if (now.user + now.system === last.user + last.system) return
    last = now
  }
}
