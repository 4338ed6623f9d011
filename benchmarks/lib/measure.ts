import { makeReply, postOf, type Kind } from '../origin/replies.ts'
import type { Transport } from '../peers/peer.ts'
import { checkReply } from './check.ts'
import { browserHeaders } from './browser.ts'
import type { Job } from './job.ts'
import { cpuSince, groupCpu, settle } from './cpu.ts'
import { runLoad, type LoadGenerator, type LoadOptions } from './load.ts'

/** A running peer on one transport. */
export interface Contestant {
  readonly peer: string
  readonly transport: Transport
  readonly pid: number
  readonly port: number
}

/** One round of one row. */
export interface Round {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p99: number
  /** CPU microseconds of all the gateway's processes per request. */
  readonly user: number
  readonly system: number
}

/** All rounds of one job of one peer over one transport. */
export interface Row {
  readonly kind: string
  readonly transport: Transport
  readonly peer: string
  readonly rounds: readonly Round[]
}

// From this size on, replies that the end of a round cuts are a part of its work that cannot be left out.
const countedByBytes = 65536

const warmUpRequests = 30_000
const warmUpLimit = 30_000
// Of large bodies.
const warmUpPosts = 300
const longestRound = 30
// V8 drops the compiled code of a process that was idle for some seconds; it comes back within some thousand requests.
const idleLimit = 2_000
const runUpRequests = 5_000
const runUpLimit = 5_000

/** The job of the comparison: one kind of reply. */
export function jobOf (kind: Kind): Job {
  return { name: kind, path: `/${kind}`, reply: makeReply(kind), post: postOf(kind), browser: kind === '1k-browser' }
}

let token = 0

/** One round. Rejects on any reply other than 2xx and on any socket error. */
async function measureRound (
  contestant: Contestant, job: Job, wireSize: number, generator: LoadGenerator, load: LoadOptions
): Promise<Round> {
  const before = groupCpu(contestant.pid)
  const result = await runLoad(generator, `http://127.0.0.1:${contestant.port}${job.path}`, {
    ...load,
    post: job.post,
    ...(job.browser === true && { headers: browserHeaders }),
    ...(job.distinct === true && { queries: { prefix: `${token++}-`, count: 1e9 } }),
  })
  await settle(contestant.pid)
  const cpu = cpuSince(contestant.pid, before)
  const errors = Object.entries(result.errors).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`)
  if (errors.length > 0) {
    throw new Error(`${contestant.peer}/${contestant.transport}, ${job.name}: ${result.requests} replies, errors: ${errors.join(', ')}`)
  }
  const requests = isLarge(job) ? result.bytes / wireSize : result.requests
  return {
    requests,
    requestsPerSecond: requests / result.seconds,
    p99: result.requests === 0 ? NaN : result.p99,
    user: cpu.user * 1e6 / requests,
    system: cpu.system * 1e6 / requests,
  }
}

function isLarge ({ reply }: Job): boolean {
  return reply.body.length >= countedByBytes
}

/** A process answers so many of them in some seconds that V8 can settle. */
function isMany ({ reply, post = 0 }: Job): boolean {
  return Math.max(reply.body.length, post) < 1_048_576
}

/** One contestant with one job. */
class Lane {
  readonly #contestant: Contestant
  readonly #job: Job
  readonly #generator: LoadGenerator
  readonly #load: LoadOptions
  #wireSize = NaN
  #seconds: number
  #lastUsed = 0

  constructor (contestant: Contestant, job: Job, generator: LoadGenerator, load: LoadOptions) {
    this.#contestant = contestant
    this.#job = job
    this.#generator = generator
    this.#load = load
    this.#seconds = load.seconds
  }

  /** Checks the reply and brings the peer to the speed at which it stays. */
  async prepare (): Promise<void> {
    const { port, peer, transport } = this.#contestant
    this.#wireSize = await checkReply(port, this.#job, `${peer} (${transport})`)
    if (isMany(this.#job)) await this.#run(warmUpRequests, warmUpLimit)
    else if (this.#job.post !== undefined) await this.#run(warmUpPosts, warmUpLimit)
    if (!isLarge(this.#job)) return
    // A peer may take in all the replies under way before it sends the first: a round holds two of each connection at least.
    while ((await this.#measure(this.#seconds)).requests < 2 * this.#load.connections && this.#seconds < longestRound) {
      this.#seconds = Math.min(2 * this.#seconds, longestRound)
    }
  }

  /** One round. */
  async round (): Promise<Round> {
    if (Date.now() - this.#lastUsed > idleLimit) await this.#run(isMany(this.#job) ? runUpRequests : 1, runUpLimit)
    return await this.#measure(this.#seconds)
  }

  async #run (requests: number, limit: number): Promise<void> {
    const begun = Date.now()
    let done = 0
    do done += (await this.#measure(1)).requests
    while (done < requests && Date.now() - begun < limit)
  }

  async #measure (seconds: number): Promise<Round> {
    const round = await measureRound(this.#contestant, this.#job, this.#wireSize, this.#generator, { ...this.#load, seconds })
    this.#lastUsed = Date.now()
    return round
  }
}

/** Makes a peer ready for one job, and returns the function that measures one round of it. */
export async function prepare (
  contestant: Contestant, job: Job, generator: LoadGenerator, load: LoadOptions
): Promise<() => Promise<Round>> {
  const lane = new Lane(contestant, job, generator, load)
  await lane.prepare()
  return () => lane.round()
}

/**
 * Measures one job of all contestants. A round of each, in an order that moves on by one each time, then the next
 * round: what else the machine does falls on all of them. Before, each is warmed up.
 */
export async function measureJob (
  job: Job, contestants: readonly Contestant[], rounds: number,
  generator: LoadGenerator, load: LoadOptions, progress: (text: string) => void
): Promise<Row[]> {
  const rows: { contestant: Contestant, measure: () => Promise<Round>, rounds: Round[] }[] = []
  for (const contestant of contestants) {
    progress(`${job.name}: warm-up: ${contestant.peer} (${contestant.transport})`)
    rows.push({ contestant, measure: await prepare(contestant, job, generator, load), rounds: [] })
  }
  for (let round = 1; round <= rounds; round++) {
    for (let turn = 0; turn < rows.length; turn++) {
      const row = rows[(turn + round) % rows.length]
      if (row === undefined) continue
      progress(`${job.name}: round ${round} of ${rounds}: ${row.contestant.peer} (${row.contestant.transport})`)
      row.rounds.push(await row.measure())
    }
  }
  return rows.map(({ contestant, rounds }) => ({ kind: job.name, transport: contestant.transport, peer: contestant.peer, rounds }))
}
