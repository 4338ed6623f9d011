import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stage, installed, note, type Bench } from '../lib/bench.ts'
import { groupCpu, groupRss } from '../lib/group.ts'
import { spawnOn } from '../load/load.ts'
import { digits, formatTable } from '../lib/table.ts'
import { makeText } from '../origin/replies.ts'
import { floor, soakGateway } from '../peers/node.ts'
import { mix } from './mix.ts'
import { holds, planOf, windowOf, type Sample } from './windows.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'
import type { Contestant } from '../lib/contestant.ts'
import type { Section } from '../lib/page.ts'

const share = 0.7
const interval = 5000
const idle = 20
/** Seconds of the closed loop that says what the gateway can do at most: the first part warms it up. */
const calibration = { warmUp: 15, seconds: 15 }

/** What the load has counted when it ended. */
interface Counted {
  readonly left: number
  readonly reopened: number
  readonly lost: number
  readonly waiting: number
  readonly unexpected: Readonly<Record<string, number>>
}

/** A run of the load. */
interface Course {
  readonly samples: readonly Sample[]
  readonly counted: Counted
}

/** Runs the load for some seconds, open loop where a rate is given. */
async function run (bench: Bench, gateway: Contestant, beside: Contestant, seconds: number, rate?: number): Promise<Course> {
  const { connections } = bench.load
  const settings = { port: gateway.port, floorPort: beside.port, seconds, rate, connections, interval, idle }
  const path = fileURLToPath(new URL('./load.ts', import.meta.url))
  const command = [process.execPath, ...TYPESCRIPT, path, JSON.stringify(settings)]
  const child = spawnOn(bench.cores.rest, command)
  const samples: Sample[] = []
  let counted: Counted | undefined
  const cpu = ({ pid }: Contestant): number => {
    const { user, system } = groupCpu(pid)
    return user + system
  }
  const ended = once(child, 'exit')
  for await (const line of createInterface(child.stdout)) {
    const { requests, floor: floorRequests, ...rest }: Counted & { requests: number, floor: number } = JSON.parse(line)
    counted = rest
    samples.push({ at: performance.now(), requests, cpu: cpu(gateway), floorRequests, floorCpu: cpu(beside), rss: groupRss(gateway.pid) })
    note(`soak: ${samples.length * interval / 1000} of ${seconds} s: ${requests} requests, RSS ${digits((samples.at(-1)?.rss ?? NaN) / 1e6)} MB`)
  }
  const [code] = await ended
  if (code !== 0 || counted === undefined) throw new Error(`the load of the soak ended with ${code}`)
  const begun = (samples[0]?.at ?? NaN) - interval
  return { samples: samples.map((sample) => ({ ...sample, at: sample.at - begun })), counted }
}

/** Starts the gateway with everything on. */
async function startGateway (bench: Bench, stage: Stage): Promise<Contestant> {
  const { box, cores, options, origins } = bench
  const files = join(box.dir, 'files')
  mkdirSync(files)
  writeFileSync(join(files, '1k'), makeText(1024))
  const path = fileURLToPath(new URL('./origin.ts', import.meta.url))
  const failing = await box.start('origin-soak', process.execPath, [...TYPESCRIPT, path], { core: cores.rest, announces: true })
  const { ports } = failing.announced
  if (!Array.isArray(ports)) throw new TypeError('the origin of the soak announces no ports')
  return await stage.start(soakGateway({
    dist: options.dist,
    plain: [`unix:${origins.scgiPath}`, `127.0.0.1:${origins.scgiPort}`],
    special: ports.map((port) => `127.0.0.1:${port}`),
    files,
    dir: box.dir,
  }), 'unix')
}

