import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Cores, Machine } from './machine.ts'
import type { Row } from './measure.ts'
import { kinds } from '../origin/replies.ts'
import { features, type BenchOptions } from './options.ts'
import type { Rest } from './rest.ts'
import { featureTables, restTable, resultTable, targetTable, type Outcome } from './report.ts'

/** A run, as far as the page tells of it. */
export interface Run {
  readonly rows: readonly Row[]
  readonly rests: readonly Rest[]
  readonly machine: Machine
  readonly cores: Cores
  readonly versions: Readonly<Record<string, string>>
  readonly options: BenchOptions
  readonly generator: string
}

const titles: Readonly<Record<string, string>> = {
  'fastify-scgi': 'fastify-scgi on fastify',
  'http-proxy': '@fastify/http-proxy',
}

function baselineFlag ({ baseline, baselineCommit }: BenchOptions): string[] {
  if (baselineCommit !== undefined) return [`--baseline-commit ${baselineCommit}`]
  return baseline === undefined ? [] : ['--baseline DIR']
}

function command ({ options }: Run): string {
  const flags = [
    ...(options.kinds.length < kinds.length ? [`--only ${options.kinds.join(',')}`] : []),
    ...(options.transports.length < 2 ? [`--transport ${options.transports.join(',')}`] : []),
    ...(options.peers === undefined ? [] : [`--peers ${options.peers.join(',')}`]),
    ...(options.internal ? ['--internal'] : []),
    ...(options.browser ? ['--browser'] : []),
    ...baselineFlag(options),
    `--rounds ${options.rounds}`, `--seconds ${options.seconds}`, '--write',
  ]
  return `npm run bench -- ${flags.join(' ')}`
}

/** What the bench writes of one run begins and ends with these; what is outside them stays. */
const marks = (part: string): [begin: string, end: string] => [`<!-- ${part}: -->`, `<!-- :${part} -->`]

const title = `# Benchmarks

This page is written by \`npm run bench -- --write\` and \`npm run bench -- --features --write\`; run them on your own machine and read
the ratios, not the absolute numbers.
`

/** Puts a part in the place of what an earlier run has written. */
function writePart (path: string, part: 'comparison' | 'features', text: string): void {
  const [begin, end] = marks(part)
  const block = `${begin}\n\n${text.trim()}\n\n${end}\n`
  const page = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const from = page.indexOf(begin)
  const to = page.indexOf(`${end}\n`)
  if (from !== -1 && to > from) writeFileSync(path, page.slice(0, from) + block + page.slice(to + end.length + 1))
  else if (marks('comparison').concat(marks('features')).some((mark) => page.includes(mark))) writeFileSync(path, `${page.trimEnd()}\n\n${block}`)
  else writeFileSync(path, `${title}\n${block}`)
}

function describe ({ machine }: Pick<Run, 'machine'>): string {
  return `${machine.date}, commit ${machine.commit}: ${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node.slice(1)},
load average ${machine.load.toFixed(1)} before the run${machine.load > 0.5 * machine.cores ? ' (**other work was going on: the numbers are worth less**)' : ''}`
}

/** Writes the comparison into the page at `path`. */
export function writeComparison (path: string, run: Run): void {
  writePart(path, 'comparison', comparison(run))
}

