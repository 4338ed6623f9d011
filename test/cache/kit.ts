import { setImmediate as nextTurn } from 'node:timers/promises'
import { Readable, Writable } from 'node:stream'
import { CachePolicy } from '../../lib/cache/options.ts'
import { CacheZone } from '../../lib/cache/zone.ts'
import type { StoreSkills } from '../../lib/cache/store-guard.ts'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import { FakeTimers } from '../helpers/timers.ts'
import type { CachedEntry } from '../../lib/cache/entry.ts'
import { CacheTransaction, type CacheHost, type CacheRequest, type FetchPlan } from '../../lib/cache/transaction.ts'
import type { FetchFailure } from '../../lib/cache/use-stale.ts'
import type { CacheOptions, CacheStatus } from '../../types/cache.ts'
import type { CacheStore, CacheStoreKey, CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/** What the application does with a request. */
export type Answer =
  | { status?: number, headers?: Record<string, string | string[]>, body?: string, cut?: boolean }
  | { fail: FetchFailure, status?: number }

/** What a client of the test gateway gets. */
export interface Outcome {
  cacheStatus: CacheStatus | undefined
  status: number
  headers: Record<string, string | string[]>
  body: string
  /** Seconds, where it came from the cache. */
  age: number | undefined
}

export interface Asked {
  key: string
  plan: FetchPlan
  background: boolean
  headers: Record<string, string>
  /** Makes the application answer. */
  answer (answer: Answer): void
}

export interface Setup {
  options?: Partial<CacheOptions<Ask>>
  ignoreHeaders?: string[]
  store?: CacheStore
  /** Of the store, where it is one of ours. */
  skills?: StoreSkills
  storeTimeout?: number
  /** Answers at once; without it each request waits in `asked`. */
  app?: (request: Asked) => Answer
  keepStale?: number
}

export interface Ask {
  key?: string
  method?: string
  headers?: Record<string, string>
  noCache?: boolean
  intercepted?: boolean
  bypass?: boolean
}

/** nginx's rules, with what HTTP asks for beside them. */
export const NGINX = { rules: 'nginx', age: true, authorization: 'rfc9111', convertHead: true } as const
const YEAR = 31_536_000_000

export function makeHead (status: number, headers: Record<string, string | string[]>): ResponseHead {
  const length = headers['content-length']
  return {
    statusCode: status, statusMessage: '', headers, rawHeaders: [], contentLength: typeof length === 'string' ? Number(length) : -1, chunked: false, nph: false,
  }
}

/** A gateway without connections: it does with the cache what the real one does. */
export class TestGateway {
  readonly clock = new FakeTimers()
  readonly store: CacheStore
  readonly zone: CacheZone
  readonly policy: CachePolicy<Ask>
  /** Requests that the application has and has not answered. */
  readonly asked: Asked[] = []
  readonly warnings: string[] = []
  /** Requests that the application got. */
  fetches = 0
  running = 0
  peak = 0
  app: ((request: Asked) => Answer) | undefined

  constructor (setup: Setup = {}) {
    this.app = setup.app
    this.store = setup.store ?? new MemoryStore({ now: this.clock.now, inactive: '20d' })
    this.zone = new CacheZone({
      name: 'test',
      store: this.store,
      storeTimeout: setup.storeTimeout ?? 250,
      keepStale: setup.keepStale ?? YEAR,
      inactive: 600_000,
      clock: this.clock,
      ...(setup.skills !== undefined && { skills: setup.skills }),
    })
    this.zone.onWarning = message => { this.warnings.push(message) }
    this.policy = new CachePolicy<Ask>({ zone: this.zone, valid: '10s', ...NGINX, ...setup.options }, setup.ignoreHeaders ?? [])
  }

  begin (ask: Ask = {}): TestExchange {
    const exchange = new TestExchange(this, ask)
    exchange.pass.start()
    return exchange
  }

  /** One request, answered. */
  async get (ask: Ask = {}): Promise<Outcome> {
    const exchange = this.begin(ask)
    const outcome = await exchange.outcome
    await settled()
    return outcome
  }

  /** `get`, in short: `'HIT 200 body'`. */
  async line (ask: Ask = {}): Promise<string> {
    const { cacheStatus, status, body } = await this.get(ask)
    return `${cacheStatus} ${status} ${body}`
  }

  async close (): Promise<void> {
    await this.zone.close()
  }
}

/** Until whatever happens at once has happened. */
export async function settled (): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await nextTurn()
}

export class TestExchange implements CacheHost {
  readonly pass: CacheTransaction
  readonly outcome: Promise<Outcome>
  plan: FetchPlan | undefined
  entry: CachedEntry | undefined
  /** Set when there is an outcome. */
  done: Outcome | undefined
  drains = 0
  readError: unknown
  readonly #gateway: TestGateway
  readonly #isBackground: boolean
  readonly ask: Ask
  #resolve: (outcome: Outcome) => void = () => {}

