import type { Lane, Round } from './measure.ts'
import { cpuOf, lanesOf, type Pair } from './pairs.ts'
import { median, spread, type Spread } from './stats.ts'
import { digits, formatTable, range } from './table.ts'
import type { Measured } from './targets.ts'

/** What a column shows of a lane. */
const columns = {
  rate: ['requests/s', (rounds) => median(rounds.map(({ requestsPerSecond }) => requestsPerSecond)).toFixed(0)],
  p50: ['p50 ms', (rounds) => digits(median(rounds.map(({ p50 }) => p50)))],
  p99: ['p99 ms', (rounds) => digits(median(rounds.map(({ p99 }) => p99)))],
  p99range: ['min–max', (rounds) => range(spread(rounds.map(({ p99 }) => p99)))],
  p999: ['p99.9 ms', (rounds) => digits(median(rounds.map(({ p999 }) => p999)))],
  cpu: ['CPU µs/request', (rounds) => digits(median(rounds.map(cpuOf)))],
  parts: ['user+sys', (rounds) => `${digits(median(rounds.map(({ user }) => user)))}+${digits(median(rounds.map(({ system }) => system)))}`],
  range: ['min–max', (rounds) => range(spread(rounds.map(cpuOf)))],
  rss: ['RSS MB', (rounds) => digits(rssOf(rounds).median / 1e6)],
  accept: ['CPU µs/accept', (rounds) => digits(median(rounds.map(({ accept }) => accept)))],
  opened: ['all open after ms', (rounds) => median(rounds.map(({ opened }) => opened)).toFixed(0)],
  lateP99: ['p99 sent late ms', (rounds) => digits(median(rounds.map(({ lateP99 }) => lateP99)))],
  firstP99: ['p99 of first reply ms', (rounds) => digits(median(rounds.map(({ firstP99 }) => firstP99)))],
} as const satisfies Record<string, readonly [string, (rounds: readonly Round[]) => string]>

export type Column = keyof typeof columns

export const defaultColumns: readonly Column[] = ['rate', 'p99', 'cpu', 'parts', 'range']

/** The largest resident memory of each round. */
export function rssOf (rounds: readonly Round[]): Spread {
  return spread(rounds.map(({ rss }) => rss))
}

/** Lanes, one a row, in columns. */
export function laneTable (labels: readonly string[], lanes: readonly Lane[], shown: readonly Column[] = defaultColumns): string {
  return formatTable(
    [...labels, ...shown.map((name) => columns[name][0])],
    lanes.map((lane) => [...lane.labels, ...shown.map((name) => columns[name][1](lane.rounds))]),
    labels.length
  )
}

/**
 * The lanes of some pairs, one a row, in columns; at the right the ratio of the pair that is shown beside it, and its quartiles.
 */
export function pairTable (
  labels: readonly string[], ratio: string, pairs: readonly Pair[], shown: readonly Column[] = defaultColumns, lanes = lanesOf(pairs)
): string {
  const lines = lanes.map((lane) => {
    const pair = pairs.find(({ options }) => options.shownBy === lane)
    return [
      ...lane.labels,
      ...shown.map((name) => columns[name][1](lane.rounds)),
      pair === undefined ? '' : pair.ratio.median.toFixed(2),
      pair === undefined ? '' : ratioRange(pair.ratio),
    ]
  })
  return formatTable([...labels, ...shown.map((name) => columns[name][0]), ratio, 'quartiles'], lines, labels.length)
}

function ratioRange ({ lower, upper }: Spread): string {
  return `${lower.toFixed(2)}–${upper.toFixed(2)}`
}

/** What some pairs say of the targets. */
export function measuredOf (pairs: readonly Pair[]): Measured[] {
  return pairs.flatMap(({ options: { target }, ratio }) => target === undefined ? [] : [{ target, value: ratio }])
}

/** One number that was wanted of a feature, and what it is. */
export interface Outcome {
  readonly what: string
  readonly unit: 'ratio' | 'ms' | '%'
  /** Undefined where the number is for information. */
  readonly most: number | undefined
  readonly measured: Spread
}

/** What was wanted of the features. */
export function outcomeTable (outcomes: readonly Outcome[]): string {
  const lines = outcomes.map(({ what, unit, most, measured }) => {
    const show = (value: number): string => unit === 'ratio' ? value.toFixed(2) : `${digits(value)} ${unit}`
    return [
      what, most === undefined ? '' : show(most), show(measured.median), `${show(measured.lower)}–${show(measured.upper)}`,
      most === undefined ? '' : measured.median <= most ? 'yes' : 'no',
    ]
  })
  return formatTable(['feature', 'at most', 'measured', 'quartiles', 'reached'], lines, 1)
}
