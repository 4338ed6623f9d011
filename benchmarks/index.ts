import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Box } from './lib/box.ts'
import { measureFeatures, profileFeature } from './features/index.ts'
import { note, Stage, type Bench } from './lib/bench.ts'
import { browserHeaders } from './lib/browser.ts'
import { buildCommit, buildIfStale } from './lib/build.ts'
import { jobOf } from './lib/job.ts'
import { chooseCores, describeMachine, describeRun, type Machine } from './lib/machine.ts'
import { runMicro } from './lib/micro.ts'
import { readOptions, usage, type BenchOptions, type SubjectName } from './lib/options.ts'
import { writePage, type Section } from './lib/page.ts'
import { profileContestant } from './lib/profile.ts'
import { targetTable } from './lib/targets.ts'
import { chooseLoadGenerator } from './load/load.ts'
import { startOrigins } from './origin/start.ts'
import { fastifyScgi } from './peers/node.ts'
import { soak } from './soak/index.ts'
import { measureConnections } from './subjects/connections.ts'
import { measureHttp2 } from './subjects/http2.ts'
import { measureInstructions } from './subjects/instructions.ts'
import { measureLatency } from './subjects/latency.ts'
import { measureMemory } from './subjects/memory.ts'
import { measureNode } from './subjects/node.ts'
import { measureReplies } from './subjects/replies.ts'
import { measureReuse } from './subjects/reuse.ts'
import { measureStart } from './subjects/start.ts'
import { measureWorkers } from './subjects/workers.ts'
import type { Subject } from './subjects/subject.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'benchmarks/README.md')

const subjects: Readonly<Record<SubjectName, Subject>> = {
  replies: measureReplies,
  connections: measureConnections,
  reuse: measureReuse,
  http2: measureHttp2,
  node: measureNode,
  latency: measureLatency,
  workers: measureWorkers,
  start: measureStart,
  memory: measureMemory,
  instructions: measureInstructions,
}

async function profile (bench: Bench): Promise<void> {
  const { options } = bench
  if (options.features !== undefined) {
    await profileFeature(bench)
    return
  }
  const [kind = '1k'] = options.kinds
  await using stage = new Stage(bench)
  const contestant = await stage.start(fastifyScgi(options.dist), options.transports[0] ?? 'unix')
  await profileContestant(contestant, jobOf(kind), bench)
}

/** What the options ask for, in turn. */
function chosen ({ features, soak: soaking, subjects: names }: BenchOptions): Subject[] {
  if (features !== undefined) return [measureFeatures]
  if (soaking) return [soak]
  return names.map((name) => subjects[name])
}

/** Prints what a subject has found, and writes it where that is wanted: what follows may fail. */
function tell (sections: readonly Section[], { options, cores, versions }: Bench, machine: Machine): void {
  const measured = sections.flatMap((section) => section.measured ?? [])
  if (options.json) {
    console.log(JSON.stringify({ machine, options, sections }))
  } else {
    for (const { title, text, rounds = '' } of sections) console.log(`\n## ${title}\n\n${rounds === '' ? '' : `${rounds}\n\n`}${text}`)
    const lines = targetTable('', measured, machine.commit).split('\n').filter((line) => !line.endsWith('not measured |'))
    if (measured.length > 0) console.log(`\n${lines.join('\n')}`)
  }
  if (!options.write) return
  writePage(page, sections, { command: options.command, state: describeRun(machine, cores, versions), short: `${machine.date} ${machine.commit}` })
}

async function measure (bench: Bench): Promise<void> {
  const machine = describeMachine()
  for (const subject of chosen(bench.options)) {
    bench.versions.clear()
    const sections = await subject(bench)
    note('')
    tell(sections, bench, machine)
  }
}

async function main (asked: BenchOptions): Promise<void> {
  let options = asked
  const cores = chooseCores()
  if (options.micro) {
    if (!await runMicro(cores.gateway)) process.exitCode = 1
    return
  }
  if (cores.gateway === undefined) console.error('taskset or a second core is missing: nothing is pinned, the gateways share their core with the load')
  if (existsSync(join(root, 'lib/index.ts')) && options.dist === join(root, 'dist')) buildIfStale(options.dist)
  const generator = chooseLoadGenerator(options.load)
  const { seconds, connections } = options
  const load = { seconds, connections, core: cores.rest, headers: options.browser ? browserHeaders : {} }
  const box = new Box()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => box.onLoss(`stopped by ${signal}`))
  const lost = new Promise<never>((resolve, reject) => { box.onLoss = (message) => reject(new Error(message)) })
  lost.catch(() => {}) // it is raced below, more than once
  try {
    const origins = await Promise.race([startOrigins(box, cores.rest, options.origin), lost])
    if (options.baselineCommit !== undefined) options = { ...options, baseline: buildCommit(options.baselineCommit, box.dir) }
    const bench: Bench = { box, options, origins, cores, generator, load, versions: new Map() }
    await Promise.race([options.profile ? profile(bench) : measure(bench), lost])
  } finally {
    await box.close()
  }
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) console.log(usage)
  else await main(options)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
