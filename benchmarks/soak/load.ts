import { setTimeout as wait } from 'node:timers/promises'
import { groupCpu, groupRss } from '../lib/group.ts'
import { Schedule } from '../load/schedule.ts'
import { Target, type Counted } from './target.ts'
import type { Stretch } from './windows.ts'

// The load of the soak. argv: JSON of Settings. Without a rate it is a closed loop; with one an open loop. Where there are two gateways,
// only one is asked at a time, and has answered all before the other's turn. At the end of each turn it prints a line of JSON: what
// that gateway did in it, and what has been counted from the start.

export interface Settings {
  readonly gateways: readonly { readonly port: number, readonly pid: number }[]
  /** Of each. */
  readonly turns: number
  /** Milliseconds. */
  readonly turn: number
  /** Milliseconds at the begin of each turn that do not count. */
  readonly lead: number
  /** Requests a second. */
  readonly rate?: number | undefined
  readonly connections: number
  /** Streams of events, and as many tunnels, that stay open and are quiet. */
  readonly idle: number
}

const settings: Settings = JSON.parse(process.argv[2] ?? '{}')
const { gateways, turns, turn, lead, rate, connections, idle } = settings
const counted: Counted = { left: 0, reopened: 0, lost: 0, waiting: 0, unexpected: {} }
const closed = rate === undefined
const targets = gateways.map(({ port, pid }) => ({ pid, target: new Target({ port, connections, idle, closed, counted }) }))

/** The load of one gateway for so many milliseconds from a moment on. */
async function drive (target: Target, from: number, length: number): Promise<void> {
  if (length === 0) return
  target.change()
  if (rate === undefined) {
    await wait(from + length - performance.now())
    return
  }
  const schedule = new Schedule(rate, from)
  const count = Math.round(rate * length / 1000)
  while (schedule.taken < count) {
    const now = performance.now()
    while (schedule.taken < count && schedule.take(now) !== undefined) target.ask()
    await wait(1)
  }
}

const begun = performance.now()
let from = begun
for (let n = 0; n < turns; n++) {
  for (const [gateway, { pid, target }] of targets.entries()) {
    const look = (): Omit<Stretch, 'gateway' | 'from'> => {
      const { user, system } = groupCpu(pid)
      return { to: performance.now() - begun, requests: target.requests, cpu: user + system, rss: groupRss(pid) }
    }
    await drive(target, from, lead)
    const before = look()
    await drive(target, from + lead, turn - lead)
    if (targets.length > 1) await target.settle()
    const { to, requests, cpu, rss } = look()
    const stretch: Stretch = { gateway, from: before.to, to, requests: requests - before.requests, cpu: cpu - before.cpu, rss }
    counted.waiting = target.waiting
    console.log(JSON.stringify({ stretch, counted }))
    from = targets.length > 1 ? performance.now() : from + turn
  }
}
process.exit(0)