function comparison (run: Run): string {
  const { cores, versions, options, generator, rows, rests } = run
  const pinned = cores.gateway === undefined
    ? 'Nothing was pinned to a core: the gateways shared theirs with the load.'
    : `The gateway's processes are pinned to core ${cores.gateway}; the origins and the load generator (${generator}) to core ${cores.rest}.`
  const targets = targetTable(rows)
  return `## The gateway against its peers

${describe(run)};
${Object.entries(versions).map(([name, version]) => `${titles[name] ?? name} ${version.replace(/^v/, '')}`).join(', ')}.
\`${command(run)}\`

${resultTable(rows)}

${restTable(rests)}

- **CPU µs/request** is the measure: user and system time of all processes of the gateway (/proc/PID/stat, threads and exited
  children included) in one round, over the requests of that round. Median of ${options.rounds} rounds of ${options.seconds} s; user+sys are medians of their own.
- **ours/peer** is the CPU time per request of fastify-scgi over that of the peer on the same transport: below 1, this gateway
  needs less. It is taken round by round, then the median. min–max are the smallest and the largest round.
- **first answer** is counted from the start of the program, one of each peer; ports are tried every 50 ms. RSS counts what processes share for each.
- **requests/s** and **p99** are what ${options.connections} keep-alive connections saw. They are bounded by the origin and the load generator wherever
  those fill their core before the gateway fills its own, which is so for the servers written in C on small replies: there they say
  nothing about the gateway, and its CPU time per request is then somewhat above what it would be under full load.
${targets === undefined ? '' : `\n## Targets\n\n${targets}\n`}
## How it is measured

- Each peer is started by the bench with its stock settings: fastify-scgi and @fastify/http-proxy with no option but the upstream and
  no logger; nginx with one worker, its scgi_params and no access log; Apache with mpm_event, one process of 128 threads and mod_proxy_scgi;
  lighttpd with mod_scgi. Limits on requests per connection are lifted everywhere. A peer that is not installed is left out by name.
- ${pinned}
- The SCGI origin is one process that answers at the last byte of the request with bytes made beforehand, and closes: in C where there is a
  compiler, so that the gateway is the bottleneck, else (and with \`--origin node\`) in Node.js without a framework; @fastify/http-proxy speaks HTTP keep-alive to a \`node:http\` server with the same replies, over TCP.
- Replies: 1 kB with Content-Length (1k), without (1k-nolength), without Content-Type (1k-notype), with Content-Length and 12 header lines
  (1k-12headers), asked for with a browser's headers (1k-browser), 100 kB, 10 MB, and 1 kB for a POST of 1 kB and of 1 MB.
  Before the rounds each peer's reply is compared with the origin's, byte for byte. A reply other than 2xx or a socket error fails the run.
- Rounds are interleaved: one of each peer on each transport, in an order that moves on by one each time, then the next. Each is
  warmed up first, and again where it was idle before a round (V8 drops compiled code when idle). After a round the bench waits until the gateway is quiet; that work counts.
- From 100 kB on, requests are the bytes received over the bytes of one reply, since the end of a round cuts replies under way. Where
  a round of that length does not see two replies on each connection, it is made longer (30 s at most).

\`npm run bench -- --help\` lists the options; \`--profile\` shows where the gateway spends its time, \`--internal\` adds what Fastify
and Node cost alone (Fastify answering from memory; \`node:http\` with a bare SCGI exchange that checks nothing), \`--baseline DIR\` an
earlier build, \`--micro\` runs the small benchmarks of single functions.
`
}

/** A run of `--features`. */
export type FeatureRun = Omit<Run, 'versions' | 'rests'> & { readonly outcomes: readonly Outcome[] }

/** Writes what the features cost into the page at `path`. */
export function writeFeatures (path: string, run: FeatureRun): void {
  writePart(path, 'features', featurePage(run))
}

function featurePage (run: FeatureRun): string {
  const { options, generator } = run
  const flags = [
    ...(options.features?.length === features.length ? [] : [`--only ${options.features?.join(',')}`]),
    ...baselineFlag(options),
    `--rounds ${options.rounds}`, `--seconds ${options.seconds}`, '--write',
  ]
  return `## Features

${describe(run)}.
\`npm run bench -- --features ${flags.join(' ')}\`

${featureTables(run)}

- A ratio is one of CPU time per request (user and system time of the whole process, worker threads included), this gateway's over the
  other's: taken round by round, then the median. Rounds, warm-up, cores and load (${generator}, ${options.connections} connections; 4 where the file has 100 MB) are as
  above; of the plain reply there are three times as many rounds. What is answered is compared byte for byte before.
- Each row of the second table is a process of its own: **fastify-scgi** is set up for what the row says, **no-cache** and **baseline** have
  no option, **@fastify/static** sends the same file, **static** is a Fastify route that sends the Buffer and the headers of our hit.
- Hits: after each run the cache itself must have counted one miss and nothing but hits; misses: every request is for another URL, and
  there must be no hit. The memory store has its default size, so in most rounds each new entry drives an old one out.
- The longest pause is that of the event loop (\`monitorEventLoopDelay\`) of a gateway that four clients ask for entries at random, each
  up to 200 times a second. The loader goes over 100 files, then rests for 10 ms (by default 50 ms), until it has found all of them.
- Rates are measured at the client, all at the same time, over ten seconds from the head of the reply on; the worst of them counts.
`
}
