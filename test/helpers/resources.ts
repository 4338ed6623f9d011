import { chmodSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Test files run beside one another, and the temporary files of the others are none of this process's.
const ownTemp = mkdtempSync(join(tmpdir(), 'own-'))
chmodSync(ownTemp, 0o777)
process.env['TMPDIR'] = ownTemp
process.once('exit', () => rmSync(ownTemp, { recursive: true, force: true }))

/** What this process holds, by kind: `fd socket`, `fd pipe`, `handle Timeout`, `temp file`, `listeners ...`. */
export type Resources = Record<string, number>

export interface ResourceOptions {
  /** Directories whose files count as temporary files. Default: what in the system's temporary directory begins with `fastify-scgi`. */
  tempDirs?: string[]
}

/**
 * Counts open file descriptors (Linux only), active handles and requests of the event loop, and temporary files.
 */
export function resources (options: ResourceOptions = {}): Resources {
  const counts: Resources = {}
  const add = (kind: string, n = 1): void => { counts[kind] = (counts[kind] ?? 0) + n }
  for (const fd of descriptors()) {
    let target: string
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      continue // the descriptor of the listing itself
    }
    if (target.endsWith(' (deleted)')) add('fd unlinked file')
    else add(`fd ${/^(?:anon_inode:)?\[?([a-z]+)/.exec(target)?.[1] ?? 'file'}`)
  }
  for (const type of process.getActiveResourcesInfo()) add(`handle ${type}`)
  const tempDirs = options.tempDirs ?? readdirSync(tmpdir()).filter((name) => name.startsWith('fastify-scgi')).map((name) => join(tmpdir(), name))
  for (const dir of tempDirs) add('temp file', filesIn(dir))
  return counts
}

export interface NoGrowthOptions extends ResourceOptions {
  /** Rounds that are measured. Default 1000. */
  rounds?: number
  /** Rounds before, in which pools and caches fill. Default 20. */
  warmup?: number
  /** Growth of any kind that is let pass. Default 0. */
  slack?: number
  /** How long to wait for what closes in the background, in milliseconds. Default 3000. */
  settle?: number
  /** Kinds that are not looked at. */
  ignore?: string[]
}

/**
 * Runs `round` again and again and fails when afterwards the process holds more of anything than before. What closes in the
 * background gets time: the counts are taken again until they are down or `settle` is over.
 */
export async function assertNoGrowth (round: (n: number) => Promise<unknown>, options: NoGrowthOptions = {}): Promise<void> {
  const { rounds = 1000, warmup = 20, slack = 0, settle = 3000, ignore = [] } = options
  for (let n = 0; n < warmup; n++) await round(n)
  const before = await quiet(options, settle)
  for (let n = 0; n < rounds; n++) await round(n)
  const deadline = Date.now() + settle
  for (;;) {
    const after = resources(options)
    const grown = Object.entries(after)
      .filter(([kind, n]) => !ignore.includes(kind) && !PASSING.has(kind) && n - (before[kind] ?? 0) > slack)
    if (grown.length === 0) return
    if (Date.now() > deadline) {
      const list = grown.map(([kind, n]) => `${kind}: ${before[kind] ?? 0} before, ${n} after`).join('; ')
      throw new Error(`after ${rounds} rounds there is more than before: ${list}`)
    }
    await pause()
  }
}

/** One-time things of the loop itself. */
const PASSING = new Set(['handle Immediate', 'handle FSReqPromise', 'handle FSReqCallback', 'handle CloseReq'])

/** The counts once they stand still: the baseline must not hold what is about to close. */
async function quiet (options: ResourceOptions, settle: number): Promise<Resources> {
  const deadline = Date.now() + settle
  let last = resources(options)
  for (let still = 0; still < 5 && Date.now() < deadline;) {
    await pause()
    const now = resources(options)
    still = JSON.stringify(now) === JSON.stringify(last) ? still + 1 : 0
    last = now
  }
  return last
}

// Asking the kernel again is the only way to learn that something has closed.
function pause (): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}

function descriptors (): string[] {
  try {
    return readdirSync('/proc/self/fd')
  } catch {
    return [] // not Linux
  }
}

function filesIn (dir: string): number {
  try {
    return readdirSync(dir, { withFileTypes: true, recursive: true }).filter((entry) => !entry.isDirectory()).length
  } catch {
    return 0
  }
}

/** Resident memory of this process in bytes. */
export function residentBytes (): number {
  return process.memoryUsage.rss()
}
