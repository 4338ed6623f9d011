import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { kinds, type Kind } from '../origin/replies.ts'
import type { Transport } from '../peers/peer.ts'

/** What `--features` measures. */
const features = [
  'plain', 'sendfile', 'redirect-1k', 'redirect-1m', 'memory-hit', 'disk-hit', 'memory-store', 'disk-store', 'tmpfs-store', 'metrics', 'loader', 'rate',
] as const

export type FeatureName = typeof features[number]

/** What is measured beside the features. */
const subjects = ['replies', 'connections', 'reuse', 'http2', 'node', 'latency', 'workers', 'start', 'memory', 'instructions'] as const

export type SubjectName = typeof subjects[number]

const root = fileURLToPath(new URL('../..', import.meta.url))
/** More need more file descriptors than most systems give. */
const mostConnections = 10_000

export const usage = `npm run bench -- [subjects] [options]

Subjects (default: replies):
  replies              each kind of reply, this gateway beside its peers
  connections          1 kB over 64 to 10,000 connections, with the memory that it takes
  reuse                1 kB with keepalive and preconnect
  http2                1 kB with HTTP/2 in front
  node                 1 kB on Node.js 20, 22 and 24, as far as npx has them
  latency              latency of 1 kB at half of what each can do at most
  workers              1 kB through the command line with two workers beside one
  start                time to the first answer, and memory at rest
  memory               bytes for an idle connection, an exchange in progress, a cached entry (also --memory)
  instructions         instructions of a request, counted by callgrind where valgrind is installed; takes 10 minutes

  --only 1k,100k       kinds of reply: ${kinds.join(', ')} (default: all);
                       with --features: ${features.join(', ')}
  --transport unix,tcp transports to the origin (default: both)
  --peers a,b          of replies, connections and latency: peers to measure: fastify-scgi, nginx, apache, lighttpd, http-proxy, floor,
                       static (default: those that say something of the subject)
  --internal           of the replies: add the rows static (Fastify alone) and floor (node:http and a bare SCGI exchange)
  --baseline DIR       add another build of this gateway (a copy of an earlier dist) as the row baseline
  --baseline-commit R  the same, built from a commit of this repository
  --dist DIR           the build to measure (default: dist, built anew when the sources are younger)
  --processes N        processes of each peer on Node.js, one after the other, 1 to 20 (default 3): each has a speed of its own
  --rounds N           rounds of each pair with each of the processes, 1 to 100 (default 5), after a warm-up
  --warm-up N          requests of the warm-up of what runs on Node.js, 1 to 100000 (default 50000)
  --seconds N          seconds of each round, 1 to 60 (default 2); large replies take longer where they must
  --connections N      connections of the load, 1 to ${mostConnections} (default 64)
  --counts N,N         numbers of connections of the subject connections (default 64,1000,4000,10000)
  --browser            send the request headers of a browser, not just Host
  --load own           use the load generator of this directory even where wrk is installed
  --origin node        use the SCGI origin in Node.js even where a C compiler is
  --json               print the result as JSON in place of the tables
  --write              write benchmarks/README.md; what was not measured stays there
  --profile            profile this gateway for one round of the first kind (or feature) and transport chosen; no comparison
  --features           measure what the gateway does beside passing replies on: files, cache, metrics, rates; no comparison with its peers.
                       With a baseline also what a plain reply costs in this build and in that
  --soak               everything on, at 70 % of what it can do, for --minutes N, 1 to 240 (default 30), the last of them in turns with
                       --processes N fresh gateways: 30 take 45 minutes, or 39 with one of these
  --micro              run benchmarks/micro/*.ts, nothing else
`