  constructor (gateway: TestGateway, ask: Ask, background?: CacheTransaction) {
    this.#gateway = gateway
    this.ask = ask
    const { method = 'GET', key = 'k', headers = {}, bypass = false } = ask
    const request: CacheRequest = { method, key, headers, bypass }
    this.outcome = new Promise(resolve => { this.#resolve = resolve })
    this.#isBackground = background !== undefined
    this.pass = background ?? new CacheTransaction(gateway.zone, gateway.policy.rules, request, this)
  }

  serve (entry: CachedEntry): void {
    this.entry = entry
    this.#read(entry).catch(error => { this.readError = error })
  }

  serveError (status: number): void {
    this.#finish({ status, headers: {}, body: '', age: undefined })
  }

  fetch (plan: FetchPlan): void {
    this.plan = plan
    this.#askApplication(plan, this.pass, answer => this.#answered(answer))
  }

  fetchInBackground (pass: CacheTransaction, plan: FetchPlan): void {
    const update = new TestExchange(this.#gateway, this.ask, pass)
    pass.feeder = update
    update.fetch(plan)
  }

  onStoreDrain (): void {
    this.drains++
  }

  #askApplication (plan: FetchPlan, pass: CacheTransaction, answered: (answer: Answer) => void): void {
    const gateway = this.#gateway
    gateway.fetches++
    gateway.running++
    gateway.peak = Math.max(gateway.peak, gateway.running)
    const asked: Asked = {
      key: this.ask.key ?? 'k',
      plan,
      background: this.#isBackground,
      headers: this.ask.headers ?? {},
      answer: answer => {
        gateway.running--
        gateway.asked.splice(gateway.asked.indexOf(asked), 1)
        answered(answer)
      },
    }
    gateway.asked.push(asked)
    const { app } = gateway
    if (app !== undefined) asked.answer(app(asked))
  }

  #answered (answer: Answer): void {
    const { pass } = this
    const { noCache = false, intercepted = false } = this.ask
    if ('fail' in answer) {
      const status = answer.status ?? (answer.fail === 'timeout' ? 504 : answer.fail === 'local' ? 500 : 502)
      const entry = pass.onError(answer.fail, status)
      if (entry !== undefined) this.serve(entry)
      else this.#finish({ status, headers: {}, body: '', age: undefined })
      return
    }
    const { status = 200, headers = {}, body = '', cut = false } = answer
    const decision = pass.onHead(makeHead(status, headers), noCache, intercepted)
    if (decision === 'stale' || decision === 'revalidated') {
      if (pass.entry !== undefined) this.serve(pass.entry)
      return
    }
    if (decision === 'store') {
      // In pieces, as from a socket.
      for (const piece of body.match(/.{1,7}/gs) ?? []) pass.onData(Buffer.from(piece))
      if (cut) pass.onError('error', 502)
      else pass.onEnd()
    }
    this.#finish({ status, headers, body, age: undefined })
  }

  async #read (entry: CachedEntry): Promise<void> {
    const pieces: Buffer[] = []
    const whole = entry.whole()
    if (whole !== undefined) pieces.push(whole)
    else for await (const piece of entry.stream()) pieces.push(Buffer.from(piece))
    this.#finish({
      status: entry.head.statusCode,
      headers: { ...entry.head.headers },
      body: Buffer.concat(pieces).toString(),
      age: entry.age(this.#gateway.clock.now()),
    })
  }

  #finish (outcome: Omit<Outcome, 'cacheStatus'>): void {
    this.done = { cacheStatus: this.pass.status, ...outcome }
    this.#resolve(this.done)
  }
}

/** The least that a store can be: no method but undici's three, and answers that come later. */
export class PlainStore implements CacheStore {
  readonly entries = new Map<string, { value: CacheStoreValue, body: Buffer }[]>()
  /** Called before each method; may throw. */
  before: (method: string) => void = () => {}
  /** What `get` waits for. */
  delay: (() => Promise<void>) | undefined

  get (key: CacheStoreKey): Promise<CacheStoreResult | undefined> {
    this.before('get')
    return this.#get(key)
  }

  async #get (key: CacheStoreKey): Promise<CacheStoreResult | undefined> {
    await this.delay?.()
    const found = this.entries.get(key.path)?.find(({ value }) => Object.entries(value.vary ?? {}).every(([name, wanted]) => {
      return String(key.headers?.[name] ?? null) === String(wanted)
    }))
    return found === undefined ? undefined : { ...found.value, body: Readable.from([found.body], { objectMode: false }) }
  }

  createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined {
    this.before('createWriteStream')
    const pieces: Buffer[] = []
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        pieces.push(Buffer.from(chunk))
        done()
      },
      final: done => {
        const others = (this.entries.get(key.path) ?? []).filter(entry => JSON.stringify(entry.value.vary) !== JSON.stringify(value.vary))
        this.entries.set(key.path, [{ value, body: Buffer.concat(pieces) }, ...others])
        done()
      },
    })
  }

  delete (key: CacheStoreKey): void {
    this.before('delete')
    this.entries.delete(key.path)
  }
}

/** A store that puts an entry in its place when it is told. */
export class SlowStore extends PlainStore {
  commit = (): void => {}

  override createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined {
    const stream = super.createWriteStream(key, value)
    const final = stream?._final.bind(stream)
    if (stream !== undefined) stream._final = done => { this.commit = () => final?.(done) }
    return stream
  }
}