/** Everything on, at a part of what the gateway can do, for a long time: what a request costs and what memory it takes, first and last. */
export async function soak (bench: Bench): Promise<Section[]> {
  const { options } = bench
  if (options.origin !== 'c' || bench.origins.special === undefined) throw new Error('--soak: the origin in C is needed')
  await using stage = new Stage(bench)
  installed(bench, [soakGateway({ dist: options.dist, plain: [], special: [], files: '', dir: '' })])
  const gateway = await startGateway(bench, stage)
  const beside = await stage.start(floor, 'unix')
  const { warmUp, seconds } = calibration
  const full = await run(bench, gateway, beside, warmUp + seconds)
  const most = windowOf(full.samples, warmUp * 1000, Infinity).requestsPerSecond
  const rate = Math.round(share * most)
  const length = options.minutes * 60_000
  const { samples, counted } = await run(bench, gateway, beside, length / 1000, rate)
  const { warmUp: warm, part } = planOf(length)
  const end = samples.at(-1)?.at ?? NaN
  return [describe(
    { most, rate, minutes: options.minutes, warmUp: warm / 1000, part: part / 1000 },
    [windowOf(samples, warm, warm + part), windowOf(samples, end - part, end)],
    counted
  )]
}

interface Plan {
  readonly most: number
  readonly rate: number
  readonly minutes: number
  /** Seconds. */
  readonly warmUp: number
  readonly part: number
}

function describe (plan: Plan, [first, last]: [ReturnType<typeof windowOf>, ReturnType<typeof windowOf>], counted: Counted): Section {
  const drift = last.floorCpu / first.floorCpu
  const cpu = last.cpu / first.cpu
  const memory = last.rss / first.rss
  const verdict = (ratio: number): string => holds(ratio) ? 'yes' : 'no'
  const says = (ratio: number): string => holds(ratio) ? 'stays within 3 %' : 'does not stay within 3 %'
  const lines = [
    ['requests/s', first.requestsPerSecond.toFixed(0), last.requestsPerSecond.toFixed(0), (last.requestsPerSecond / first.requestsPerSecond).toFixed(3), ''],
    ['CPU µs/request', digits(first.cpu), digits(last.cpu), cpu.toFixed(3), verdict(cpu)],
    ['the same of the floor beside it', digits(first.floorCpu), digits(last.floorCpu), drift.toFixed(3), ''],
    ['CPU µs/request, over that of the floor', (first.cpu / first.floorCpu).toFixed(2), (last.cpu / last.floorCpu).toFixed(2), (cpu / drift).toFixed(3), verdict(cpu / drift)],
    ['RSS MB', digits(first.rss / 1e6), digits(last.rss / 1e6), memory.toFixed(3), verdict(memory)],
  ]
  const wrong = Object.entries(counted.unexpected).map(([what, count]) => `${count} × ${what}`)
  return {
    block: 'soak',
    title: 'Soak',
    text: `${formatTable(['', 'first', 'last', 'last/first', 'within 3 %'], lines, 1)}

**CPU time ${says(cpu / drift)}, memory ${says(memory)}.** ${plan.minutes} min at ${plan.rate} requests a second, ${100 * share} % of the ${plan.most.toFixed(0)} that the gateway did with everything on. **first** are ${plan.part.toFixed(0)} s after a
warm-up of ${plan.warmUp.toFixed(0)} s, **last** the ${plan.part.toFixed(0)} s at the end; RSS is the mean of samples each ${interval / 1000} s. The load is an open loop. A floor on the same core gets a
tenth as many: where its own cost changes, the machine has changed.
${wrong.length === 0 ? 'No reply was other than expected' : `Replies other than expected: ${wrong.join(', ')}`}; ${counted.lost} connections were lost, ${counted.left} clients went away, ${counted.waiting} requests waited at the end.

${formatTable(['asked for', 'of 10,000'], mix.map(({ name, share: part }) => [name, String(part)]), 1)}

Beside that ${idle} streams of events and ${idle} tunnels that are quiet, one of which is closed and opened anew every 5 s, the metrics as often, health checks
each second, kept connections to one of the groups.`,
  }
}