export interface BenchOptions {
  readonly subjects: readonly SubjectName[]
  readonly kinds: readonly Kind[]
  readonly transports: readonly Transport[]
  /** Names of the peers wanted; undefined for those of each kind. */
  readonly peers: readonly string[] | undefined
  readonly internal: boolean
  readonly baseline: string | undefined
  /** A commit to build the baseline from. */
  readonly baselineCommit: string | undefined
  /** Undefined where they are not asked for. */
  readonly features: readonly FeatureName[] | undefined
  readonly dist: string
  readonly rounds: number
  readonly processes: number
  readonly seconds: number
  readonly warmUp: number
  readonly connections: number
  readonly counts: readonly number[]
  readonly browser: boolean
  readonly load: string | undefined
  readonly origin: 'c' | 'node'
  readonly json: boolean
  readonly write: boolean
  readonly profile: boolean
  readonly soak: boolean
  readonly minutes: number
  readonly micro: boolean
  /** The command line, as it was typed. */
  readonly command: string
}

function list<Item extends string> (name: string, text: string | undefined, known: readonly Item[]): readonly Item[] {
  return text === undefined ? known : pick(name, text.split(','), known)
}

function pick<Item extends string> (name: string, words: readonly string[], known: readonly Item[]): readonly Item[] {
  return words.map((word) => {
    const item = known.find((candidate) => candidate === word)
    if (item === undefined) throw new Error(`${name}: '${word}' is none of ${known.join(', ')}`)
    return item
  })
}

function integer (name: string, text: string, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`--${name}: '${text}' is not a whole number from 1 to ${most}`)
  return value
}

/** Reads the command line; undefined when it asks for help. Throws on a wrong one. */
export function readOptions (args: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      transport: { type: 'string' },
      peers: { type: 'string' },
      internal: { type: 'boolean', default: false },
      baseline: { type: 'string' },
      'baseline-commit': { type: 'string' },
      features: { type: 'boolean', default: false },
      dist: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      processes: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '2' },
      'warm-up': { type: 'string', default: '50000' },
      connections: { type: 'string', default: '64' },
      counts: { type: 'string', default: '64,1000,4000,10000' },
      browser: { type: 'boolean', default: false },
      load: { type: 'string' },
      origin: { type: 'string', default: 'c' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      soak: { type: 'boolean', default: false },
      minutes: { type: 'string', default: '30' },
      memory: { type: 'boolean', default: false },
      micro: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  if (values.load !== undefined && values.load !== 'own') throw new Error(`--load: '${values.load}' is not 'own'`)
  if (values.baseline !== undefined && values['baseline-commit'] !== undefined) throw new Error('--baseline and --baseline-commit: one of them')
  if (values.origin !== 'c' && values.origin !== 'node') throw new Error(`--origin: '${values.origin}' is not 'c' or 'node'`)
  return {
    subjects: positionals.length > 0 ? pick('subjects', positionals, subjects) : values.memory ? ['memory'] : ['replies'],
    kinds: list('--only', values.features ? undefined : values.only, kinds),
    transports: list('--transport', values.transport, ['unix', 'tcp'] as const),
    peers: values.peers?.split(','),
    internal: values.internal,
    baseline: values.baseline === undefined ? undefined : resolve(values.baseline),
    baselineCommit: values['baseline-commit'],
    features: values.features ? list('--only', values.only, features) : undefined,
    dist: values.dist === undefined ? resolve(root, 'dist') : resolve(values.dist),
    rounds: integer('rounds', values.rounds, 100),
    processes: integer('processes', values.processes, 20),
    seconds: integer('seconds', values.seconds, 60),
    warmUp: integer('warm-up', values['warm-up'], 100_000),
    connections: integer('connections', values.connections, mostConnections),
    counts: values.counts.split(',').map((text) => integer('counts', text, mostConnections)),
    browser: values.browser,
    load: values.load,
    origin: values.origin,
    json: values.json,
    write: values.write,
    profile: values.profile,
    soak: values.soak,
    minutes: integer('minutes', values.minutes, 240),
    micro: values.micro,
    command: `npm run bench -- ${args.join(' ')}`.replace(/(--baseline|--dist)[ =]\S+/g, '$1 DIR'),
  }
}
