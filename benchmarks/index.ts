import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Box, type Running } from './lib/box.ts'
import { profileFeature, runFeatures } from './features/index.ts'
import { note, type Bench } from './lib/bench.ts'
import { browserHeaders } from './lib/browser.ts'
import { buildCommit, buildIfStale } from './lib/build.ts'
import { waitForPort } from './lib/check.ts'
import { chooseLoadGenerator, type LoadOptions } from './lib/load.ts'
import { chooseCores, describeMachine, type Cores } from './lib/machine.ts'
import { jobOf, measureJob, type Contestant, type Row } from './lib/measure.ts'
import { runMicro } from './lib/micro.ts'
import { readOptions, usage, type BenchOptions } from './lib/options.ts'
import { profileContestant } from './lib/profile.ts'
import { writeComparison, writeFeatures } from './lib/readme.ts'
import { measureRest, type Rest } from './lib/rest.ts'
import { featureTables, restTable, resultTable, targetTable } from './lib/report.ts'
import { apache } from './peers/apache.ts'
import { lighttpd } from './peers/lighttpd.ts'
import { nginx } from './peers/nginx.ts'
import { kinds, scgiBytes } from './origin/replies.ts'
import { baseline, fastifyScgi, floor, httpProxy, staticRoute } from './peers/node.ts'
import type { Origins, Peer } from './peers/peer.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'benchmarks/README.md')

/** The peers asked for, those that are not installed told by name. */
function choosePeers (options: BenchOptions): Map<Peer, string> {
  const comparison = [fastifyScgi(options.dist), nginx, apache, lighttpd, httpProxy]
  const internal = [staticRoute(), floor]
  const known = [...comparison, ...internal]
  const wanted = options.peers ?? comparison.map(({ name }) => name)
  for (const name of wanted) if (!known.some((peer) => peer.name === name)) throw new Error(`--peers: there is no peer '${name}'`)
  const selected: Peer[] = known.filter((peer) => wanted.includes(peer.name) || (options.internal && internal.includes(peer)))
  if (options.baseline !== undefined) selected.push(baseline(options.baseline))
  const chosen = new Map<Peer, string>()
  for (const peer of selected) {
    const version = peer.version()
    if (version === undefined) console.error(`left out: ${peer.name} is not installed`)
    else chosen.set(peer, version)
  }
  return chosen
}

/** Compiles the SCGI origin in C, and writes its replies; undefined where there is no compiler. */
function compileOrigin (box: Box): [program: string, replies: string] | undefined {
  const program = join(box.dir, 'origin-scgi')
  const { status, error, stderr } = spawnSync('cc', ['-O2', '-o', program, join(root, 'benchmarks/origin/scgi.c')], { encoding: 'utf8' })
  if (status !== 0) {
    note(`the SCGI origin is the one in Node.js: cc ${error === undefined ? `failed: ${stderr}` : 'is not installed'}`)
    return undefined
  }
  const replies = join(box.dir, 'replies')
  mkdirSync(replies)
  for (const kind of kinds) writeFileSync(join(replies, kind), scgiBytes(kind))
  return [program, replies]
}

async function startOrigins (box: Box, { rest }: Cores, { features, origin }: BenchOptions): Promise<Origins> {
  const scgiPath = join(box.dir, 'scgi.sock')
  const start = (name: string, ...args: string[]): Promise<Running> => box.start(
    `origin-${name}`, process.execPath, ['--import', import.meta.resolve('tsx'), join(root, `benchmarks/origin/${name}.ts`), ...args],
    { core: rest, announces: true }
  )
  // The features ask for more than the replies that are made beforehand.
  const compiled = features === undefined && origin === 'c' ? compileOrigin(box) : undefined
  const scgi = compiled === undefined
    ? await start('scgi', scgiPath)
    : await box.start('origin-scgi-c', compiled[0], [compiled[1], scgiPath], { core: rest, announces: true })
  const http = await start('http')
  return { scgiPath, scgiPort: Number(scgi.announced.port), httpPort: Number(http.announced.port) }
}

