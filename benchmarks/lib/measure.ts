import { runLoad, type LoadGenerator, type LoadOptions } from '../load/load.ts'
import { browserHeaders } from './browser.ts'
import { checkReply } from './check.ts'
import { cpuSince, groupCpu, groupRss, settle } from './group.ts'
import type { Contestant } from './contestant.ts'
import type { Job } from './job.ts'

/** One round of one lane. */
export interface Round {
  readonly requests: number
  readonly requestsPerSecond: number
  /** Latency in milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** CPU microseconds of all the gateway's processes per request. */
  readonly user: number
  readonly system: number
  /** The largest resident memory seen, in bytes; NaN where it is not watched. */
  readonly rss: number
  /** CPU microseconds to accept a connection and answer its first request; NaN where the load does not open them beforehand. */
  readonly accept: number
  /** Milliseconds until all connections had their first reply; NaN as above. */
  readonly opened: number
  /** 99th percentile of the milliseconds from connecting to the first reply; NaN as above. */
  readonly firstP99: number
  /** 99th percentile of the milliseconds by which the load itself sent late; NaN where it is no open loop. */
  readonly lateP99: number
}

export interface LaneOptions {
  /** What stands in its row, from the left. */
  readonly labels: readonly string[]
  readonly contestant: Contestant
  readonly job: Job
  readonly generator: LoadGenerator
  readonly load: LoadOptions
  /** Load for the warm-up; that of the rounds if undefined. */
  readonly warmUp?: { readonly generator: LoadGenerator, readonly load: LoadOptions } | undefined
  readonly watchMemory?: boolean
  /** Requests that warm a process up. */
  readonly warmUpRequests: number
}

// From this size on, replies that the end of a round cuts are a part of its work that cannot be left out.
const countedByBytes = 65536

// Of another job, by a process that is warm.
const nextJobShare = 0.2
const warmUpLimit = 30_000
// Of large bodies.
const warmUpPosts = 1500
const longestRound = 30
// V8 drops the compiled code of a process that was idle for some seconds; it comes back within some thousand requests.
const idleLimit = 2_000
const runUpRequests = 5_000
const runUpLimit = 5_000
const memoryInterval = 300

let token = 0

/** One contestant with one job under one load. */
export class Lane {
  readonly labels: readonly string[]
  readonly contestant: Contestant
  readonly rounds: Round[] = []
  readonly #options: LaneOptions
  #wireSize = NaN
  #seconds: number
  #lastUsed = 0

  constructor (options: LaneOptions) {
    this.#options = options
    this.labels = options.labels
    this.contestant = options.contestant
    this.#seconds = options.load.seconds
  }

  get name (): string {
    return `${this.#options.job.name}: ${this.labels.join(' ')}`
  }

  /** Checks the reply and brings the peer to the speed at which it stays. */
  async prepare (): Promise<void> {
    const { contestant, job, load, warmUpRequests } = this.#options
    this.#wireSize = await checkReply(contestant.port, job, `${contestant.peer} (${contestant.transport})`)
    if (contestant.native) await this.#runUp(1, 1)
    else if (isMany(job)) {
      const isWarm = contestant.answered >= warmUpRequests
      await this.#runUp(isWarm ? nextJobShare * warmUpRequests : warmUpRequests, warmUpLimit)
    } else if (job.post !== undefined) await this.#runUp(warmUpPosts, warmUpLimit)
    if (!isLarge(job)) return
    // A peer may take in all the replies under way before it sends the first: a round holds two of each connection at least.
    while ((await this.#measure(this.#seconds)).requests < 2 * load.connections && this.#seconds < longestRound) {
      this.#seconds = Math.min(2 * this.#seconds, longestRound)
    }
  }

  /** Measures one round. */
  async round (): Promise<Round> {
    const { job, contestant } = this.#options
    if (Date.now() - this.#lastUsed > idleLimit && !contestant.native) await this.#runUp(isMany(job) ? runUpRequests : 1, runUpLimit)
    const round = await this.#measure(this.#seconds)
    this.rounds.push(round)
    return round
  }

  async #runUp (requests: number, limit: number): Promise<void> {
    const { generator, load } = this.#options.warmUp ?? this.#options
    // A generator in Node.js needs half a second to start.
    const seconds = generator.opensFirst === true ? 3 : 1
    const begun = Date.now()
    let done = 0
    do done += (await this.#measure(seconds, generator, load)).requests
    while (done < requests && Date.now() - begun < limit)
    this.#options.contestant.answered += done
  }

  /** Rejects on any reply other than 2xx and on any socket error. */
  async #measure (seconds: number, generator = this.#options.generator, load = this.#options.load): Promise<Round> {
    const { contestant: { pid, port }, job, watchMemory = false } = this.#options
    let rss = NaN
    const watch = (): void => { rss = Math.max(groupRss(pid), Number.isNaN(rss) ? 0 : rss) }
    const timer = watchMemory ? setInterval(watch, memoryInterval) : undefined
    const idle = groupCpu(pid)
    let before = idle
    const result = await runLoad(generator, `http://127.0.0.1:${port}${job.path}`, {
      ...load,
      seconds,
      post: job.post,
      ...(job.browser === true && { headers: browserHeaders }),
      ...(job.distinct === true && { queries: { prefix: `${token++}-`, count: 1e9 } }),
    }, () => { before = groupCpu(pid) }).finally(() => clearInterval(timer))
    await settle(pid)
    const cpu = cpuSince(pid, before)
    const errors = Object.entries(result.errors).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`)
    if (errors.length > 0) throw new Error(`${this.name}: ${result.requests} replies, errors: ${errors.join(', ')}`)
    const requests = isLarge(job) ? result.bytes / this.#wireSize : result.requests
    const { p50, p99, p999, opened, firstP99, lateP99 } = result
    this.#lastUsed = Date.now()
    return {
      requests,
      requestsPerSecond: requests / result.seconds,
      p50,
      p99: result.requests === 0 ? NaN : p99,
      p999,
      user: cpu.user * 1e6 / requests,
      system: cpu.system * 1e6 / requests,
      rss,
      accept: generator.opensFirst === true ? (before.user + before.system - idle.user - idle.system) * 1e6 / load.connections : NaN,
      opened,
      firstP99,
      lateP99,
    }
  }
}

function isLarge ({ reply }: Job): boolean {
  return reply.body.length >= countedByBytes
}

/** A process answers so many of them in some seconds that V8 can settle. */
function isMany ({ reply, post = 0 }: Job): boolean {
  return Math.max(reply.body.length, post) < 1_048_576
}
