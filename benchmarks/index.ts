import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Box, type Running } from './lib/box.ts'
import { profileFeature, runFeatures } from './features/index.ts'
import { note, type Bench } from './lib/bench.ts'
import { buildCommit, buildIfStale } from './lib/build.ts'
import { waitForPort } from './lib/check.ts'
import { chooseLoadGenerator, type LoadOptions } from './lib/load.ts'
import { chooseCores, describeMachine, type Cores } from './lib/machine.ts'
import { jobOf, measureJob, type Contestant, type Row } from './lib/measure.ts'
import { runMicro } from './lib/micro.ts'
import { readOptions, usage, type BenchOptions } from './lib/options.ts'
import { profileContestant } from './lib/profile.ts'
import { writeComparison, writeFeatures } from './lib/readme.ts'
import { featureTables, resultTable, targetTable } from './lib/report.ts'
import { apache } from './peers/apache.ts'
import { lighttpd } from './peers/lighttpd.ts'
import { nginx } from './peers/nginx.ts'
import { baseline, fastifyScgi, floor, httpProxy, staticRoute } from './peers/node.ts'
import type { Origins, Peer } from './peers/peer.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'benchmarks/README.md')

/** What a browser sends beside Host. */
const browserHeaders = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Language': 'en-GB,en;q=0.7,de;q=0.3',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  Referer: 'http://127.0.0.1/previous/page?with=query',
  Cookie: 'session=0123456789abcdef0123456789abcdef; csrftoken=fedcba9876543210fedcba9876543210',
  'Upgrade-Insecure-Requests': '1',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Site': 'same-origin',
}

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

async function startOrigins (box: Box, { rest }: Cores): Promise<Origins> {
  const scgiPath = join(box.dir, 'scgi.sock')
  const start = (name: string, ...args: string[]): Promise<Running> => box.start(
    `origin-${name}`, process.execPath, ['--import', import.meta.resolve('tsx'), join(root, `benchmarks/origin/${name}.ts`), ...args],
    { core: rest, announces: true }
  )
  const scgi = await start('scgi', scgiPath)
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
  for (const transport of options.transports) {
    for (const peer of peers.keys()) {
      if (!peer.transports.includes(transport)) continue
      const { running, port } = await peer.start(box, origins, transport, cores.gateway)
      await waitForPort(port, peer.name)
      contestants.push({ peer: peer.name, transport, pid: running.pid, port })
    }
  }
  const rows: Row[] = []
  for (const kind of options.kinds) {
    try {
      rows.push(...await measureJob(jobOf(kind), contestants, options.rounds, generator, load, note))
    } catch (error) {
      if (rows.length > 0) console.error(`\nmeasured before the run failed:\n${resultTable(rows)}`)
      throw error
    }
  }
  note('')
  const versions = Object.fromEntries([...peers].map(([peer, version]) => [peer.name, version]))
  if (options.json) {
    console.log(JSON.stringify({ machine, cores, versions, options, load: generator.name, rows }))
  } else {
    console.log(resultTable(rows))
    const targets = targetTable(rows)
    if (targets !== undefined) console.log(`\n${targets}`)
  }
  if (options.write) writeComparison(page, { rows, machine, cores, versions, options, generator: generator.name })
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
    const origins = await Promise.race([startOrigins(box, cores), lost])
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
