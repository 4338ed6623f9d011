import { pairedRatios } from '../lib/stats.ts'

/** What one gateway did in a part of the load. */
export interface Stretch {
  /** Which of the gateways under this load, from 0 on. */
  readonly gateway: number
  /** Milliseconds since the load began. */
  readonly from: number
  readonly to: number
  readonly requests: number
  /** CPU seconds. */
  readonly cpu: number
  /** Resident memory at its end, in bytes. */
  readonly rss: number
}

/** What some stretches say together. */
export interface Window {
  readonly requestsPerSecond: number
  /** CPU microseconds per request. */
  readonly cpu: number
  /** Mean, in bytes. */
  readonly rss: number
}

export function windowOf (stretches: readonly Stretch[]): Window {
  if (stretches.length === 0) throw new RangeError('nothing was measured')
  const sum = (what: (stretch: Stretch) => number): number => stretches.reduce((whole, stretch) => whole + what(stretch), 0)
  const requests = sum((stretch) => stretch.requests)
  return {
    requestsPerSecond: requests * 1000 / sum(({ from, to }) => to - from),
    cpu: sum(({ cpu }) => cpu) * 1e6 / requests,
    rss: sum(({ rss }) => rss) / stretches.length,
  }
}

/** Those of which more than half lies between two moments, in milliseconds. */
export function between (stretches: readonly Stretch[], begin: number, end: number): Stretch[] {
  return stretches.filter(({ from, to }) => from + to > 2 * begin && from + to < 2 * end)
}

/**
 * CPU time per request of gateway 0 over that of gateway 1, for each two stretches that follow one another. Each stretch is compared with
 * the one before it and the one after it, so a machine that gets steadily slower favours neither.
 */
export function neighbourRatios (stretches: readonly Stretch[]): number[] {
  const over: number[] = []
  const under: number[] = []
  for (const [index, stretch] of stretches.entries()) {
    const before = stretches[index - 1]
    if (before === undefined) continue
    if (before.gateway === stretch.gateway) throw new Error('neighbours of one gateway')
    const [zero, one] = stretch.gateway === 0 ? [stretch, before] : [before, stretch]
    over.push(zero.cpu / zero.requests)
    under.push(one.cpu / one.requests)
  }
  return pairedRatios(over, under)
}

/** How long what takes; milliseconds. */
export interface Plan {
  /** Of the aged gateway and of each fresh one. */
  readonly warmUp: number
  /** Each of the parts that are compared. */
  readonly part: number
  /** The aged gateway has all the load for so long; then it takes turns with fresh ones. */
  readonly alone: number
  readonly turn: number
  /** So much of each turn does not count: a process that was idle is slower at first. */
  readonly lead: number
  /** Turns of each of the two in which a fresh gateway warms up. */
  readonly warmUpTurns: number
  /** Turns of each of the two, after those, that count. */
  readonly turns: number
}

const longestWarmUp = 180_000
const longestPart = 300_000
/** V8 gives memory back when a process has been idle for 8 s, and with it all that its age may have done to it. */
const longestTurn = 5000

/**
 * Of a soak in which the aged gateway is under load for so many milliseconds; for longer where fresh ones are so many that the first part
 * would not be over before their turns.
 * @param processes fresh gateways, one after the other, that share the last part
 */
export function planOf (length: number, processes: number): Plan {
  const warmUp = Math.min(longestWarmUp, length / 10)
  const part = Math.min(longestPart, length / 2 - warmUp)
  const alone = Math.max(warmUp + part, length - processes * warmUp - part)
  const share = part / processes
  const turn = Math.min(longestTurn, share / 2)
  return { warmUp, part, alone, turn, lead: turn / 5, warmUpTurns: Math.ceil(warmUp / turn), turns: Math.round(share / turn) }
}

/** Whether a ratio is within 3 % of 1. */
export function holds (ratio: number): boolean {
  return Math.abs(ratio - 1) <= 0.03
}
