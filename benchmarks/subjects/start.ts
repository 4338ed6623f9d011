import { checkReply, waitForPort } from '../lib/check.ts'
import { installed, note, type Bench } from '../lib/bench.ts'
import { groupRss } from '../lib/group.ts'
import { jobOf } from '../lib/job.ts'
import { scale, spread } from '../lib/stats.ts'
import { digits, formatTable, range } from '../lib/table.ts'
import { apache } from '../peers/apache.ts'
import { nginx } from '../peers/nginx.ts'
import { commandLine, fastifyScgi, floor, httpProxy } from '../peers/node.ts'
import type { Section } from '../lib/page.ts'
import type { Peer } from '../peers/peer.ts'

/** Starts a peer, waits for its first answer, and gives the seconds that it took and its memory in MB. */
async function startOnce ({ box, origins, cores }: Bench, peer: Peer): Promise<[seconds: number, rss: number]> {
  const begun = performance.now()
  const { running, port } = await peer.start(box, origins, peer.transports[0] ?? 'tcp', cores.gateway)
  await waitForPort(port, peer.name)
  await checkReply(port, jobOf('1k'), peer.name)
  const seconds = (performance.now() - begun) / 1000
  const rss = groupRss(running.pid) / 1e6
  await box.stop(running)
  return [seconds, rss]
}

/** What a gateway costs before anybody asks for anything. */
export async function measureStart (bench: Bench): Promise<Section[]> {
  const { options } = bench
  const mine = commandLine(options.dist)
  const peers = installed(bench, [
    mine, fastifyScgi(options.dist, { schemas: false }, 'fastify-scgi, no schemas'), fastifyScgi(options.dist), floor, httpProxy, nginx, apache,
  ])
  const seen = peers.map((peer) => ({ peer, seconds: new Array<number>(), rss: new Array<number>() }))
  for (let round = 1; round <= options.rounds; round++) {
    for (const { peer, seconds, rss } of seen) {
      note(`start: round ${round} of ${options.rounds}: ${peer.name}`)
      const [took, memory] = await startOnce(bench, peer)
      seconds.push(took)
      rss.push(memory)
    }
  }
  const lines = seen.map(({ peer, seconds, rss }) => {
    const took = scale(spread(seconds), 1000)
    return [peer.name, took.median.toFixed(0), `${took.min.toFixed(0)}–${took.max.toFixed(0)}`, digits(spread(rss).median), range(spread(rss))]
  })
  const [first] = seen
  return [{
    block: 'start',
    title: 'Start and memory at rest',
    text: `${formatTable(['gateway', 'first answer after ms', 'min–max', 'RSS at rest MB', 'min–max'], lines, 1)}

From the start of the program to its first answer, on the one core of the gateways; ports are tried every 5 ms. RSS after that answer; what
processes share counts for each. The targets are for the command line; the others are applications, where Fastify loads what compiles schemas
unless it is told that there are none.`,
    measured: first?.peer !== mine
      ? []
      : [{ target: 'RSS at rest', value: spread(first.rss) }, { target: 'start to first answer', value: spread(first.seconds) }],
  }]
}
