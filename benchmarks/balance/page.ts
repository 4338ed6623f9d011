import type { Machine } from '../lib/machine.ts'
import type { Distribution } from './distribution.ts'
import type { MovedKeys } from './moved-keys.ts'
import type { Recovery } from './recovery.ts'
import type { SlowServer } from './slow-server.ts'

export interface Results {
  readonly machine: Machine
  readonly distribution: readonly Distribution[]
  readonly movedKeys: readonly MovedKeys[]
  readonly slowServer: readonly SlowServer[]
  readonly recovery: readonly Recovery[]
}

const percent = (share: number, digits = 2): string => `${(share * 100).toFixed(digits)} %`

function table (head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string => {
    return `| ${cells.map((cell, column) => column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)).join(' | ')} |`
  }
  const rule = `|${widths.map((width, column) => column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

/** benchmarks/balance/README.md. */
export function page ({ machine, distribution, movedKeys, slowServer, recovery }: Results): string {
  return `# How well the methods balance

This page is written by \`node --import ./scripts/typescript.js benchmarks/balance/index.ts --write\`: a simulation of the balancer with fixed seeds and a clock
of its own, without sockets. The numbers are the same on every machine and at every run; what a pick costs in time is in
\`benchmarks/micro/pick.ts\`.

${machine.date}, commit ${machine.commit}: ${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node.slice(1)}.

## Distribution

A million picks among ten servers of weights 1 to 5, 1,000 attempts running at any time, bytes, keys and clients by chance. The
error is the largest difference between the share of a server and what is due to it by its weight, as a part of that (bybusyness knows
no weights: all are due the same). Of a consistent hash the error is that of its points on the circle.

${table(['method', 'largest error'], distribution.map(({ method, error }) => [method, percent(error, 3)]))}

## Keys that move when 100 servers become 101

100,000 keys, 20 different servers added to the same 100 in turn. ${percent(1 / 101, 3)} would be the new server's share. Astray: keys that moved
between servers which were there before.

${table(['method', 'moved (mean)', 'least', 'most', 'astray'], movedKeys.map(row => [
    row.method, percent(row.mean, 3), percent(row.least, 3), percent(row.most, 3), percent(row.astray, 3),
  ]))}

## One slow server of ten

200,000 requests that arrive by chance, one in 5 ms; they take 50 ms on average, 500 ms on one server of ten.

${table(['method', 'median ms', 'p99 ms', 'of the slow server'], slowServer.map(row => [
    row.method, row.median.toFixed(0), row.p99.toFixed(0), percent(row.share),
  ]))}

## Recovery after all have failed

Ten servers fail at once for 5 s (\`failTimeout\` 1 s), then all are well; one request each millisecond, each tries every server it may.
Afterwards 100,000 requests show whether somebody starves.

${table(['method', 'first answer ms', 'all back ms', 'failed attempts/s', 'longest gap ms', 'least share', 'largest share'], recovery.map(row => [
    row.method, row.first.toFixed(0), row.all.toFixed(0), row.probes.toFixed(0), row.longestGap.toFixed(0),
    percent(row.least, 1), percent(row.most, 1),
  ]))}
`
}
