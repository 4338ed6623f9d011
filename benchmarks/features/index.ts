import { join } from 'node:path'
import { mkdirSync, writeFileSync } from 'node:fs'
import { leaveOut, note, Stage, type Bench } from '../lib/bench.ts'
import { describePlan, measurePairs, Pair, type Plan } from '../lib/pairs.ts'
import { profileContestant } from '../lib/profile.ts'
import { outcomeTable, pairTable, type Outcome } from '../lib/report.ts'
import { makeText } from '../origin/replies.ts'
import { comparisons, fileSizes, type Comparison } from './comparisons.ts'
import { measureLoader } from './loader.ts'
import { measureRates } from './rate.ts'
import type { FeatureName } from '../lib/options.ts'
import type { Block, Section } from '../lib/page.ts'
import type { Measured } from '../lib/targets.ts'
import type { Peer, Transport } from '../peers/peer.ts'

/** What is told in one section, and what must be known to read it. */
interface Group {
  readonly block: Block
  readonly title: string
  readonly names: readonly FeatureName[]
  readonly note: string
}

const groups: readonly Group[] = [
  {
    block: 'features-plain',
    title: 'Beside an earlier commit',
    names: ['plain'],
    note: '**baseline** is the earlier build, with the same packages.',
  },
  {
    block: 'features-cache',
    title: 'Cache',
    names: ['memory-hit', 'disk-hit', 'memory-store', 'disk-store', 'tmpfs-store'],
    note: `**no-cache** has no option, **@fastify/static** sends the same file, **static** is a Fastify route that sends the Buffer and the headers of our hit,
**nginx-cached** has scgi_cache with the same levels. Hits: after each run the cache itself must have counted one miss and nothing but hits;
misses: every request is for another URL, and there must be no hit. The memory store has its default size, so in most rounds each new entry
drives an old one out. **tmpfs** is a directory in /dev/shm: there the gateway's own work is the most of it, where on a disk the file system's is.
ext4 without a journal looks at every inode that was removed in the last minutes before it gives a new one: on such a disk nothing is
removed as long as the bench runs, and a run soon after another measures that.`,
  },
  {
    block: 'features-files',
    title: 'Files',
    names: ['sendfile', 'redirect-1k', 'redirect-1m'],
    note: '**@fastify/static** sends the same file. Of the file of 100 MB there are 4 connections.',
  },
  {
    block: 'features-metrics',
    title: 'Metrics',
    names: ['metrics'],
    note: '**fastify-scgi** has registered `fastify-scgi/metrics`, **no-metrics** has not.',
  },
  {
    block: 'features-loader',
    title: 'Pauses while a cache is loaded from the disk',
    names: ['loader'],
    note: `The longest pause is that of the event loop (\`monitorEventLoopDelay\`) of a gateway that four clients ask for entries at random, each
up to 200 times a second. The loader goes over 100 files, then rests for 10 ms (by default 50 ms), until it has found all of them.`,
  },
  {
    block: 'features-rate',
    title: 'Rates',
    names: ['rate'],
    note: 'Rates are measured at the client, all at the same time, over ten seconds from the head of the reply on; the worst of them counts.',
  },
]

/** What one group has given. */
interface Found {
  readonly outcomes: Outcome[]
  readonly pairs: Pair[]
  readonly measured: Measured[]
  /** How often they were measured. */
  readonly rounds: Set<string>
}

/** Measures what `--features` names, one after the other. */
export async function measureFeatures (bench: Bench): Promise<Section[]> {
  const wanted = bench.options.features ?? []
  if (wanted.includes('tmpfs-store') && bench.box.inMemory === undefined) leaveOut('tmpfs-store', 'there is no tmpfs at /dev/shm')
  const transport = transportOf(bench)
  const known = comparisons(bench, writeFiles(bench))
  if (wanted.includes('plain') && bench.options.baseline === undefined) {
    leaveOut('plain', 'no earlier build is given (--baseline DIR, --baseline-commit REVISION)')
  }
  const special = { ...bench, origins: bench.origins.special ?? bench.origins }
  const sections: Section[] = []
  for (const { block, title, names, note: remark } of groups) {
    const found: Found = { outcomes: [], pairs: [], measured: [], rounds: new Set() }
    for (const comparison of known) {
      if (names.includes(comparison.name) && wanted.includes(comparison.name)) await measureOne(bench, comparison, transport, found)
    }
    if (names.includes('loader') && wanted.includes('loader')) found.outcomes.push(...await measureLoader(special, transport))
    if (names.includes('rate') && wanted.includes('rate')) found.outcomes.push(...await measureRates(special, transport))
    if (found.outcomes.length === 0) continue
    const rows = found.pairs.length === 0 ? '' : `\n\n${pairTable(['reply', 'transport', 'gateway'], 'first/this', found.pairs)}`
    sections.push({ block, title, text: `${outcomeTable(found.outcomes)}${rows}\n\n${remark}`, measured: found.measured, rounds: [...found.rounds].join(' ') })
  }
  return sections
}

