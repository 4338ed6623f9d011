import { installed, note, Stage, type Bench } from '../lib/bench.ts'
import { jobOf } from '../lib/job.ts'
import { describePlan, measurePairs, Pair } from '../lib/pairs.ts'
import { pairTable } from '../lib/report.ts'
import { http2Load } from '../load/load.ts'
import { nginxWith } from '../peers/nginx.ts'
import { fastifyScgi, floorOn } from '../peers/node.ts'
import type { Section } from '../lib/page.ts'

const ours = 'fastify-scgi'

/** HTTP/2 without TLS between client and gateway. */
export async function measureHttp2 (bench: Bench): Promise<Section[]> {
  const { options, load } = bench
  await using stage = new Stage(bench)
  const job = { ...jobOf('1k'), http2: true }
  const settings = { http2: true }
  const gateway = await stage.start(fastifyScgi(options.dist, settings, `${ours}-http2`), 'unix')
  const over = stage.lane({ labels: ['HTTP/2', ours], contestant: gateway, job, generator: http2Load })
  const plain = stage.lane({ labels: ['HTTP/1.1', ours], contestant: await stage.start(fastifyScgi(options.dist), 'unix'), job: jobOf('1k') })
  const pairs = [new Pair({ over, under: plain, shownBy: plain })]
  for (const peer of installed(bench, [floorOn(settings, 'floor-http2'), nginxWith(settings, 'nginx-http2')])) {
    const contestant = await stage.start(peer, 'unix')
    const under = stage.lane({ labels: ['HTTP/2', peer.name.replace('-http2', '')], contestant, job, generator: http2Load })
    pairs.push(new Pair({ over, under, shownBy: under }))
  }
  await measurePairs(pairs, options, note)
  return [{
    block: 'http2',
    title: 'HTTP/2 in front',
    rounds: describePlan(options),
    text: `${pairTable(['client', 'gateway'], 'ours with HTTP/2 / this', pairs)}

1 kB over unix. ${load.connections} streams under way, 16 on a connection, without TLS; the load is \`${http2Load.name}\`, a client in Node.js that costs
more than wrk.`,
  }]
}
