import { readFileSync } from 'node:fs'
import { installed, leaveOut, note, Stage, type Bench } from '../lib/bench.ts'
import { jobOf } from '../lib/job.ts'
import { describePlan, measureLanes, measurePairs, Pair } from '../lib/pairs.ts'
import { laneTable, measuredOf, pairTable, rssOf } from '../lib/report.ts'
import { closedLoop } from '../load/load.ts'
import { nginxWith } from '../peers/nginx.ts'
import { fastifyScgi, floor, floorOn } from '../peers/node.ts'
import type { Lane } from '../lib/measure.ts'
import type { Section } from '../lib/page.ts'
import { scale } from '../lib/stats.ts'
import type { Measured, TargetName } from '../lib/targets.ts'
import type { Peer } from '../peers/peer.ts'

const ours = 'fastify-scgi'
/** File descriptors that a gateway needs beside those of its clients: connections to the origin, and what it has open anyway. */
const beside = 2000
/** Those that a process has open whatever it does. */
const spare = 200

const targets: Readonly<Record<number, TargetName>> = { 4000: '4,000 connections / 64', 10000: '10,000 connections / 64' }
/** So many are opened at the same time. */
const burst = 1000
/** So many connections the target for memory is for. */
const memoryAt = 4000

function fileLimit (): number {
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity)
}

/** What a pair of ours says of the targets, beside that of the floor. */
function targetsOf (mine: Pair, bare: Pair | undefined): Measured[] {
  const { over } = mine.options
  const measured: Measured[] = measuredOf([mine]).map((one) => ({ ...one, floor: bare?.ratio.median }))
  if (over.labels[1] !== String(memoryAt)) return measured
  const floorRss = bare === undefined ? undefined : rssOf(bare.options.over.rounds).median / 1e6
  return [...measured, {
    target: 'RSS at 4,000 connections under load', value: scale(rssOf(over.rounds), 1e-6), floor: floorRss,
  }]
}

/** Many connections, each with one request under way, and the memory that they take. */
export async function measureConnections (bench: Bench): Promise<Section[]> {
  const { options, load, generator } = bench
  await using stage = new Stage(bench)
  const limit = fileLimit()
  const counts = options.counts.filter((count) => {
    if (count + beside <= limit) return true
    leaveOut(`${count} connections`, `a process may have ${limit} files open`)
    return false
  })
  const [fewest, ...more] = counts
  if (fewest === undefined || more.length === 0) throw new Error('--counts: there are no two that can be measured')
  const pairs: Pair[] = []
  const lanes: Lane[] = []
  const bursts: Lane[] = []
  const wanted = ({ name }: Peer): boolean => options.peers?.includes(name) ?? true
  const peers = installed(bench, [fastifyScgi(options.dist), floor, nginxWith()].filter(wanted))
  for (const peer of peers) {
    const sized = (connections: number): Peer => {
      if (peer.native === true) return nginxWith({ connections: beside + 2 * connections })
      return peer === floor && 2 * connections + spare > limit ? floorOn({ most: limit - connections - spare }) : peer
    }
    const lane = async (connections: number, together?: number) => stage.lane({
      labels: together === undefined ? [peer.name, String(connections)] : [peer.name],
      // Each in a process of its own: what a process has had once it keeps.
      contestant: await stage.start(sized(connections), 'unix', String(connections)),
      job: jobOf('1k'),
      generator: closedLoop,
      load: { ...load, connections, ...(together !== undefined && { together, seconds: 1 }) },
      warmUp: { generator, load },
      watchMemory: true,
    })
    bursts.push(await lane(burst, burst))
    const under = await lane(fewest)
    lanes.push(under)
    for (const count of more) {
      const over = await lane(count)
      lanes.push(over)
      pairs.push(new Pair({ over, under, shownBy: over, target: peer.name === ours && fewest === 64 ? targets[count] : undefined }))
    }
  }
  await measurePairs(pairs, options, note)
  await measureLanes(bursts, options, note)
  const measured = pairs.flatMap((pair) => {
    const [name, count] = pair.options.over.labels
    if (name !== ours) return []
    const bare = pairs.find(({ options: { over } }) => over.labels[0] === floor.name && over.labels[1] === count)
    return targetsOf(pair, bare)
  })
  return [{
    block: 'connections',
    title: 'Many connections',
    rounds: describePlan(options),
    text: `${pairTable(['gateway', 'connections'], `/ with ${fewest}`, pairs, ['rate', 'p99', 'cpu', 'range', 'rss', 'accept', 'opened'], lanes)}

1 kB over unix; each row a process of its own. All connections are opened before a round, 250 at a time, and have a reply each: **CPU µs/accept** is the
cost of that for one of them, its reply included. Then each has one request under way. RSS is the largest that was seen in a round. The load is
\`${closedLoop.name}\`, which costs more than wrk: requests/s of nginx are bounded by it.
The floor begins as many exchanges at the same time as the limit of open files lets it.

${laneTable(['gateway'], bursts, ['firstP99', 'opened', 'accept'])}

The same for ${burst} connections that are opened all at the same time, from connecting to the first reply.`,
    measured,
  }]
}
