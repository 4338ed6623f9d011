import type { Spread } from './stats.ts'
import { formatTable, readTable } from './table.ts'

type Unit = '' | 'MB' | 's'

/** What is wanted, each at most; NaN where a peer's own ratio of the same run is the limit. Ratios are of CPU time per request. */
const wanted = {
  '1 kB over unix / floor': [1.10, ''],
  '1 kB over TCP / floor': [1.10, ''],
  '1 kB over unix / http-proxy': [0.80, ''],
  '1 kB over TCP / http-proxy': [1.10, ''],
  '1 kB over unix / Apache': [1.0, ''],
  '1 kB over TCP / nginx': [1.6, ''],
  '1 kB without Content-Type / with': [1.03, ''],
  '100 kB over unix / floor': [1.15, ''],
  '100 kB over TCP / floor': [1.15, ''],
  '100 kB over unix / Apache': [1.0, ''],
  '10 MB over unix / floor': [1.2, ''],
  '10 MB over TCP / floor': [1.2, ''],
  '10 MB over unix / nginx': [1.0, ''],
  'memory hit / Fastify route with the same Buffer': [1.10, ''],
  '4,000 connections / 64': [1.15, ''],
  '10,000 connections / 64': [1.25, ''],
  'RSS at 4,000 connections under load': [130, 'MB'],
  'miss and store in memory / no cache': [1.15, ''],
  'miss and store on disk / no cache (at most: nginx\'s ratio)': [NaN, ''],
  'plain request, metrics on / off': [1.05, ''],
  'two workers / one, on one core': [1.05, ''],
  'two workers / one, at the same rate': [1.05, ''],
  'RSS at rest': [70, 'MB'],
  'start to first answer': [0.4, 's'],
} as const satisfies Record<string, readonly [most: number, unit: Unit]>

export type TargetName = keyof typeof wanted

/** What was measured of a target. */
export interface Measured {
  readonly target: TargetName
  readonly value: Spread
  /** The limit, where it is itself measured. */
  readonly most?: number
  /** The same of the floor, which is told where it does not reach the target either. */
  readonly floor?: number | undefined
}

const head = ['what', 'at most', 'measured', 'quartiles', 'reached', 'run']

/**
 * The table of targets: what this run has measured, and what an earlier table says of the rest.
 * @param earlier the table to start from; '' for none
 * @param run when and of which commit
 */
export function targetTable (earlier: string, measured: readonly Measured[], run: string): string {
  const before = new Map(readTable(earlier).map((cells) => [cells[0], cells]))
  const lines = Object.entries(wanted).map(([what, [limit, unit]]) => {
    const now = measured.find(({ target }) => target === what)
    const show = (value: number): string => Number.isNaN(value) ? '–' : unit === 'MB' ? `${value.toFixed(0)} MB` : `${value.toFixed(2)}${unit && ` ${unit}`}`
    if (now === undefined) return before.get(what) ?? [what, show(limit), '–', '–', '–', 'not measured']
    const most = now.most ?? limit
    const { median, lower, upper } = now.value
    const { floor = 0 } = now
    const beside = floor > most ? ` (floor: ${show(floor)})` : ''
    return [what, show(most), `${show(median)}${beside}`, `${show(lower)}–${show(upper)}`, median <= most ? 'yes' : 'no', run]
  })
  return formatTable(head, lines, 1)
}
