import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { installed, leaveOut, note, Stage, type Bench } from '../lib/bench.ts'
import { Callgrind, valgrindVersion } from '../lib/callgrind.ts'
import { checkReply } from '../lib/check.ts'
import { jobOf } from '../lib/job.ts'
import { spread, type Spread } from '../lib/stats.ts'
import { digits, formatTable, range } from '../lib/table.ts'
import { Client } from '../load/client.ts'
import { nginxWith } from '../peers/nginx.ts'
import { fastifyScgi, floor, httpProxy, staticRoute } from '../peers/node.ts'
import type { Kind } from '../origin/replies.ts'
import type { Section } from '../lib/page.ts'
import type { Peer, Transport } from '../peers/peer.ts'

const ours = 'fastify-scgi'
const connections = 16
/** It is fifty times as slow under callgrind as alone. */
const mostWarmUp = 8000
/** Of what a process is asked for next. */
const nextShare = 0.25
const nativeWarmUp = 200
const rounds = 3
const requests = 700
/** Processes at the same time: that changes no count. */
const together = 2

/** What one peer is asked for, in one process, one kind after the other. */
interface Task {
  readonly transport: Transport
  readonly peers: readonly Peer[]
  readonly kinds: readonly Kind[]
  /** In the place of the kind's name. */
  readonly label?: string
}

/** Instructions of a request, in one row. */
interface Count {
  readonly labels: readonly [what: string, transport: Transport, peer: string]
  readonly seen: Spread
}

function tasksOf ({ options }: Bench): Task[] {
  const gateway = fastifyScgi(options.dist)
  // Callgrind names its files after the process that it was started with.
  const nginx = nginxWith({ alone: true })
  const small: readonly Kind[] = ['1k', '1k-notype', '100k']
  const tasks: Task[] = [
    { transport: 'unix', peers: [gateway], kinds: small },
    { transport: 'unix', peers: [floor], kinds: small },
    ...[gateway, floor, httpProxy].map((peer) => ({ transport: 'tcp' as const, peers: [peer], kinds: ['1k' as const] })),
    { transport: 'unix', peers: cachingAndStatic(options.dist), kinds: ['1k'], label: 'memory hit 1k' },
    { transport: 'unix', peers: [nginx], kinds: small },
    { transport: 'tcp', peers: [nginx], kinds: ['1k'] },
  ]
  return tasks.filter(({ transport, peers }) =>
    options.transports.includes(transport) && peers.every(({ name }) => name === ours || options.peers?.includes(name) !== false))
}

/** A cache, and the route that sends what that sends: it asks when it starts, so they are started in that order. */
function cachingAndStatic (dist: string): Peer[] {
  const caching = fastifyScgi(dist, { cache: { name: 'bench' } })
  let port = NaN
  return [{
    ...caching,
    async start (...args) {
      const started = await caching.start(...args)
      port = started.port
      return started
    },
  }, staticRoute(() => port, ['/1k'])]
}

/** Instructions of user space that a request costs, counted one by one. */
export async function measureInstructions (bench: Bench): Promise<Section[]> {
  const { box, options } = bench
  const version = valgrindVersion()
  if (version === undefined) {
    leaveOut('instructions', 'valgrind is not installed')
    return []
  }
  bench.versions.set('valgrind', version)
  const dir = join(box.dir, 'callgrind')
  mkdirSync(dir)
  const callgrind = new Callgrind(dir)
  const tasks = tasksOf(bench).filter(({ peers }) => installed(bench, peers).length === peers.length)
  const counts: Count[][] = tasks.map(() => [])
  box.wrapper = callgrind.wrapper
  let turn = 0
  const work = async (): Promise<void> => {
    for (let index = turn++; index < tasks.length; index = turn++) {
      const task = tasks[index]
      if (task !== undefined) counts[index] = await measureTask(bench, callgrind, task)
    }
  }
  try {
    await Promise.all(Array.from({ length: together }, work))
  } finally {
    box.wrapper = []
  }
  return [{
    block: 'instructions',
    title: 'Instructions of a request',
    text: `${tableOf(counts.flat())}

Thousands of instructions of user space for a request, all threads and processes of the gateway, counted by callgrind (\`valgrind\`): ${rounds} times ${requests}
requests over ${connections} connections, after ${Math.min(options.warmUp, mostWarmUp)} requests of warm-up where Node.js runs. What the kernel does for a request is not in it, nor what
an instruction costs in time. A count does not depend on what else the machine does, and is the same within 1 % in the next run: it tells
what the code has become where times differ by more from process to process.`,
  }]
}

async function measureTask (bench: Bench, callgrind: Callgrind, { transport, peers, kinds, label }: Task): Promise<Count[]> {
  await using stage = new Stage(bench)
  const counts: Count[] = []
  for (const peer of peers) {
    const { pid, port } = await stage.start(peer, transport, '', false)
    using client = new Client(port, connections)
    await client.open()
    let warmUp = peer.native === true ? nativeWarmUp : Math.min(bench.options.warmUp, mostWarmUp)
    for (const kind of kinds) {
      const job = jobOf(kind)
      note(`instructions: ${label ?? kind} ${transport} ${peer.name}`)
      await checkReply(port, job, peer.name)
      await client.send(job.path, warmUp)
      const seen: number[] = []
      for (let round = 0; round < rounds; round++) {
        seen.push(await callgrind.count(pid, () => client.send(job.path, requests)) / requests / 1000)
      }
      counts.push({ labels: [label ?? kind, transport, peer.name], seen: spread(seen) })
      warmUp = peer.native === true ? nativeWarmUp : Math.round(nextShare * warmUp)
    }
  }
  return counts
}

/** The counts, ours first in each group, with ours over each of the others. */
function tableOf (counts: readonly Count[]): string {
  const keyOf = ({ labels: [what, transport] }: Count): string => `${what} ${transport}`
  const lines = [...new Set(counts.map(keyOf))].flatMap((key) => {
    const group = counts.filter((one) => keyOf(one) === key)
    const mine = group.find(({ labels }) => labels[2] === ours)
    return group.map((one) => [
      ...one.labels, digits(one.seen.median), range(one.seen),
      mine === undefined || one === mine ? '' : (mine.seen.median / one.seen.median).toFixed(2),
    ])
  })
  return formatTable(['reply', 'transport', 'gateway', '1000 instructions', 'min–max', 'ours/this'], lines, 3)
}
