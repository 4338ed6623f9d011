/** Median, and the smallest and largest value. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The middle of some numbers; NaN when there are none. */
export function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
}

export function spread (values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/** Ratios of the values that were measured in the same round: they shared what else the machine was doing. */
export function pairedRatios (over: readonly number[], under: readonly number[]): number[] {
  const ratios: number[] = []
  for (let i = 0; i < Math.min(over.length, under.length); i++) ratios.push((over[i] ?? NaN) / (under[i] ?? NaN))
  return ratios
}
