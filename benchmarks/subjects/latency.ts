import { installed, note, Stage, type Bench } from '../lib/bench.ts'
import { jobOf } from '../lib/job.ts'
import { describePlan, measureLanes } from '../lib/pairs.ts'
import { laneTable } from '../lib/report.ts'
import { median } from '../lib/stats.ts'
import { closedLoop, openLoop } from '../load/load.ts'
import { nginx } from '../peers/nginx.ts'
import { fastifyScgi, floor, httpProxy } from '../peers/node.ts'
import type { Lane } from '../lib/measure.ts'
import type { Section } from '../lib/page.ts'

const share = 0.5

/** Latency at half of what each gateway can do at most. */
export async function measureLatency (bench: Bench): Promise<Section[]> {
  const { options, load, generator } = bench
  await using stage = new Stage(bench)
  const warmUp = { generator, load }
  const full: Lane[] = []
  for (const transport of options.transports) {
    for (const peer of installed(bench, [fastifyScgi(options.dist), floor, nginx, httpProxy])) {
      if (!peer.transports.includes(transport) || options.peers?.includes(peer.name) === false) continue
      full.push(stage.lane({ labels: [transport, peer.name], contestant: await stage.start(peer, transport), job: jobOf('1k'), generator: closedLoop, warmUp }))
    }
  }
  await measureLanes(full, options, note)
  const half = full.map(({ labels, contestant, rounds }) => {
    const rate = Math.round(share * median(rounds.map(({ requestsPerSecond }) => requestsPerSecond)))
    return stage.lane({
      labels: [...labels, String(rate)], contestant, job: jobOf('1k'), generator: openLoop, load: { ...load, rate }, warmUp,
    })
  })
  await measureLanes(half, options, note)
  return [{
    block: 'latency',
    title: 'Latency below saturation',
    rounds: describePlan(options),
    text: `${laneTable(['transport', 'gateway', 'sent/s'], half, ['p50', 'p99', 'p99range', 'p999', 'lateP99', 'cpu'])}

1 kB. **sent/s** is half of the requests a second that \`${closedLoop.name}\` got from each gateway with ${load.connections} connections; that of nginx is bounded by the
client. The load (\`${openLoop.name}\`) is an open loop: each request is due at a time of its own, whatever became of those before, and its latency
is counted from then, whether it could be sent or had to wait. **sent late** is the client's own part of that.`,
  }]
}
