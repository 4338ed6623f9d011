import { leaveOut, note, Stage, type Bench } from '../lib/bench.ts'
import { jobOf } from '../lib/job.ts'
import { findNode } from '../lib/nodes.ts'
import { describePlan, measurePairs, Pair } from '../lib/pairs.ts'
import { pairTable } from '../lib/report.ts'
import { fastifyScgi, floorOn } from '../peers/node.ts'
import type { Section } from '../lib/page.ts'
import type { Lane } from '../lib/measure.ts'

const ours = 'fastify-scgi'
const majors = [20, 22, 24]

/** The same build on each version of Node.js that is supported. */
export async function measureNode (bench: Bench): Promise<Section[]> {
  const { options } = bench
  await using stage = new Stage(bench)
  const gateways: Pair[] = []
  const floors: Pair[] = []
  let first: Lane | undefined
  for (const major of majors) {
    const node = findNode(major)
    if (typeof node === 'string') {
      leaveOut(`Node.js ${major}`, node)
      continue
    }
    const settings = { node: node.path }
    const contestant = await stage.start(fastifyScgi(options.dist, settings, `${ours}-${major}`), 'unix')
    const over = stage.lane({ labels: [node.version, ours], contestant, job: jobOf('1k') })
    const floor = await stage.start(floorOn(settings, `floor-${major}`), 'unix')
    const under = stage.lane({ labels: [node.version, 'floor'], contestant: floor, job: jobOf('1k') })
    floors.push(new Pair({ over, under, shownBy: under }))
    if (first !== undefined) gateways.push(new Pair({ over, under: first, shownBy: over }))
    first ??= over
  }
  const pairs = [...floors, ...gateways]
  if (first === undefined) throw new Error('there is no Node.js to compare')
  await measurePairs(pairs, options, note)
  return [{
    block: 'node',
    title: 'Versions of Node.js',
    rounds: describePlan(options),
    text: `${pairTable(['Node.js', 'gateway'], 'ratio', pairs)}

1 kB over unix. Beside fastify-scgi stands what it costs over what it costs on ${first.labels[0]}; beside the floor what fastify-scgi costs over the floor on the same
version.`,
  }]
}
