/** What was counted up to one moment of the soak. */
export interface Sample {
  /** Milliseconds since its begin. */
  readonly at: number
  readonly requests: number
  /** CPU seconds of the gateway. */
  readonly cpu: number
  /** The same of the floor beside it. */
  readonly floorRequests: number
  readonly floorCpu: number
  /** Resident memory of the gateway at that moment, in bytes. */
  readonly rss: number
}

/** What a part of the soak says. */
export interface Window {
  readonly requestsPerSecond: number
  /** CPU microseconds per request. */
  readonly cpu: number
  readonly floorCpu: number
  /** Mean, in bytes. */
  readonly rss: number
}

/** The part of the samples from one moment to another; of memory the mean of all samples but the first. */
export function windowOf (samples: readonly Sample[], from: number, to: number): Window {
  const inside = samples.filter(({ at }) => at >= from && at <= to)
  const [first, ...rest] = inside
  const last = rest.at(-1)
  if (first === undefined || last === undefined) throw new Error(`fewer than two samples from ${from} to ${to} ms`)
  const requests = last.requests - first.requests
  return {
    requestsPerSecond: requests * 1000 / (last.at - first.at),
    cpu: (last.cpu - first.cpu) * 1e6 / requests,
    floorCpu: (last.floorCpu - first.floorCpu) * 1e6 / (last.floorRequests - first.floorRequests),
    rss: rest.reduce((sum, { rss }) => sum + rss, 0) / rest.length,
  }
}

/** Of a soak of so many milliseconds: how long the warm-up takes, and each of the two parts that are compared. */
export function planOf (length: number): { readonly warmUp: number, readonly part: number } {
  const warmUp = length / 10
  return { warmUp, part: Math.min(300_000, (length - warmUp) / 2) }
}

/** Whether a ratio is within 3 % of 1. */
export function holds (ratio: number): boolean {
  return Math.abs(ratio - 1) <= 0.03
}
