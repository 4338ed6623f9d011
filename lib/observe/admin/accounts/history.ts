/** So many milliseconds are one point of a graph, and so many points an hour. */
export const STEP = 30_000
export const STEPS = 120

/** Times are counted in classes, four of which double a time, from a quarter of a millisecond to more than two minutes. */
const PER_OCTAVE = 4
const LEAST = 0.25
const CLASSES = 80
/** Seconds of which each is counted by itself. */
const SECONDS = 64

/** The last hour, oldest first. `null` where nothing was measured. */
export interface HistoryPoints {
  /** Attempts that ended in each step. */
  readonly requests: number[]
  readonly failures: number[]
  /** Milliseconds until the last byte. */
  readonly p50: (number | null)[]
  readonly p99: (number | null)[]
}

/** What is needed to add up what several processes have measured. Classes are pairs of an index and a count. */
export interface HistoryCounts {
  /** Attempts in the last whole seconds: of the rate, and of the share. */
  readonly lately: number
  readonly recent: number
  /** Number of the latest step. */
  readonly step: number
  readonly hour: readonly number[]
  /** By step, oldest first. */
  readonly steps: readonly (readonly number[])[]
}

/** Seconds of which the rate is the average, and of which the share is. */
export const RATE_SECONDS = 10
export const SHARE_SECONDS = 60

/** What was measured of one server in the last hour. All of it is counted when an attempt ends: nothing runs beside that. */
export class History {
  readonly #requests = new Uint32Array(STEPS)
  readonly #failures = new Uint32Array(STEPS)
  readonly #p50 = new Float64Array(STEPS)
  readonly #p99 = new Float64Array(STEPS)
  readonly #classes = new Uint32Array(STEPS * CLASSES)
  /** The classes of all steps. */
  readonly #hour = new Uint32Array(CLASSES)
  readonly #seconds = new Uint32Array(SECONDS)
  #step: number
  #second: number

  constructor (now: number) {
    this.#step = Math.floor(now / STEP)
    this.#second = Math.floor(now / 1000)
  }

