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

/** Brings a peer to the speed at which it stays, and returns the function that measures one round of it. */
export async function prepare (
  contestant: Contestant, kind: Kind, generator: LoadGenerator, load: LoadOptions
): Promise<() => Promise<Round>> {
  const wireSize = await checkReply(contestant.port, kind, `${contestant.peer} (${contestant.transport})`)
  const begun = Date.now()
  let seconds = load.seconds
  const measure = (): Promise<Round> => measureRound(contestant, kind, wireSize, generator, { ...load, seconds })
  if (makeReply(kind).body.length < countedByBytes) {
    // V8 has settled after some ten thousand requests.
    let requests = 0
    do requests += (await measure()).requests
    while (requests < warmUpRequests && Date.now() - begun < warmUpLimit)
  } else {
    // A peer may take in all the replies under way before it sends the first: a round holds two of each connection at least.
    while ((await measure()).requests < 2 * load.connections && seconds < longestRound) seconds = Math.min(2 * seconds, longestRound)
  }
  return measure
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
