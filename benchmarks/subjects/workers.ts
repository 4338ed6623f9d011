import { installed, note, Stage, type Bench } from '../lib/bench.ts'
import { jobOf } from '../lib/job.ts'
import { describePlan, measurePairs, Pair } from '../lib/pairs.ts'
import { measuredOf, pairTable } from '../lib/report.ts'
import { median } from '../lib/stats.ts'
import { openLoop } from '../load/load.ts'
import { commandLine, floorOn } from '../peers/node.ts'
import type { Lane } from '../lib/measure.ts'
import type { Section } from '../lib/page.ts'
import type { TargetName } from '../lib/targets.ts'
import type { Peer } from '../peers/peer.ts'

const workers = 2
/** Of what one process can do: two that compete for the caches of one core, or for the core of the load, cost more whatever they do. */
const share = 0.25

/** What a request costs where there are several workers. */
export async function measureWorkers (bench: Bench): Promise<Section[]> {
  const { options, load, generator } = bench
  const peersOf = (count: number): Peer[] => installed(bench, [commandLine(options.dist, count), floorOn({ workers: count }, `floor, ${count}`)])
  await using stage = new Stage(bench)
  const warmUpRequests = workers * options.warmUp
  const compared = async (target: TargetName, lane: (peer: Peer) => Promise<Lane>): Promise<Pair[]> => {
    const pairs: Pair[] = []
    const single = peersOf(1)
    for (const [index, peer] of peersOf(workers).entries()) {
      const one = single[index]
      if (one === undefined) continue
      const over = await lane(peer)
      pairs.push(new Pair({ over, under: await lane(one), shownBy: over, target: pairs.length === 0 ? target : undefined }))
    }
    await measurePairs(pairs, options, note)
    return pairs
  }
  const pinned = await compared('two workers / one, on one core', async peer => stage.lane({
    labels: ['one', peer.name, 'all it can'], contestant: await stage.start(peer, 'unix'), job: jobOf('1k'), warmUpRequests,
  }))
  const most = pinned[0]?.options.under.rounds.map(({ requestsPerSecond }) => requestsPerSecond) ?? []
  const rate = Math.round(share * median(most))
  const free = await compared('two workers / one, at the same rate', async peer => stage.lane({
    labels: ['any', peer.name, String(rate)],
    contestant: await stage.start(peer, 'unix', 'any core', false),
    job: jobOf('1k'),
    generator: openLoop,
    load: { ...load, rate },
    warmUp: { generator, load },
    warmUpRequests,
  }))
  const pairs = [...pinned, ...free]
  return [{
    block: 'workers',
    title: 'Workers',
    rounds: describePlan(options),
    text: `${pairTable(['cores', 'gateway, workers', 'sent/s'], '/ 1 worker', pairs)}

1 kB over unix, through the command line. CPU of all processes, the primary included. On one core they take all of it, so that what
shares its caches is the same. On any core the load is an open loop of a quarter of what one worker could do there. The floor is the bare
exchange below node:cluster: what its second worker costs is the machine's and the runtime's part.`,
    measured: measuredOf(pairs),
  }]
}