  /**
   * An attempt has ended.
   * @param time milliseconds that it took; `undefined` if it brought no whole reply
   */
  record (now: number, time: number | undefined, failed: boolean): void {
    this.#advance(now)
    const slot = this.#step % STEPS
    add(this.#requests, slot, 1)
    if (failed) add(this.#failures, slot, 1)
    add(this.#seconds, this.#second % SECONDS, 1)
    if (time === undefined) return
    const index = classOf(time)
    add(this.#classes, slot * CLASSES + index, 1)
    add(this.#hour, index, 1)
  }

  /** Attempts that ended in the last so many whole seconds, 60 at most. */
  recent (now: number, seconds: number): number {
    this.#advance(now)
    let sum = 0
    for (let second = this.#second - seconds; second < this.#second; second++) sum += this.#seconds[second % SECONDS] ?? 0
    return sum
  }

  /** The time within which such a share of the last hour's attempts were answered. */
  quantile (now: number, share: number): number | null {
    this.#advance(now)
    return quantileOf(this.#hour, share)
  }

  /** The latest `count` points. */
  points (now: number, count = STEPS): HistoryPoints {
    this.#advance(now)
    this.#measure()
    const points: HistoryPoints = { requests: [], failures: [], p50: [], p99: [] }
    for (let step = this.#step - count + 1; step <= this.#step; step++) {
      // Before the first of January 1970 nothing was measured.
      const slot = Math.max(0, step) % STEPS
      points.requests.push(this.#requests[slot] ?? 0)
      points.failures.push(this.#failures[slot] ?? 0)
      points.p50.push(known(this.#p50[slot]))
      points.p99.push(known(this.#p99[slot]))
    }
    return points
  }

  /** The same of the latest `count` points, to be added to that of others. */
  counts (now: number, count: number): HistoryCounts {
    const lately = this.recent(now, RATE_SECONDS)
    const recent = this.recent(now, SHARE_SECONDS)
    const steps = Array.from({ length: count }, (_, index) => {
      const slot = Math.max(0, this.#step - count + 1 + index) % STEPS
      return pairsOf(this.#classes.subarray(slot * CLASSES, (slot + 1) * CLASSES))
    })
    return { lately, recent, step: this.#step, hour: pairsOf(this.#hour), steps }
  }

  reset (): void {
    for (const counts of [this.#requests, this.#failures, this.#p50, this.#p99, this.#classes, this.#hour, this.#seconds]) counts.fill(0)
  }

  /** Forgets what is older than an hour. A clock that was set back stands still until it has caught up. */
  #advance (now: number): void {
    const second = Math.floor(now / 1000)
    for (let next = Math.max(this.#second + 1, second - SECONDS + 1); next <= second; next++) this.#seconds[next % SECONDS] = 0
    this.#second = Math.max(this.#second, second)
    const step = Math.floor(now / STEP)
    if (step <= this.#step) return
    this.#measure()
    for (let next = Math.max(this.#step + 1, step - STEPS + 1); next <= step; next++) this.#clear(next % STEPS)
    this.#step = step
  }

  /** What a graph shows of the step that is not over yet. */
  #measure (): void {
    const slot = this.#step % STEPS
    const classes = this.#classes.subarray(slot * CLASSES, (slot + 1) * CLASSES)
    this.#p50[slot] = quantileOf(classes, 0.5) ?? 0
    this.#p99[slot] = quantileOf(classes, 0.99) ?? 0
  }

  #clear (slot: number): void {
    this.#requests[slot] = this.#failures[slot] = this.#p50[slot] = this.#p99[slot] = 0
    const classes = this.#classes.subarray(slot * CLASSES, (slot + 1) * CLASSES)
    classes.forEach((count, index) => { if (count > 0) this.#hour[index] = (this.#hour[index] ?? 0) - count })
    classes.fill(0)
  }
}

function pairsOf (classes: Uint32Array): number[] {
  const pairs: number[] = []
  classes.forEach((count, index) => { if (count > 0) pairs.push(index, count) })
  return pairs
}

/** The time within which such a share was answered of all that these classes count. */
export function jointQuantile (lists: readonly (readonly number[])[], share: number): number | null {
  const classes = new Uint32Array(CLASSES)
  for (const pairs of lists) for (let index = 0; index < pairs.length; index += 2) add(classes, pairs[index] ?? 0, pairs[index + 1] ?? 0)
  return quantileOf(classes, share)
}

/** The hours of several processes as one. They have as many points each, which may end with different steps. */
export function jointPoints (parts: readonly { readonly points: HistoryPoints, readonly counts: HistoryCounts }[]): HistoryPoints {
  const last = parts.reduce((latest, { counts }) => Math.max(latest, counts.step), 0)
  const length = parts[0]?.points.requests.length ?? 0
  const joint: HistoryPoints = { requests: [], failures: [], p50: [], p99: [] }
  for (let index = 0; index < length; index++) {
    const at = (counts: HistoryCounts): number => index + last - counts.step
    const classes = parts.map(({ counts }) => counts.steps[at(counts)] ?? [])
    joint.requests.push(parts.reduce((sum, { points, counts }) => sum + (points.requests[at(counts)] ?? 0), 0))
    joint.failures.push(parts.reduce((sum, { points, counts }) => sum + (points.failures[at(counts)] ?? 0), 0))
    joint.p50.push(jointQuantile(classes, 0.5))
    joint.p99.push(jointQuantile(classes, 0.99))
  }
  return joint
}

/** The same hour in fewer points, for a page that has many graphs: what was counted is added up, and of times the longest counts. */
export function thinned (points: HistoryPoints, count: number): HistoryPoints {
  const each = Math.ceil(points.requests.length / count)
  const inParts = <Value, Result>(values: readonly Value[], join: (part: readonly Value[]) => Result): Result[] =>
    Array.from({ length: Math.ceil(values.length / each) }, (_, part) => join(values.slice(part * each, (part + 1) * each)))
  const total = (part: readonly number[]): number => part.reduce((sum, value) => sum + value, 0)
  const longest = (part: readonly (number | null)[]): number | null =>
    part.reduce((most, value) => value === null || (most !== null && most >= value) ? most : value, null)
  return {
    requests: inParts(points.requests, total),
    failures: inParts(points.failures, total),
    p50: inParts(points.p50, longest),
    p99: inParts(points.p99, longest),
  }
}

function add (counts: Uint32Array, index: number, count: number): void {
  counts[index] = (counts[index] ?? 0) + count
}

function known (time: number | undefined): number | null {
  return time === undefined || time === 0 ? null : time
}

function classOf (time: number): number {
  if (time <= LEAST) return 0
  return Math.min(CLASSES - 1, Math.ceil(Math.log2(time / LEAST) * PER_OCTAVE))
}

/** In proportion between the bounds of its class, to three digits. */
function quantileOf (classes: Uint32Array, share: number): number | null {
  let total = 0
  for (const count of classes) total += count
  if (total === 0) return null
  const rank = Math.max(1, Math.ceil(total * share))
  let before = 0
  let index = 0
  for (; index < CLASSES - 1; index++) {
    const count = classes[index] ?? 0
    if (before + count >= rank) break
    before += count
  }
  const upper = LEAST * 2 ** (index / PER_OCTAVE)
  const lower = index === 0 ? 0 : LEAST * 2 ** ((index - 1) / PER_OCTAVE)
  const part = (rank - before) / Math.max(1, classes[index] ?? 0)
  return Number((lower + (upper - lower) * part).toPrecision(3))
}
