import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { note, type Bench } from './bench.ts'
import { ask, type Running } from './box.ts'
import { Lane } from './measure.ts'
import type { Contestant } from './contestant.ts'
import type { Job } from './job.ts'
import { formatTable } from './table.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string, readonly url: string, readonly lineNumber: number, readonly columnNumber: number }
  readonly children?: readonly number[]
}

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** Profiles a peer while `work` runs; the profile is written to `path` in Chrome's format. */
async function profileWhile (running: Running, path: string, work: () => Promise<unknown>): Promise<void> {
  await ask(running, 'startProfile')
  await work()
  await ask(running, 'stopProfile', path)
}

/** Warms a contestant up and prints where it spends its time in one round. */
export async function profileContestant (contestant: Contestant, job: Job, bench: Bench): Promise<void> {
  note('warm-up')
  const { generator, load, options: { warmUp: warmUpRequests } } = bench
  const labels = [contestant.peer, contestant.transport]
  const lane = new Lane({ labels, contestant, job, generator, load, warmUpRequests })
  await lane.prepare()
  note('profiling\n')
  const { peer, transport } = contestant
  const path = join(tmpdir(), `${peer}-${job.name}-${transport}-${Date.now()}.cpuprofile`)
  await profileWhile(contestant.running, path, () => lane.round())
  console.log(`${peer}, ${job.name}, ${transport}; profile: ${path}\n\n${profileReport(path)}`)
}

/** The maps of the files of `dist`, which join many sources; `undefined` where a file has none. */
const maps = new Map<string, SourceMap | undefined>()

function mapOf (url: string): SourceMap | undefined {
  if (!url.startsWith('file:')) return undefined
  if (!maps.has(url)) {
    const path = `${fileURLToPath(url)}.map`
    maps.set(url, existsSync(path) ? new SourceMap(JSON.parse(readFileSync(path, 'utf8'))) : undefined)
  }
  return maps.get(url)
}

function place (node: ProfileNode): string {
  const { functionName, url, lineNumber, columnNumber } = node.callFrame
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') return name
  const source = mapOf(url)?.findEntry(lineNumber, columnNumber)
  if (source !== undefined && 'originalSource' in source) {
    return `${name} ${source.originalSource.replace(/^(?:\.\.\/)+/, '')}:${source.originalLine + 1}`
  }
  const file = url.replace(/^file:\/\//, '').replace(root, '').replace(/^node_modules\//, '')
  return `${name} ${file}:${lineNumber + 1}`
}

/** Whose code a function is. */
function owner (node: ProfileNode): string {
  const { functionName, url } = node.callFrame
  if (url === '') return functionName.startsWith('(') ? functionName : '(native)'
  if (url.startsWith('node:')) return url.replace(/^(node:(?:internal\/)?[^/]+).*$/, '$1')
  const module = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  return module ?? 'this package'
}

function top (times: ReadonlyMap<string, number>, total: number, count: number): string[][] {
  return [...times].sort((a, b) => b[1] - a[1]).slice(0, count).map(([name, time]) => [`${(100 * time / total).toFixed(1)} %`, name])
}

function add (times: Map<string, number>, key: string, time: number): void {
  times.set(key, (times.get(key) ?? 0) + time)
}

/**
 * What a profile says: where the time was spent by function (alone), by owner, and by function with all it called.
 * Time in which nothing ran is left out.
 */
function profileReport (path: string, count = 40): string {
  const profile: Profile = JSON.parse(readFileSync(path, 'utf8'))
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)))
  const own = new Map<number, number>()
  profile.samples.forEach((id, index) => own.set(id, (own.get(id) ?? 0) + (profile.timeDeltas[index] ?? 0)))

  const byFunction = new Map<string, number>()
  const byOwner = new Map<string, number>()
  const inclusive = new Map<string, number>()
  let total = 0
  for (const [id, time] of own) {
    const node = nodes.get(id)
    if (node === undefined || node.callFrame.functionName === '(idle)') continue
    total += time
    add(byFunction, place(node), time)
    add(byOwner, owner(node), time)
    const seen = new Set<string>() // recursion counts once
    for (let at: ProfileNode | undefined = node; at !== undefined; at = nodes.get(parents.get(at.id) ?? -1)) {
      const name = place(at)
      if (!seen.has(name)) add(inclusive, name, time)
      seen.add(name)
    }
  }
  inclusive.delete('(root)')
  return [
    formatTable(['self', 'function'], top(byFunction, total, count), 2),
    formatTable(['self', 'owner'], top(byOwner, total, count), 2),
    formatTable(['with callees', 'function'], top(inclusive, total, count), 2),
  ].join('\n\n')
}
