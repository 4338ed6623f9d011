import { spread } from '../lib/stats.ts'
import { digits, formatTable } from '../lib/table.ts'
import { mix } from './mix.ts'
import { holds, neighbourRatios, windowOf, type Plan, type Stretch } from './windows.ts'
import type { Section } from '../lib/page.ts'
import type { Counted } from './target.ts'

/** Of what the gateway can do at most. */
export const share = 0.7
/** Streams of events, and as many tunnels. */
export const idle = 20

/** What a soak has found. */
export interface Soaked {
  /** Requests a second. */
  readonly most: number
  readonly rate: number
  readonly plan: Plan
  /** The first part of the aged gateway, and the last one before its turns. */
  readonly first: readonly Stretch[]
  readonly before: readonly Stretch[]
  /** Its turns (gateway 0) and those of a fresh one (gateway 1), for each of the fresh ones. */
  readonly inTurns: readonly (readonly Stretch[])[]
  readonly counted: Counted
}

function seconds (milliseconds: number): string {
  return `${digits(milliseconds / 1000)} s`
}

function describeRatios (inTurns: Soaked['inTurns']): { readonly median: number, readonly text: string } {
  const ratios = inTurns.map(neighbourRatios)
  const all = ratios.flat()
  const { median, lower, upper } = spread(all)
  const each = ratios.map((those) => spread(those).median.toFixed(3))
  const apart = each.length === 1 ? '' : `; with each of the fresh ones ${each.join(', ')}`
  return { median, text: `${median.toFixed(3)} is the median of ${all.length} pairs of turns, half of them are between ${lower.toFixed(3)} and ${upper.toFixed(3)}${apart}` }
}

export function describe ({ most, rate, plan, first: begin, before, inTurns, counted }: Soaked): Section {
  const turnsOf = (wanted: number): Stretch[] => inTurns.flat().filter(({ gateway }) => gateway === wanted)
  const first = windowOf(begin)
  const last = windowOf(turnsOf(0))
  const rssBefore = windowOf(before).rss
  const fresh = windowOf(turnsOf(1))
  const cpu = describeRatios(inTurns)
  const memory = last.rss / first.rss
  const minutes = (plan.alone + inTurns.length * plan.warmUp + plan.part) / 60_000
  const verdict = (ratio: number): string => holds(ratio) ? 'yes' : 'no'
  const says = (ratio: number): string => holds(ratio) ? 'stays within 3 %' : 'does not stay within 3 %'
  const lines = [
    ['requests/s', first.requestsPerSecond, last.requestsPerSecond, fresh.requestsPerSecond],
    ['CPU µs/request', first.cpu, last.cpu, fresh.cpu, cpu.median, cpu.median],
    ['RSS MB', first.rss / 1e6, last.rss / 1e6, fresh.rss / 1e6, last.rss / fresh.rss, memory],
  ] as const
  const table = lines.map(([what, earlier, later, other, ratio, judged]) => [
    what, digits(earlier), digits(later), (later / earlier).toFixed(3), digits(other),
    ratio?.toFixed(3) ?? '', judged === undefined ? '' : verdict(judged),
  ])
  const wrong = Object.entries(counted.unexpected).map(([what, count]) => `${count} × ${what}`)
  const freshOnes = inTurns.length === 1 ? 'a fresh one' : `${inTurns.length} fresh ones, one after the other,`
  return {
    block: 'soak',
    title: 'Soak',
    text: `${formatTable(['', 'first', 'last', 'last/first', 'fresh', 'last/fresh', 'within 3 %'], table, 1)}

**CPU time ${says(cpu.median)}, memory ${says(memory)}.** ${minutes.toFixed(0)} min at ${rate} requests a second, ${100 * share} % of the ${most.toFixed(0)} that a gateway like it did with everything
on. **first** are ${seconds(plan.part)} after a warm-up of ${seconds(plan.warmUp)}. After ${seconds(plan.alone)} the gateway takes turns of ${seconds(plan.turn)} with ${freshOnes} of
the same configuration: turns for a warm-up as long as its own, then turns that count, ${seconds(plan.part)} of each in all.
**last** are those of the gateway, **fresh** those between them. The first ${seconds(plan.lead)} of a turn do not count; it ends with the last reply.

CPU time is judged by last/fresh, since the machine of **first** is not that of **last**: ${cpu.text}.
Memory is judged by last/first; RSS is the mean of samples each 5 s, and at the ends of turns. It was ${digits(rssBefore / 1e6)} MB, ${(rssBefore / first.rss).toFixed(3)} of the first,
in the last ${seconds(plan.part)} before the turns. The load is an open loop.
${wrong.length === 0 ? 'No reply was other than expected' : `Replies other than expected: ${wrong.join(', ')}`}; ${counted.lost} connections were lost, ${counted.left} clients went away, ${counted.waiting} requests waited at the end.

${formatTable(['asked for', 'of 10,000'], mix.map(({ name, share: part }) => [name, String(part)]), 1)}

Beside that ${idle} streams of events and ${idle} tunnels that are quiet, one of which is closed and opened anew every 5 s, the metrics as often, health checks
each second, kept connections to one of the groups.`,
  }
}