async function profile (bench: Bench): Promise<void> {
  const { box, options, origins, cores } = bench
  const [kind = '1k'] = options.kinds
  const [transport = 'unix'] = options.transports
  const peer = [...choosePeers({ ...options, peers: [options.peers?.[0] ?? 'fastify-scgi'], internal: false, baseline: undefined }).keys()][0]
  if (peer === undefined) return
  const { running, port } = await peer.start(box, origins, transport, cores.gateway)
  await waitForPort(port, peer.name)
  const contestant: Contestant = { peer: peer.name, transport, pid: running.pid, port }
  await profileContestant(running, contestant, jobOf(kind), bench)
}

async function measureFeatures (bench: Bench): Promise<void> {
  const { options, cores, generator } = bench
  const machine = describeMachine()
  const outcomes = await runFeatures(bench)
  note('')
  if (options.json) console.log(JSON.stringify({ machine, cores, options, load: generator.name, ...outcomes }))
  else console.log(featureTables(outcomes))
  if (options.write) writeFeatures(page, { ...outcomes, machine, cores, options, generator: generator.name })
}

async function compare ({ box, options, origins, cores, generator, load }: Bench): Promise<void> {
  const machine = describeMachine()
  const peers = choosePeers(options)
  const contestants: Contestant[] = []
  const rests: Rest[] = []
  for (const transport of options.transports) {
    for (const peer of peers.keys()) {
      if (!peer.transports.includes(transport)) continue
      const begun = performance.now()
      const { running, port } = await peer.start(box, origins, transport, cores.gateway)
      const contestant = { peer: peer.name, transport, pid: running.pid, port }
      rests.push(await measureRest(contestant, begun))
      contestants.push(contestant)
    }
  }
  const rows: Row[] = []
  for (const kind of options.kinds) {
    try {
      const job = jobOf(kind)
      // What Fastify and Node.js cost alone is measured with GET.
      const able = contestants.filter(({ peer }) => job.post === undefined || (peer !== 'static' && peer !== 'floor'))
      rows.push(...await measureJob(job, able, options.rounds, generator, load, note))
    } catch (error) {
      if (rows.length > 0) console.error(`\nmeasured before the run failed:\n${resultTable(rows)}`)
      throw error
    }
  }
  note('')
  const versions = Object.fromEntries([...peers].map(([peer, version]) => [peer.name, version]))
  if (options.json) {
    console.log(JSON.stringify({ machine, cores, versions, options, load: generator.name, rows, rests }))
  } else {
    console.log(`${resultTable(rows)}\n\n${restTable(rests)}`)
    const targets = targetTable(rows)
    if (targets !== undefined) console.log(`\n${targets}`)
  }
  if (options.write) writeComparison(page, { rows, rests, machine, cores, versions, options, generator: generator.name })
}

/** What the options ask for. */
function taskOf ({ features, profile: profiled }: BenchOptions): (bench: Bench) => Promise<void> {
  if (features === undefined) return profiled ? profile : compare
  return profiled ? profileFeature : measureFeatures
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
  const load: LoadOptions = { seconds, connections, core: cores.rest, headers: options.browser ? browserHeaders : {} }
  const box = new Box()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => box.onLoss(`stopped by ${signal}`))
  const lost = new Promise<never>((resolve, reject) => { box.onLoss = (message) => reject(new Error(message)) })
  lost.catch(() => {}) // it is raced below, more than once
  try {
    const origins = await Promise.race([startOrigins(box, cores, options), lost])
    if (options.baselineCommit !== undefined) options = { ...options, baseline: buildCommit(options.baselineCommit, box.dir) }
    await Promise.race([taskOf(options)({ box, options, origins, cores, generator, load }), lost])
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
