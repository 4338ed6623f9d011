import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { kinds, type Kind } from '../origin/replies.ts'
import type { Transport } from '../peers/peer.ts'

/** What `--features` measures. */
export const features = [
  'plain', 'sendfile', 'redirect-1k', 'redirect-1m', 'memory-hit', 'disk-hit', 'memory-store', 'disk-store', 'loader', 'rate',
] as const

export type FeatureName = typeof features[number]

const root = fileURLToPath(new URL('../..', import.meta.url))

export const usage = `npm run bench -- [options]

  --only 1k,100k       kinds of reply: ${kinds.join(', ')} (default: all);
                       with --features: ${features.join(', ')}
  --transport unix,tcp transports to the origin (default: both)
  --peers a,b          peers to measure: fastify-scgi, nginx, apache, lighttpd, http-proxy (default: all that are installed)
  --internal           add the rows static (Fastify alone) and floor (node:http and a bare SCGI exchange)
  --baseline DIR       add another build of this gateway (a copy of an earlier dist) as the row baseline
  --baseline-commit R  the same, built from a commit of this repository
  --dist DIR           the build to measure (default: dist, built anew when the sources are younger)
  --rounds N           rounds of each row, 1 to 100 (default 5), after a warm-up
  --seconds N          seconds of each round, 1 to 60 (default 2); large replies take longer where they must
  --connections N      connections of the load, 1 to 1024 (default 64)
  --browser            send the request headers of a browser, not just Host
  --load own           use the load generator of this directory even where wrk is installed
  --origin node        use the SCGI origin in Node.js even where a C compiler is (default: the one in C, but for --features)
  --json               print the result as JSON in place of the tables
  --write              write benchmarks/README.md; what was not measured stays there
  --profile            profile this gateway for one round of the first kind (or feature) and transport chosen; no comparison
  --features           measure what the gateway does beside passing replies on: files, cache, rates; no comparison with its peers.
                       With a baseline also what a plain reply costs in this build and in that
  --micro              run benchmarks/micro/*.ts, nothing else
`

export interface BenchOptions {
  readonly kinds: readonly Kind[]
  readonly transports: readonly Transport[]
  /** Names of the peers wanted; undefined for all of the comparison. */
  readonly peers: readonly string[] | undefined
  readonly internal: boolean
  readonly baseline: string | undefined
  /** A commit to build the baseline from. */
  readonly baselineCommit: string | undefined
  /** Undefined where the peers are compared. */
  readonly features: readonly FeatureName[] | undefined
  readonly dist: string
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly browser: boolean
  readonly load: string | undefined
  readonly origin: 'c' | 'node'
  readonly json: boolean
  readonly write: boolean
  readonly profile: boolean
  readonly micro: boolean
}

function list<Item extends string> (name: string, text: string | undefined, known: readonly Item[]): readonly Item[] {
  if (text === undefined) return known
  return text.split(',').map((word) => {
    const item = known.find((candidate) => candidate === word)
    if (item === undefined) throw new Error(`--${name}: '${word}' is none of ${known.join(', ')}`)
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
  const { values } = parseArgs({
    args: [...args],
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
      seconds: { type: 'string', default: '2' },
      connections: { type: 'string', default: '64' },
      browser: { type: 'boolean', default: false },
      load: { type: 'string' },
      origin: { type: 'string', default: 'c' },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      micro: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  if (values.load !== undefined && values.load !== 'own') throw new Error(`--load: '${values.load}' is not 'own'`)
  if (values.baseline !== undefined && values['baseline-commit'] !== undefined) throw new Error('--baseline and --baseline-commit: one of them')
  if (values.origin !== 'c' && values.origin !== 'node') throw new Error(`--origin: '${values.origin}' is not 'c' or 'node'`)
  return {
    kinds: list('only', values.features ? undefined : values.only, kinds),
    transports: list('transport', values.transport, ['unix', 'tcp'] as const),
    peers: values.peers?.split(','),
    internal: values.internal,
    baseline: values.baseline === undefined ? undefined : resolve(values.baseline),
    baselineCommit: values['baseline-commit'],
    features: values.features ? list('only', values.only, features) : undefined,
    dist: values.dist === undefined ? resolve(root, 'dist') : resolve(values.dist),
    rounds: integer('rounds', values.rounds, 100),
    seconds: integer('seconds', values.seconds, 60),
    connections: integer('connections', values.connections, 1024),
    browser: values.browser,
    load: values.load,
    origin: values.origin,
    json: values.json,
    write: values.write,
    profile: values.profile,
    micro: values.micro,
  }
}
