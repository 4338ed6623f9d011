import { readFileSync, readdirSync } from 'node:fs'
import { checkReply, waitForPort } from './check.ts'
import { jobOf, type Contestant } from './measure.ts'

/** What a peer costs before anybody asks for anything. */
export interface Rest {
  readonly peer: string
  readonly transport: string
  /** Milliseconds from the start of its program to its first answer. */
  readonly start: number
  /** Memory of all its processes after that, in bytes. What they share counts for each. */
  readonly rss: number
}

/** Waits until a peer answers, and says what it costs so far. */
export async function measureRest ({ peer, transport, pid, port }: Contestant, begun: number): Promise<Rest> {
  await waitForPort(port, peer)
  await checkReply(port, jobOf('1k'), `${peer} (${transport})`)
  return { peer, transport, start: performance.now() - begun, rss: groupRss(pid) }
}

/** Resident memory of the processes of one process group, in bytes. */
function groupRss (group: number): number {
  let rss = 0
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) !== group) continue
      rss += 1024 * Number(/^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${entry}/status`, 'latin1'))?.[1] ?? 0)
    } catch {
      continue // it ended meanwhile
    }
  }
  return rss
}
