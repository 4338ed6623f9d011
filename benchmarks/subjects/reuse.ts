import { note, Stage, type Bench } from '../lib/bench.ts'
import { jobOf } from '../lib/job.ts'
import { describePlan, measurePairs, Pair } from '../lib/pairs.ts'
import { defaultColumns, pairTable } from '../lib/report.ts'
import { fastifyScgi, httpProxy } from '../peers/node.ts'
import type { Lane } from '../lib/measure.ts'
import type { Section } from '../lib/page.ts'

const ours = 'fastify-scgi'
const connections = 64

/** Connections to the application that are kept, or opened beforehand. */
export async function measureReuse (bench: Bench): Promise<Section[]> {
  const { options } = bench
  await using stage = new Stage(bench)
  const pairs: Pair[] = []
  const lanes: Lane[] = []
  const settings = {
    ...(options.origin === 'c' && { keepalive: { keepalive: connections } }),
    preconnect: { preconnect: connections },
  }
  for (const transport of options.transports) {
    const plain = stage.lane({ labels: [transport, ours], contestant: await stage.start(fastifyScgi(options.dist), transport), job: jobOf('1k') })
    lanes.push(plain)
    for (const [name, server] of Object.entries(settings)) {
      const peer = fastifyScgi(options.dist, { server }, name)
      const over = stage.lane({ labels: [transport, `${ours}, ${name}: ${connections}`], contestant: await stage.start(peer, transport), job: jobOf('1k') })
      lanes.push(over)
      pairs.push(new Pair({ over, under: plain, shownBy: over }))
    }
    if (transport === 'tcp' && httpProxy.version() !== undefined) {
      const proxy = stage.lane({ labels: ['tcp', 'http-proxy'], contestant: await stage.start(httpProxy, 'tcp'), job: jobOf('1k') })
      lanes.push(proxy)
      pairs.push(new Pair({ over: proxy, under: plain, shownBy: proxy }))
    }
  }
  await measurePairs(pairs, options, note)
  return [{
    block: 'reuse',
    title: 'Connections to the application that are kept',
    rounds: describePlan(options),
    text: `${pairTable(['transport', 'gateway'], '/ default', pairs, defaultColumns, lanes)}

1 kB. By default each request has a connection of its own, as SCGI has it; http-proxy keeps its connections.`,
  }]
}
