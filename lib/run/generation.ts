import { WorkerLink, showEnd, type End } from './worker-link.ts'
import { StartError } from './errors.ts'
import { keyOf } from './read-listen.ts'
import { Estate } from './takeover/estate.ts'
import type { ServerAddress } from './handles.ts'
import type { Passing, TakersPlace } from './passing.ts'
import type { Teller } from './logs.ts'
import type { Order, Plan } from './messages.ts'

/** A worker that lived as long as that did not die at once, in milliseconds. */
const LONG_LIFE = 10_000
const FIRST_DELAY = 100
const LONGEST_DELAY = 30_000
/** What closing may take beyond its own limits before the process is killed. */
const GRACE = 5000

/** Whoever has generations. */
export interface GenerationOwner {
  /** A worker may have become free, or another serves. */
  changed (): void
  /** A worker has died, and had these connections. */
  inherit (connections: readonly Passing[]): void
  /** The connections of a worker cannot be kept when it dies. */
  loses (reason: string): void
}

/** The workers of one state of the configuration. */
export class Generation {
  readonly places = new Map<string, TakersPlace>()
  readonly #owner: GenerationOwner
  readonly #workers = new Set<WorkerLink>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #plan: Plan | undefined
  /** What the files of the configuration had; `undefined` if there is none. */
  #source: string | undefined
  #addresses: readonly ServerAddress[] = []
  #wanted = 1
  #log: Teller | undefined
  /** Workers that died one after the other, each soon after its start. */
  #quick = 0
  /** Workers that ended while others had still to serve. */
  #early: [WorkerLink, End][] = []
  #over = false

  constructor (owner: GenerationOwner) {
    this.#owner = owner
  }

