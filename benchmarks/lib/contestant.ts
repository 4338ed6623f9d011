import { waitForPort } from './check.ts'
import type { Origins, Peer, StartedPeer, Transport } from '../peers/peer.ts'
import type { Box, Running } from './box.ts'

export interface ContestantOptions {
  readonly box: Box
  readonly origins: Origins
  readonly peer: Peer
  readonly transport: Transport
  /** Core that its processes run on; undefined leaves the choice to the system. */
  readonly core: number | undefined
}

/** A running peer on one transport. Its process may be replaced by a new one. */
export class Contestant {
  /** Requests of warm-ups that its present process has answered. */
  answered = 0
  readonly #options: ContestantOptions
  #started: StartedPeer

  private constructor (options: ContestantOptions, started: StartedPeer) {
    this.#options = options
    this.#started = started
  }

  static async start (options: ContestantOptions): Promise<Contestant> {
    return new Contestant(options, await startPeer(options))
  }

  get peer (): string {
    return this.#options.peer.name
  }

  get transport (): Transport {
    return this.#options.transport
  }

  /** It is compiled, and as fast at its first request, and in each of its processes, as at any other. */
  get native (): boolean {
    return this.#options.peer.native ?? false
  }

  get running (): Running {
    return this.#started.running
  }

  get pid (): number {
    return this.running.pid
  }

  get port (): number {
    return this.#started.port
  }

  /** Ends its process and starts another, at another port. */
  async renew (): Promise<void> {
    await this.stop()
    this.#started = await startPeer(this.#options)
    this.answered = 0
  }

  async stop (): Promise<void> {
    await this.#options.box.stop(this.running)
  }
}

async function startPeer ({ box, origins, peer, transport, core }: ContestantOptions): Promise<StartedPeer> {
  const started = await peer.start(box, origins, transport, core)
  await waitForPort(started.port, peer.name)
  return started
}
