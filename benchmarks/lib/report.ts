import type { Transport } from '../peers/peer.ts'
import type { Row } from './measure.ts'
import type { Rest } from './rest.ts'
import { median, pairedRatios, spread, type Spread } from './stats.ts'

/** One wanted ratio of CPU time per request, this gateway's over a peer's. */
interface Target {
  readonly transport: Transport
  readonly peer: string
  readonly peerTransport: Transport
  readonly most: number
}

const targets: readonly Target[] = [
  { transport: 'unix', peer: 'apache', peerTransport: 'unix', most: 1.0 },
  { transport: 'unix', peer: 'http-proxy', peerTransport: 'tcp', most: 0.8 },
  { transport: 'tcp', peer: 'nginx', peerTransport: 'tcp', most: 1.6 },
]

const ours = 'fastify-scgi'

/** CPU microseconds per request of each round, user and system together. */
function cpuOf (row: Row): number[] {
  return row.rounds.map(({ user, system }) => user + system)
}

function find (rows: readonly Row[], kind: string, transport: Transport, peer: string): Row | undefined {
  return rows.find((row) => row.kind === kind && row.transport === transport && row.peer === peer)
}

/** This gateway's CPU time per request over that of `row`: round by round, then the median. */
export function ratioTo (mine: Row | undefined, row: Row): Spread | undefined {
  return mine === undefined ? undefined : spread(pairedRatios(cpuOf(mine), cpuOf(row)))
}

function digits (value: number): string {
  if (Number.isNaN(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function range ({ min, max }: Spread): string {
  return `${digits(min)}–${digits(max)}`
}

/** Lines of cells as one table that reads as text and as Markdown. */
export function formatTable (head: readonly string[], lines: readonly (readonly string[])[], textColumns: number): string {
  const widths = head.map((cell, column) => Math.max(cell.length, ...lines.map((line) => line[column]?.length ?? 0)))
  const format = (line: readonly string[]): string => `| ${widths.map((width, column) => {
    const cell = line[column] ?? ''
    return column < textColumns ? cell.padEnd(width) : cell.padStart(width)
  }).join(' | ')} |`
  const rule = `|${widths.map((width, column) => column < textColumns ? '-'.repeat(width + 2) : '-'.repeat(width + 1) + ':').join('|')}|`
  return [format(head), rule, ...lines.map(format)].join('\n')
}

/** The comparison: medians, and the smallest and largest round of what the ratios rest on. */
export function resultTable (rows: readonly Row[]): string {
  const head = ['reply', 'transport', 'peer', 'requests/s', 'p99 ms', 'CPU µs/request', 'user+sys', 'min–max', 'ours/peer', 'min–max']
  const lines = rows.map((row) => {
    const cpu = spread(cpuOf(row))
    const ratio = ratioTo(find(rows, row.kind, row.transport, ours), row)
    const part = (key: 'user' | 'system'): string => digits(median(row.rounds.map((round) => round[key])))
    return [
      row.kind, row.transport, row.peer,
      median(row.rounds.map(({ requestsPerSecond }) => requestsPerSecond)).toFixed(0),
      digits(median(row.rounds.map(({ p99 }) => p99))),
      digits(cpu.median), `${part('user')}+${part('system')}`, range(cpu),
      ratio === undefined || row.peer === ours ? '' : ratio.median.toFixed(2),
      ratio === undefined || row.peer === ours ? '' : `${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)}`,
    ]
  })
  return formatTable(head, lines, 3)
}

/** What the peers cost before anybody asks for anything. */
export function restTable (rests: readonly Rest[]): string {
  const lines = rests.map(({ transport, peer, start, rss }) => [transport, peer, start.toFixed(0), digits(rss / 1e6)])
  return formatTable(['transport', 'peer', 'first answer after ms', 'RSS at rest MB'], lines, 2)
}

/** The wanted ratios with what was measured, as far as this run has both sides; undefined when it has none. */
export function targetTable (rows: readonly Row[]): string | undefined {
  const lines = targets.flatMap(({ transport, peer, peerTransport, most }) => {
    const mine = find(rows, '1k', transport, ours)
    const theirs = find(rows, '1k', peerTransport, peer)
    if (mine === undefined || theirs === undefined) return []
    const ratio = spread(pairedRatios(cpuOf(mine), cpuOf(theirs)))
    const what = `1k, ${transport}: ours / ${peer}${peerTransport === transport ? '' : ` (${peerTransport})`}`
    return [[what, most.toFixed(1), ratio.median.toFixed(2), `${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)}`, ratio.median <= most ? 'yes' : 'no']]
  })
  return lines.length === 0 ? undefined : formatTable(['target (CPU per request)', 'at most', 'measured', 'min–max', 'reached'], lines, 1)
}

/** One number that was wanted of a feature, and what it is. */
export interface Outcome {
  readonly what: string
  readonly unit: 'ratio' | 'ms' | '%'
  /** Undefined where the number is for information. */
  readonly most: number | undefined
  readonly measured: Spread
}

/** What was wanted of the features, and the rounds behind those numbers that are ratios. */
export function featureTables ({ outcomes, rows }: { outcomes: readonly Outcome[], rows: readonly Row[] }): string {
  const lines = outcomes.map(({ what, unit, most, measured }) => {
    const show = (value: number): string => unit === 'ratio' ? value.toFixed(2) : `${digits(value)} ${unit}`
    return [
      what, most === undefined ? '' : show(most), show(measured.median), `${show(measured.min)}–${show(measured.max)}`,
      most === undefined ? '' : measured.median <= most ? 'yes' : 'no',
    ]
  })
  const table = formatTable(['feature', 'at most', 'measured', 'min–max', 'reached'], lines, 1)
  return rows.length === 0 ? table : `${table}\n\n${resultTable(rows)}`
}