  get plan (): Plan {
    if (this.#plan === undefined) throw new Error('the configuration is not loaded yet')
    return this.#plan
  }

  /** Its workers have log files that are opened anew when they are told so. */
  get logsToFiles (): boolean {
    return this.#plan?.logsToFiles === true
  }

  /** Those that may get connections. */
  get workers (): WorkerLink[] {
    return [...this.#workers]
  }

  get size (): number {
    return this.#wanted
  }

  /**
   * Has one worker load the configuration and check it.
   * @param workers how many there are where the configuration says nothing
   * @param ahead others that are started at once, for there will probably be so many
   * @throws StartError
   */
  async load (workers: number, ahead: number): Promise<Plan> {
    const first = this.#start()
    for (let i = 0; i < ahead; i++) this.#start()
    const plan = this.#plan = await first.load()
    this.#source = first.source
    this.#wanted = plan.workers ?? workers
    for (const worker of [...this.#workers].slice(this.#wanted)) {
      worker.kill('SIGKILL')
      this.#workers.delete(worker)
    }
    plan.listeners.forEach(({ place, plain }, number) => this.places.set(keyOf(place), { number, plain }))
    return plan
  }

  /**
   * Starts the others, and has all of them serve.
   * @throws StartError
   */
  async serve (addresses: readonly ServerAddress[]): Promise<void> {
    this.#addresses = addresses
    while (this.#workers.size < this.#wanted) this.#start()
    // They are replaced by that.
    this.#early = []
    await Promise.all([...this.#workers].map(worker => this.#bring(worker)))
  }

  /** From now on the dead are replaced. */
  keep (log: Teller): void {
    this.#log = log
    for (const worker of this.#workers) this.#watch(worker)
    for (const [worker, end] of this.#early.splice(0)) if (!worker.leaving && !this.#over) this.#died(worker, end)
  }

  tell (order: Order): void {
    for (const worker of this.#workers) worker.tell(order)
  }

  /** Has the workers end, each when it has nothing in flight any more. */
  async drain (timeout: number): Promise<void> {
    this.#stop()
    this.tell({ scgi: 'drain', timeout })
    await this.#end(timeout === 0 ? undefined : timeout + this.plan.closeTimeout + GRACE)
  }

  /** Has the workers close, as an application does. */
  async close (): Promise<void> {
    this.#stop()
    this.tell({ scgi: 'close' })
    // Those that do not serve yet have nothing to end.
    await this.#end(this.#log === undefined ? 0 : this.plan.closeTimeout + GRACE)
  }

  kill (): void {
    this.#stop()
    for (const worker of this.#workers) worker.kill('SIGKILL')
  }

  #stop (): void {
    this.#over = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  /** Waits for them, and kills those that take longer than that. */
  async #end (limit: number | undefined): Promise<void> {
    const timer = limit === undefined
      ? undefined
      : setTimeout(() => {
        for (const worker of this.#workers) worker.kill('SIGKILL')
      }, Math.min(limit, 2 ** 31 - 1))
    await Promise.all([...this.#workers].map(({ ended }) => ended))
    clearTimeout(timer)
  }

  #start (kept?: string): WorkerLink {
    const worker = new WorkerLink(kept)
    this.#workers.add(worker)
    worker.onFree = () => this.#owner.changed()
    worker.onShortage = () => this.#log?.warn(`worker ${worker.pid} has no descriptor left for a connection: others get it; LimitNOFILE= or ulimit -n allows more`)
    worker.ended.then(end => {
      this.#workers.delete(worker)
      if (this.#log === undefined) this.#early.push([worker, end])
      this.#owner.changed()
    }, () => {})
    worker.silent.then(end => this.#settle(worker, end)).catch(() => {})
    return worker
  }

  #settle (worker: WorkerLink, end: End): void {
    const { passed, closed } = worker.settle(end)
    if (passed.length > 0) this.#log?.info(`other workers go on with ${passed.length} connections of worker ${worker.pid}, and ${closed} are closed`)
    this.#owner.inherit(passed)
  }

  async #bring (worker: WorkerLink): Promise<void> {
    const plan = await worker.load()
    // One that was started later may have found another configuration, and connections are given by the number of their place.
    if (placesOf(plan) !== placesOf(this.plan)) throw new StartError("'listen' was changed in the configuration: reload it")
    const estate = plan.listeners.some(({ plain }) => plain) ? Estate.open(reason => this.#owner.loses(reason)) : undefined
    await worker.serve(this.#addresses, estate)
    this.#owner.changed()
  }

  #watch (worker: WorkerLink): void {
    worker.onLeaving(() => {
      if (worker.leaving || this.#over) return
      this.#log?.info(`worker ${worker.pid} was told to end: another is started`)
      worker.tell({ scgi: 'drain', timeout: this.plan.drainTimeout })
      this.#replace(0)
    })
    worker.ended.then(end => {
      if (worker.leaving || this.#over) return
      this.#died(worker, end)
    }, () => {})
  }

  #died (worker: WorkerLink, end: End): void {
    this.#quick = worker.age < LONG_LIFE ? this.#quick + 1 : 0
    const delay = this.#quick < 2 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.#quick - 2))
    this.#log?.error({ worker: { pid: worker.pid, ...end } }, `${worker.pid === 0 ? 'a worker' : `worker ${worker.pid}`} ended (${showEnd(end)}): another is started${delay === 0 ? '' : ` in ${delay} ms`}`)
    this.#replace(delay)
  }

  /** @param kept the configuration of before, where that of now is wrong */
  #replace (delay: number, kept?: string): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      const worker = this.#start(kept)
      this.#watch(worker)
      this.#bring(worker).then(() => this.#log?.info(`worker ${worker.pid} serves`), (error: Error) => {
        // Of one that was never there it is told already.
        if (this.#over || worker.pid === 0) return
        const other = kept === undefined && !worker.over ? this.#source : undefined
        this.#log?.error(`worker ${worker.pid} cannot serve: ${error.message}${other === undefined ? '' : '; another is started with the configuration of before'}`)
        worker.kill('SIGKILL')
        if (other !== undefined) this.#replace(0, other)
        // Its end is heard, and the one after it comes later.
        else worker.leaving = false
      })
    }, delay)
    this.#timers.add(timer)
  }
}

function placesOf ({ listeners }: Plan): string {
  return JSON.stringify(listeners.map(({ place, scheme }) => [keyOf(place), scheme]))
}
