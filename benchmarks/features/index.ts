import { join } from 'node:path'
import { mkdirSync, writeFileSync } from 'node:fs'
import { waitForPort } from '../lib/check.ts'
import { note, type Bench } from '../lib/bench.ts'
import { measureJob, type Contestant, type Row } from '../lib/measure.ts'
import { profileContestant } from '../lib/profile.ts'
import { ratioTo, type Outcome } from '../lib/report.ts'
import { makeText } from '../origin/replies.ts'
import { comparisons, fileSizes, type Comparison } from './comparisons.ts'
import { measureLoader } from './loader.ts'
import { measureRates } from './rate.ts'
import type { Running } from '../lib/box.ts'
import type { Transport } from '../peers/peer.ts'

/** What a run has found. */
export interface Outcomes {
  readonly outcomes: readonly Outcome[]
  readonly rows: readonly Row[]
}

/** Measures what `--features` names, one after the other. */
export async function runFeatures (bench: Bench): Promise<Outcomes> {
  const wanted = bench.options.features ?? []
  const transport = transportOf(bench)
  const outcomes: Outcome[] = []
  const rows: Row[] = []
  for (const comparison of comparisons(bench, writeFiles(bench))) {
    if (!wanted.includes(comparison.name)) continue
    const [ours, theirs] = await compare(bench, comparison, transport)
    rows.push(ours, theirs)
    const measured = ratioTo(ours, theirs)
    if (measured !== undefined) outcomes.push({ what: comparison.what, unit: 'ratio', most: comparison.most, measured })
  }
  if (wanted.includes('plain') && bench.options.baseline === undefined) {
    console.error('left out: plain, as no earlier build is given (--baseline DIR, --baseline-commit REVISION)')
  }
  if (wanted.includes('loader')) outcomes.push(...await measureLoader(bench, transport))
  if (wanted.includes('rate')) outcomes.push(...await measureRates(bench, transport))
  return { outcomes, rows }
}

/** Profiles this gateway in the first of them that is a comparison. */
export async function profileFeature (bench: Bench): Promise<void> {
  const { box, options, origins, cores } = bench
  const transport = transportOf(bench)
  const comparison = comparisons(bench, writeFiles(bench)).find(({ name }) => options.features?.includes(name))
  if (comparison === undefined) throw new Error('--profile: name one of the features that are compared with something')
  const { ours, job, connections } = comparison
  const { running, port } = await ours.start(box, origins, transport, cores.gateway)
  await waitForPort(port, ours.name)
  const load = { ...bench.load, ...(connections !== undefined && { connections }) }
  await profileContestant(running, { peer: ours.name, transport, pid: running.pid, port }, job, { ...bench, load })
}

async function compare (bench: Bench, comparison: Comparison, transport: Transport): Promise<[ours: Row, theirs: Row]> {
  const { box, options, origins, cores, generator } = bench
  const { job, connections, rounds = 1 } = comparison
  const contestants: Contestant[] = []
  const started: Running[] = []
  const start = async (peer: Comparison['ours']): Promise<number> => {
    if (peer.version() === undefined) throw new Error(`${peer.name} is not installed`)
    const { running, port } = await peer.start(box, origins, transport, cores.gateway)
    started.push(running)
    await waitForPort(port, peer.name)
    contestants.push({ peer: peer.name, transport, pid: running.pid, port })
    return port
  }
  await start(comparison.theirs(await start(comparison.ours)))
  const load = { ...bench.load, ...(connections !== undefined && { connections }) }
  const [ours, theirs] = await measureJob(job, contestants, rounds * options.rounds, generator, load, note)
  if (ours === undefined || theirs === undefined || started[0] === undefined) throw new Error(`${job.name}: nothing was measured`)
  await comparison.verify?.(started[0])
  for (const running of started) await box.stop(running)
  return [ours, theirs]
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