async function measureOne (bench: Bench, comparison: Comparison, transport: Transport, found: Found): Promise<void> {
  const { what, target } = comparison
  const [ours, reference] = await compare(bench, comparison, transport)
  found.rounds.add(describePlan(planOf(bench, comparison)))
  const most = reference?.ratio.median ?? comparison.most
  found.outcomes.push({ what, unit: 'ratio', most, measured: ours.ratio })
  if (reference !== undefined) found.outcomes.push({ what: `${what}: nginx`, unit: 'ratio', most: undefined, measured: reference.ratio })
  if (target !== undefined) found.measured.push({ target, value: ours.ratio, ...(most !== undefined && { most }) })
  found.pairs.push(ours, ...(reference === undefined ? [] : [reference]))
}

/** Profiles this gateway in the first of them that is a comparison. */
export async function profileFeature (bench: Bench): Promise<void> {
  const { options } = bench
  const transport = transportOf(bench)
  const comparison = comparisons(bench, writeFiles(bench)).find(({ name }) => options.features?.includes(name))
  if (comparison === undefined) throw new Error('--profile: name one of the features that are compared with something')
  const { ours, job, connections } = comparison
  await using stage = new Stage({ ...bench, origins: originsOf(bench, comparison) })
  const load = { ...bench.load, ...(connections !== undefined && { connections }) }
  await profileContestant(await stage.start(ours, transport), job, { ...bench, load })
}

/** The origin in Node.js where the one in C cannot do what is needed. */
function originsOf ({ origins }: Bench, { special = false }: Comparison): Bench['origins'] {
  return special ? origins.special ?? origins : origins
}

function planOf ({ options }: Bench, { rounds = 1 }: Comparison): Plan {
  return { rounds: rounds * options.rounds, processes: options.processes }
}

async function compare (bench: Bench, comparison: Comparison, transport: Transport): Promise<[ours: Pair, reference: Pair | undefined]> {
  const { job, connections, reference } = comparison
  await using stage = new Stage({ ...bench, origins: originsOf(bench, comparison) })
  const load = { ...bench.load, ...(connections !== undefined && { connections }) }
  const laneOf = async (peer: Peer) => {
    if (peer.version() === undefined) throw new Error(`${peer.name} is not installed`)
    const contestant = await stage.start(peer, transport)
    return stage.lane({ labels: [job.name, transport, peer.name], contestant, job, load })
  }
  const over = await laneOf(comparison.ours)
  const under = await laneOf(comparison.theirs(() => over.contestant.port))
  const ours = new Pair({ over, under, shownBy: under })
  const pairs = [ours]
  if (reference !== undefined && reference.over.version() === undefined) leaveOut(reference.over.name, 'it is not installed')
  else if (reference !== undefined) {
    const lane = await laneOf(reference.under)
    pairs.push(new Pair({ over: await laneOf(reference.over), under: lane, shownBy: lane }))
  }
  await measurePairs(pairs, planOf(bench, comparison), note, async () => { await comparison.verify?.(over.contestant.running) })
  if (pairs.length > 1) reference?.verify()
  return [ours, pairs[1]]
}

function transportOf ({ options }: Bench): Transport {
  return options.transports[0] ?? 'unix'
}

/** The directory of the files that are sent. */
function writeFiles ({ box }: Bench): string {
  const directory = join(box.dir, 'files')
  mkdirSync(directory)
  for (const [name, size] of Object.entries(fileSizes)) writeFileSync(join(directory, name), makeText(size))
  return directory
}
