import type { Contestant } from './contestant.ts'
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

/** How often lanes are measured. */
export interface Plan {
  /** Rounds of each with each of the processes. */
  readonly rounds: number
  /** Processes of each peer on Node.js, one after the other. */
  readonly processes: number
}

/** What is needed of a lane to measure rounds of it. */
interface Measurable extends Pick<Lane, 'name' | 'prepare' | 'round'> {
  readonly contestant: Pick<Contestant, 'native' | 'renew'>
}

/** A plan in words. */
export function describePlan ({ rounds, processes }: Plan): string {
  const times = rounds === 1 ? '1 round' : `${rounds} rounds`
  return processes === 1 ? `${times}, one process of each peer.` : `${times} with each of ${processes} processes of what runs on Node.js.`
}

/**
 * Measures pairs, one round of each, then the next round. The two of a pair follow one another directly, in an order that changes with
 * each round, because what else the machine does drifts within seconds. Then the same with new processes of what runs on Node.js.
 * @param verify called before the processes of some rounds end
 */
export async function measurePairs (
  pairs: readonly Pair[], plan: Plan, progress: (text: string) => void, verify?: () => Promise<void>
): Promise<void> {
  await inGenerations(lanesOf(pairs), plan, progress, async (round, name) => {
    for (const [index, pair] of pairs.entries()) {
      progress(`${name}: ${pair.options.over.name} / ${pair.options.under.name}`)
      await pair.measure((round + index) % 2 === 0)
    }
  }, verify)
}

/** Measures lanes that are not compared: one round of each, in an order that moves on by one each time, then the next; processes as above. */
export async function measureLanes (lanes: readonly Measurable[], plan: Plan, progress: (text: string) => void): Promise<void> {
  await inGenerations(lanes, plan, progress, async (round, name) => {
    for (let turn = 0; turn < lanes.length; turn++) {
      const lane = lanes[(turn + round) % lanes.length]
      progress(`${name}: ${lane?.name}`)
      await lane?.round()
    }
  })
}

/**
 * Has rounds measured with one generation of processes after the other, so that none counts alone that V8 has compiled by chance better
 * or worse than others. Each is warmed up.
 */
async function inGenerations (
  lanes: readonly Measurable[], { rounds, processes }: Plan, progress: (text: string) => void,
  measureRound: (round: number, name: string) => Promise<void>, verify?: () => Promise<void>
): Promise<void> {
  const renewable = [...new Set(lanes.map(({ contestant }) => contestant))].filter(({ native }) => !native)
  for (let generation = 1; generation <= processes; generation++) {
    const which = processes === 1 ? '' : `process ${generation} of ${processes}, `
    // In turn: one may ask another when it starts.
    if (generation > 1) for (const contestant of renewable) await contestant.renew()
    for (const lane of lanes) {
      progress(`${which}warm-up: ${lane.name}`)
      await lane.prepare()
    }
    for (let round = 1; round <= rounds; round++) await measureRound(round + generation, `${which}round ${round} of ${rounds}`)
    await verify?.()
  }
}

/** The lanes of some pairs, in the order in which they are named first. */
export function lanesOf (pairs: readonly Pair[]): Lane[] {
  return [...new Set(pairs.flatMap(({ options: { over, under } }) => [over, under]))]
}
