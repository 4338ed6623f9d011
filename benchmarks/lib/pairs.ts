import type { Lane, Round } from './measure.ts'
import { pairedRatios, spread, type Spread } from './stats.ts'
import type { TargetName } from './targets.ts'

/** CPU microseconds per request of a round, user and system together. */
export function cpuOf ({ user, system }: Round): number {
  return user + system
}

/** Two lanes whose CPU time per request is compared. */
export interface PairOptions {
  readonly over: Lane
  readonly under: Lane
  /** The lane beside whose row the ratio stands; in no row if undefined. */
  readonly shownBy?: Lane
  /** The target that the ratio is for. */
  readonly target?: TargetName | undefined
}

/** A pair, with the rounds in which one was measured directly before the other. */
export class Pair {
  readonly options: PairOptions
  readonly #over: number[] = []
  readonly #under: number[] = []

  constructor (options: PairOptions) {
    this.options = options
  }

  /** Ratios of CPU time per request, `over` to `under`. */
  get ratio (): Spread {
    return spread(pairedRatios(this.#over, this.#under))
  }

  /** One round of each, directly one after the other. */
  async measure (overFirst: boolean): Promise<void> {
    const { over, under } = this.options
    for (const lane of overFirst ? [over, under] : [under, over]) {
      const round = cpuOf(await lane.round())
      if (lane === over) this.#over.push(round)
      else this.#under.push(round)
    }
  }
}

/**
 * Measures pairs, one round of each, then the next round. The two of a pair follow one another directly, in an order that changes with
 * each round, because what else the machine does drifts within seconds. Before, each lane is warmed up.
 */
export async function measurePairs (pairs: readonly Pair[], rounds: number, progress: (text: string) => void): Promise<void> {
  await prepare(lanesOf(pairs), progress)
  for (let round = 1; round <= rounds; round++) {
    for (const [index, pair] of pairs.entries()) {
      progress(`round ${round} of ${rounds}: ${pair.options.over.name} / ${pair.options.under.name}`)
      await pair.measure((round + index) % 2 === 0)
    }
  }
}

/** Measures lanes that are not compared: one round of each, in an order that moves on by one each time, then the next. */
export async function measureLanes (lanes: readonly Lane[], rounds: number, progress: (text: string) => void): Promise<void> {
  await prepare(lanes, progress)
  for (let round = 1; round <= rounds; round++) {
    for (let turn = 0; turn < lanes.length; turn++) {
      const lane = lanes[(turn + round) % lanes.length]
      progress(`round ${round} of ${rounds}: ${lane?.name}`)
      await lane?.round()
    }
  }
}

async function prepare (lanes: readonly Lane[], progress: (text: string) => void): Promise<void> {
  for (const lane of lanes) {
    progress(`warm-up: ${lane.name}`)
    await lane.prepare()
  }
}

/** The lanes of some pairs, in the order in which they are named first. */
export function lanesOf (pairs: readonly Pair[]): Lane[] {
  return [...new Set(pairs.flatMap(({ options: { over, under } }) => [over, under]))]
}
