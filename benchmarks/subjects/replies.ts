import { installed, note, Stage, type Bench } from '../lib/bench.ts'
import { jobOf } from '../lib/job.ts'
import { describePlan, measurePairs, Pair } from '../lib/pairs.ts'
import { measuredOf, pairTable } from '../lib/report.ts'
import { apache } from '../peers/apache.ts'
import { lighttpd } from '../peers/lighttpd.ts'
import { nginx } from '../peers/nginx.ts'
import { baseline, fastifyScgi, floor, httpProxy, staticRoute } from '../peers/node.ts'
import type { Kind } from '../origin/replies.ts'
import type { Section } from '../lib/page.ts'
import type { BenchOptions } from '../lib/options.ts'
import type { TargetName } from '../lib/targets.ts'
import type { Lane } from '../lib/measure.ts'
import type { Peer, Transport } from '../peers/peer.ts'

interface Plan {
  readonly title: string
  /** The peers that say something of this kind, by transport. */
  readonly unix: readonly string[]
  readonly tcp: readonly string[]
}

const plans: Readonly<Record<Kind, Plan>> = {
  '1k': {
    title: 'Reply of 1 kB',
    unix: ['nginx', 'apache', 'lighttpd', 'floor'],
    tcp: ['nginx', 'apache', 'lighttpd', 'http-proxy', 'floor'],
  },
  '1k-nolength': { title: 'Reply of 1 kB without Content-Length', unix: ['nginx', 'floor'], tcp: [] },
  '1k-notype': { title: 'Reply of 1 kB without Content-Type', unix: ['nginx', 'floor'], tcp: [] },
  '1k-12headers': { title: 'Reply of 1 kB with 12 header lines', unix: ['nginx', 'floor'], tcp: [] },
  '1k-browser': { title: 'Reply of 1 kB, asked for with the headers of a browser', unix: ['nginx', 'floor'], tcp: ['http-proxy'] },
  '100k': { title: 'Reply of 100 kB', unix: ['nginx', 'apache', 'floor'], tcp: ['nginx', 'http-proxy', 'floor'] },
  '10m': { title: 'Reply of 10 MB', unix: ['nginx', 'apache', 'floor'], tcp: ['nginx', 'http-proxy', 'floor'] },
  // The floor sends no body.
  'post-1k': { title: 'POST of 1 kB', unix: ['nginx', 'apache'], tcp: ['http-proxy'] },
  'post-1m': { title: 'POST of 1 MB', unix: ['nginx', 'apache'], tcp: ['http-proxy'] },
}

const targets: Readonly<Record<string, TargetName>> = {
  '1k unix floor': '1 kB over unix / floor',
  '1k tcp floor': '1 kB over TCP / floor',
  '1k tcp http-proxy': '1 kB over TCP / http-proxy',
  '1k unix apache': '1 kB over unix / Apache',
  '1k tcp nginx': '1 kB over TCP / nginx',
  '100k unix floor': '100 kB over unix / floor',
  '100k tcp floor': '100 kB over TCP / floor',
  '100k unix apache': '100 kB over unix / Apache',
  '10m unix floor': '10 MB over unix / floor',
  '10m tcp floor': '10 MB over TCP / floor',
  '10m unix nginx': '10 MB over unix / nginx',
}

const ours = 'fastify-scgi'

/** The peers wanted beside this gateway, by transport. */
function choosePeers (options: BenchOptions, kind: Kind): (transport: Transport) => Peer[] {
  const known: readonly Peer[] = [nginx, apache, lighttpd, httpProxy, floor, staticRoute()]
  for (const name of options.peers ?? []) {
    if (name !== ours && !known.some((peer) => peer.name === name)) throw new Error(`--peers: there is no peer '${name}'`)
  }
  const earlier = options.baseline === undefined ? [] : [baseline(options.baseline)]
  return (transport) => {
    const names = [...options.peers ?? plans[kind][transport], ...(options.internal ? ['floor', 'static'] : [])]
    const able = known.filter(({ name, transports }) => names.includes(name) && transports.includes(transport))
    // What Fastify and Node.js cost alone is measured with GET.
    return [...able.filter(({ name }) => jobOf(kind).post === undefined || (name !== 'static' && name !== 'floor')), ...earlier]
  }
}

async function measureKind (bench: Bench, kind: Kind): Promise<Section> {
  const { options } = bench
  await using stage = new Stage(bench)
  const gateway = fastifyScgi(options.dist)
  const choose = choosePeers(options, kind)
  const pairs: Pair[] = []
  const mine = new Map<Transport, Lane>()
  for (const transport of options.transports) {
    const peers = installed(bench, choose(transport))
    if (peers.length === 0 || installed(bench, [gateway]).length === 0) continue
    const over = stage.lane({ labels: [transport, ours], contestant: await stage.start(gateway, transport), job: jobOf(kind) })
    mine.set(transport, over)
    for (const peer of peers) {
      const under = stage.lane({ labels: [transport, peer.name], contestant: await stage.start(peer, transport), job: jobOf(kind) })
      pairs.push(new Pair({ over, under, shownBy: under, target: targets[`${kind} ${transport} ${peer.name}`] }))
    }
  }
  const unix = mine.get('unix')
  if (kind === '1k' && unix !== undefined) {
    const proxy = pairs.find(({ options: { under } }) => under.contestant.peer === 'http-proxy')
    if (proxy !== undefined) pairs.push(new Pair({ over: unix, under: proxy.options.under, target: '1 kB over unix / http-proxy' }))
  }
  if (kind === '1k-notype' && unix !== undefined) {
    const typed = stage.lane({ labels: ['unix', `${ours}, with Content-Type`], contestant: unix.contestant, job: jobOf('1k') })
    pairs.push(new Pair({ over: unix, under: typed, shownBy: typed, target: '1 kB without Content-Type / with' }))
  }
  if (pairs.length === 0) throw new Error(`${kind}: there is no peer to compare with`)
  await measurePairs(pairs, options, note)
  return {
    block: `replies-${kind}`,
    title: plans[kind].title,
    rounds: describePlan(options),
    text: pairTable(['transport', 'gateway'], 'ours/this', pairs),
    measured: measuredOf(pairs),
  }
}

/** Each kind of reply, this gateway beside its peers. */
export async function measureReplies (bench: Bench): Promise<Section[]> {
  const sections: Section[] = []
  for (const kind of bench.options.kinds) sections.push(await measureKind(bench, kind))
  return sections
}
