import { join } from 'node:path'
import { mkdirSync, writeFileSync } from 'node:fs'
import { waitForPort } from '../lib/check.ts'
import { leaveOut, note, Stage, type Bench } from '../lib/bench.ts'
import { contestantOf } from '../lib/measure.ts'
import { measurePairs, Pair } from '../lib/pairs.ts'
import { profileContestant } from '../lib/profile.ts'
import { outcomeTable, pairTable, type Outcome } from '../lib/report.ts'
import { makeText } from '../origin/replies.ts'
import { comparisons, fileSizes, type Comparison } from './comparisons.ts'
import { measureLoader } from './loader.ts'
import { measureRates } from './rate.ts'
import type { Section } from '../lib/page.ts'
import type { Measured } from '../lib/targets.ts'
import type { Peer, Transport } from '../peers/peer.ts'

/** Measures what `--features` names, one after the other. */
export async function measureFeatures (bench: Bench): Promise<Section[]> {
  const wanted = bench.options.features ?? []
  const transport = transportOf(bench)
  const outcomes: Outcome[] = []
  const pairs: Pair[] = []
  const measured: Measured[] = []
  for (const comparison of comparisons(bench, writeFiles(bench))) {
    if (!wanted.includes(comparison.name)) continue
    const [ours, reference] = await compare(bench, comparison, transport)
    const most = reference?.ratio.median ?? comparison.most
    outcomes.push({ what: comparison.what, unit: 'ratio', most, measured: ours.ratio })
    if (reference !== undefined) {
      outcomes.push({ what: `${comparison.what}: nginx`, unit: 'ratio', most: undefined, measured: reference.ratio })
    }
    const { target } = comparison
    if (target !== undefined) measured.push({ target, value: ours.ratio, ...(most !== undefined && { most }) })
    pairs.push(ours, ...(reference === undefined ? [] : [reference]))
  }
  if (wanted.includes('plain') && bench.options.baseline === undefined) {
    leaveOut('plain', 'no earlier build is given (--baseline DIR, --baseline-commit REVISION)')
  }
  const special = { ...bench, origins: bench.origins.special ?? bench.origins }
  if (wanted.includes('loader')) outcomes.push(...await measureLoader(special, transport))
  if (wanted.includes('rate')) outcomes.push(...await measureRates(special, transport))
  return [{ block: 'features', title: 'Features', text: featureText(outcomes, pairs), measured }]
}

/** Profiles this gateway in the first of them that is a comparison. */
export async function profileFeature (bench: Bench): Promise<void> {
  const { box, options, cores } = bench
  const transport = transportOf(bench)
  const comparison = comparisons(bench, writeFiles(bench)).find(({ name }) => options.features?.includes(name))
  if (comparison === undefined) throw new Error('--profile: name one of the features that are compared with something')
  const { ours, job, connections } = comparison
  const started = await ours.start(box, originsOf(bench, comparison), transport, cores.gateway)
  await waitForPort(started.port, ours.name)
  const load = { ...bench.load, ...(connections !== undefined && { connections }) }
  await profileContestant(started.running, contestantOf(ours, transport, started), job, { ...bench, load })
}

/** The origin in Node.js where the one in C cannot do what is needed. */
function originsOf ({ origins }: Bench, { special = false }: Comparison): Bench['origins'] {
  return special ? origins.special ?? origins : origins
}

async function compare (bench: Bench, comparison: Comparison, transport: Transport): Promise<[ours: Pair, reference: Pair | undefined]> {
  const { job, connections, rounds = 1, reference } = comparison
  await using stage = new Stage({ ...bench, origins: originsOf(bench, comparison) })
  const load = { ...bench.load, ...(connections !== undefined && { connections }) }
  const laneOf = async (peer: Peer) => {
    if (peer.version() === undefined) throw new Error(`${peer.name} is not installed`)
    const contestant = await stage.start(peer, transport)
    return stage.lane({ labels: [job.name, transport, peer.name], contestant, job, load })
  }
  const over = await laneOf(comparison.ours)
  const under = await laneOf(comparison.theirs(over.contestant.port))
  const ours = new Pair({ over, under, shownBy: under })
  const pairs = [ours]
  if (reference !== undefined && reference.over.version() === undefined) leaveOut(reference.over.name, 'it is not installed')
  else if (reference !== undefined) {
    const lane = await laneOf(reference.under)
    pairs.push(new Pair({ over: await laneOf(reference.over), under: lane, shownBy: lane }))
  }
  await measurePairs(pairs, rounds * bench.options.rounds, note)
  const running = stage.runningOf(over.contestant)
  if (running !== undefined) await comparison.verify?.(running)
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

function featureText (outcomes: readonly Outcome[], pairs: readonly Pair[]): string {
  const rows = pairs.length === 0 ? '' : `\n\n${pairTable(['reply', 'transport', 'gateway'], 'first/this', pairs)}`
  return `${outcomeTable(outcomes)}${rows}

- Each row of the second table is a process of its own: **fastify-scgi** is set up for what the row says, **no-cache**, **no-metrics** and **baseline**
  have no option, **@fastify/static** sends the same file, **static** is a Fastify route that sends the Buffer and the headers of our hit,
  **nginx, cached** has scgi_cache with the same levels. Of the file of 100 MB there are 4 connections.
- Hits: after each run the cache itself must have counted one miss and nothing but hits; misses: every request is for another URL, and
  there must be no hit. The memory store has its default size, so in most rounds each new entry drives an old one out.
- The longest pause is that of the event loop (\`monitorEventLoopDelay\`) of a gateway that four clients ask for entries at random, each
  up to 200 times a second. The loader goes over 100 files, then rests for 10 ms (by default 50 ms), until it has found all of them.
- Rates are measured at the client, all at the same time, over ten seconds from the head of the reply on; the worst of them counts.`
}
