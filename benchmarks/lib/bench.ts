import { Contestant } from './contestant.ts'
import { Lane, type LaneOptions } from './measure.ts'
import type { Origins, Peer, Transport } from '../peers/peer.ts'
import type { Box } from './box.ts'
import type { LoadGenerator, LoadOptions } from '../load/load.ts'
import type { Cores } from './machine.ts'
import type { BenchOptions } from './options.ts'

/** All that a run needs. */
export interface Bench {
  readonly box: Box
  readonly options: BenchOptions
  readonly origins: Origins
  readonly cores: Cores
  readonly generator: LoadGenerator
  readonly load: LoadOptions
  /** What was measured, by name, and its version. */
  readonly versions: Map<string, string>
}

/** Says what is being done. */
export function note (text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`)
}

/** What is left out, and why. */
export function leaveOut (what: string, reason: string): void {
  console.error(`left out: ${what}: ${reason}`)
}

/** Those of some peers that are installed; the others are told by name. */
export function installed ({ versions }: Bench, peers: readonly Peer[]): Peer[] {
  return peers.filter((peer) => {
    const version = peer.version()
    if (version !== undefined) {
      if (version !== process.version) versions.set(peer.name, version)
      return true
    }
    leaveOut(peer.name, 'it is not installed')
    return false
  })
}

/** The peers of one subject. They run until it is measured. */
export class Stage {
  readonly #bench: Bench
  readonly #running = new Map<string, Contestant>()

  constructor (bench: Bench) {
    this.#bench = bench
  }

  /**
   * Starts a peer on a transport; one that runs already is taken as it is, unless another `process` of it is wanted.
   * @param pinned false where its processes may run on any core
   */
  async start (peer: Peer, transport: Transport, process = '', pinned = true): Promise<Contestant> {
    const key = `${peer.name} ${transport} ${process}`
    const known = this.#running.get(key)
    if (known !== undefined) return known
    const { box, origins, cores } = this.#bench
    const contestant = await Contestant.start({ box, origins, peer, transport, core: pinned ? cores.gateway : undefined })
    this.#running.set(key, contestant)
    return contestant
  }

  /** A lane under the load that the command line asks for, where nothing else is said. */
  lane (options: Pick<LaneOptions, 'labels' | 'contestant' | 'job'> & Partial<LaneOptions>): Lane {
    const { generator, load, options: { warmUp: warmUpRequests } } = this.#bench
    return new Lane({ generator, load, warmUpRequests, ...options })
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await Promise.all([...this.#running.values()].map((contestant) => contestant.stop()))
  }
}
