import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stage, installed, note, type Bench } from '../lib/bench.ts'
import { spawnOn } from '../load/load.ts'
import { digits } from '../lib/table.ts'
import { makeText } from '../origin/replies.ts'
import { soakGateway } from '../peers/node.ts'
import { describe, idle, share } from './describe.ts'
import { between, planOf, windowOf, type Plan, type Stretch } from './windows.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'
import type { Contestant } from '../lib/contestant.ts'
import type { Section } from '../lib/page.ts'
import type { Settings } from './load.ts'
import type { Counted } from './target.ts'

/** Milliseconds. */
const interval = 5000
/** Intervals of the closed loop that says what the gateway can do at most: the first ones warm it up. */
const calibration = { warmUp: 3, measured: 3 }

type Course = Pick<Settings, 'turns' | 'turn' | 'lead' | 'rate'>

/** Starts gateways with everything on, each with a directory of its own and an application of their own. */
async function gatewayStarter (bench: Bench, stage: Stage): Promise<(name: string) => Promise<Contestant>> {
  const { box, cores, options, origins } = bench
  const files = join(box.dir, 'files')
  mkdirSync(files)
  writeFileSync(join(files, '1k'), makeText(1024))
  const path = fileURLToPath(new URL('./origin.ts', import.meta.url))
  const failing = await box.start('origin-soak', process.execPath, [...TYPESCRIPT, path], { core: cores.rest, announces: true })
  const { ports } = failing.announced
  if (!Array.isArray(ports)) throw new TypeError('the origin of the soak announces no ports')
  return (name) => {
    const dir = join(box.dir, name)
    mkdirSync(dir)
    return stage.start(soakGateway({
      dist: options.dist,
      plain: [`unix:${origins.scgiPath}`, `127.0.0.1:${origins.scgiPort}`],
      special: ports.map((port) => `127.0.0.1:${port}`),
      files,
      dir,
    }), 'unix', name)
  }
}

/** Runs loads, one after the other, and adds up what they have counted. */
class Loads {
  readonly counted: Counted = { left: 0, reopened: 0, lost: 0, waiting: 0, unexpected: {} }
  readonly #bench: Bench

  constructor (bench: Bench) {
    this.#bench = bench
  }

  async run (name: string, gateways: readonly Contestant[], course: Course): Promise<Stretch[]> {
    const { cores, load: { connections } } = this.#bench
    const settings: Settings = { gateways: gateways.map(({ port, pid }) => ({ port, pid })), ...course, connections, idle }
    const path = fileURLToPath(new URL('./load.ts', import.meta.url))
    const child = spawnOn(cores.rest, [process.execPath, ...TYPESCRIPT, path, JSON.stringify(settings)])
    const stretches: Stretch[] = []
    let counted: Counted | undefined
    const ended = once(child, 'exit')
    for await (const line of createInterface(child.stdout)) {
      const told: { stretch: Stretch, counted: Counted } = JSON.parse(line)
      counted = told.counted
      stretches.push(told.stretch)
      const { requests, rss } = told.stretch
      note(`soak, ${name}: ${stretches.length} of ${course.turns * gateways.length}: ${requests} requests, RSS ${digits(rss / 1e6)} MB`)
    }
    const [code] = await ended
    if (code !== 0 || counted === undefined) throw new Error(`the load of the soak ended with ${code}`)
    this.#add(counted)
    return stretches
  }

  #add ({ left, reopened, lost, waiting, unexpected }: Counted): void {
    const { counted } = this
    counted.left += left
    counted.reopened += reopened
    counted.lost += lost
    counted.waiting += waiting
    for (const [what, count] of Object.entries(unexpected)) counted.unexpected[what] = (counted.unexpected[what] ?? 0) + count
  }
}

/** What the gateway does at most, in requests a second. */
async function measureMost (bench: Bench, gateway: Contestant): Promise<number> {
  const { warmUp, measured } = calibration
  const stretches = await new Loads(bench).run('at most', [gateway], { turns: warmUp + measured, turn: interval, lead: 0 })
  await gateway.stop()
  return windowOf(stretches.slice(warmUp)).requestsPerSecond
}

/**
 * Everything on, at a part of what the gateway can do, for a long time: what a request costs and what memory it takes, first and last.
 * A machine drifts by far more than what is looked for, so the CPU time of the aged gateway is compared with that of fresh ones at the
 * same time. Each of these, too, counts after its warm-up.
 */
export async function soak (bench: Bench): Promise<Section[]> {
  const { options } = bench
  if (options.origin !== 'c' || bench.origins.special === undefined) throw new Error('--soak: the origin in C is needed')
  await using stage = new Stage(bench)
  installed(bench, [soakGateway({ dist: options.dist, plain: [], special: [], files: '', dir: '' })])
  const start = await gatewayStarter(bench, stage)
  const most = await measureMost(bench, await start('most'))
  const rate = Math.round(share * most)
  const plan = planOf(options.minutes * 60_000, options.processes)
  const loads = new Loads(bench)
  const aged = await start('aged')
  const alone = await loads.run('alone', [aged], { rate, turns: Math.ceil(plan.alone / interval), turn: interval, lead: 0 })
  const inTurns: Stretch[][] = []
  for (let n = 1; n <= options.processes; n++) {
    const fresh = await start(`fresh-${n}`)
    inTurns.push(await compare(loads, `in turns with fresh gateway ${n} of ${options.processes}`, [aged, fresh], rate, plan))
    await fresh.stop()
  }
  const first = between(alone, plan.warmUp, plan.warmUp + plan.part)
  const before = between(alone, plan.alone - plan.part, plan.alone)
  return [describe({ most, rate, plan, first, before, inTurns, counted: loads.counted })]
}

/** The turns of two gateways that count. */
async function compare (
  loads: Loads, name: string, gateways: readonly [aged: Contestant, fresh: Contestant], rate: number,
  { turn, lead, warmUpTurns, turns }: Plan
): Promise<Stretch[]> {
  const stretches = await loads.run(name, gateways, { rate, turns: warmUpTurns + turns, turn, lead })
  return stretches.slice(warmUpTurns * gateways.length)
}
