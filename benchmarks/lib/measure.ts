import { makeReply, type Kind } from '../origin/replies.ts'
import type { Transport } from '../peers/peer.ts'
import { checkReply } from './check.ts'
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

/** All rounds of one kind of reply from one peer over one transport. */
export interface Row {
  readonly kind: Kind
  readonly transport: Transport
  readonly peer: string
  readonly rounds: readonly Round[]
}

// From this size on, replies that the end of a round cuts are a part of its work that cannot be left out.
const countedByBytes = 65536

const warmUpRequests = 30_000
const warmUpLimit = 30_000
const longestRound = 30
// V8 drops the compiled code of a process that was idle for some seconds; it comes back within some thousand requests.
const idleLimit = 2_000
const runUpRequests = 5_000
const runUpLimit = 5_000

/** One round. Rejects on any reply other than 2xx and on any socket error. */
async function measureRound (
  contestant: Contestant, kind: Kind, wireSize: number, generator: LoadGenerator, load: LoadOptions
): Promise<Round> {
  const before = groupCpu(contestant.pid)
  const result = await runLoad(generator, `http://127.0.0.1:${contestant.port}/${kind}`, load)
  await settle(contestant.pid)
  const cpu = cpuSince(contestant.pid, before)
  const errors = Object.entries(result.errors).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`)
  if (errors.length > 0) {
    throw new Error(`${contestant.peer}/${contestant.transport}/${kind}: ${result.requests} replies, errors: ${errors.join(', ')}`)
  }
  const requests = makeReply(kind).body.length >= countedByBytes ? result.bytes / wireSize : result.requests
  return {
    requests,
    requestsPerSecond: requests / result.seconds,
    p99: result.requests === 0 ? NaN : result.p99,
    user: cpu.user * 1e6 / requests,
    system: cpu.system * 1e6 / requests,
  }
}

/** One contestant with one kind of reply. */
class Lane {
  readonly #contestant: Contestant
  readonly #kind: Kind
  readonly #generator: LoadGenerator
  readonly #load: LoadOptions
  readonly #large: boolean
  #wireSize = NaN
  #seconds: number
  #lastUsed = 0

  constructor (contestant: Contestant, kind: Kind, generator: LoadGenerator, load: LoadOptions) {
    this.#contestant = contestant
    this.#kind = kind
    this.#generator = generator
    this.#load = load
    this.#large = makeReply(kind).body.length >= countedByBytes
    this.#seconds = load.seconds
  }

  /** Checks the reply and brings the peer to the speed at which it stays. */
  async prepare (): Promise<void> {
    const { port, peer, transport } = this.#contestant
    this.#wireSize = await checkReply(port, this.#kind, `${peer} (${transport})`)
    if (!this.#large) return await this.#run(warmUpRequests, warmUpLimit)
    // A peer may take in all the replies under way before it sends the first: a round holds two of each connection at least.
    while ((await this.#measure(this.#seconds)).requests < 2 * this.#load.connections && this.#seconds < longestRound) {
      this.#seconds = Math.min(2 * this.#seconds, longestRound)
    }
  }

  /** One round. */
  async round (): Promise<Round> {
    if (Date.now() - this.#lastUsed > idleLimit) await this.#run(this.#large ? 1 : runUpRequests, runUpLimit)
    return await this.#measure(this.#seconds)
  }

  async #run (requests: number, limit: number): Promise<void> {
    const begun = Date.now()
    let done = 0
    do done += (await this.#measure(1)).requests
    while (done < requests && Date.now() - begun < limit)
  }

  async #measure (seconds: number): Promise<Round> {
    const round = await measureRound(this.#contestant, this.#kind, this.#wireSize, this.#generator, { ...this.#load, seconds })
    this.#lastUsed = Date.now()
    return round
  }
}

/** Makes a peer ready for one kind of reply, and returns the function that measures one round of it. */
export async function prepare (
  contestant: Contestant, kind: Kind, generator: LoadGenerator, load: LoadOptions
): Promise<() => Promise<Round>> {
  const lane = new Lane(contestant, kind, generator, load)
  await lane.prepare()
  return () => lane.round()
}

/**
 * Measures one kind of reply on all contestants. A round of each, in an order that moves on by one each time, then the next
 * round: what else the machine does falls on all of them. Before, each is warmed up.
 */
export async function measureKind (
  kind: Kind, contestants: readonly Contestant[], rounds: number,
  generator: LoadGenerator, load: LoadOptions, progress: (text: string) => void
): Promise<Row[]> {
  const rows: { contestant: Contestant, measure: () => Promise<Round>, rounds: Round[] }[] = []
  for (const contestant of contestants) {
    progress(`${kind}: warm-up: ${contestant.peer} (${contestant.transport})`)
    rows.push({ contestant, measure: await prepare(contestant, kind, generator, load), rounds: [] })
  }
  for (let round = 1; round <= rounds; round++) {
    for (let turn = 0; turn < rows.length; turn++) {
      const row = rows[(turn + round) % rows.length]
      if (row === undefined) continue
      progress(`${kind}: round ${round} of ${rounds}: ${row.contestant.peer} (${row.contestant.transport})`)
      row.rounds.push(await row.measure())
    }
  }
  return rows.map(({ contestant, rounds }) => ({ kind, transport: contestant.transport, peer: contestant.peer, rounds }))
}
