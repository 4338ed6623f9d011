/** Median, the quartiles on both sides of it, and the smallest and largest value. */
export interface Spread {
  readonly median: number
  readonly lower: number
  readonly upper: number
  readonly min: number
  readonly max: number
}

/** The middle of some numbers; NaN when there are none. */
export function median (values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which so large a share of some numbers is, between two of them if need be; NaN when there are none. */
function quantile (values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] ?? NaN
  const above = sorted[Math.ceil(place)] ?? NaN
  return below + (above - below) * (place - Math.floor(place))
}

export function spread (values: readonly number[]): Spread {
  const [lower, upper] = [quantile(values, 0.25), quantile(values, 0.75)]
  return { median: median(values), lower, upper, min: Math.min(...values), max: Math.max(...values) }
}

/** The same in another unit. */
export function scale ({ median, lower, upper, min, max }: Spread, factor: number): Spread {
  return { median: median * factor, lower: lower * factor, upper: upper * factor, min: min * factor, max: max * factor }
}

/** Ratios of the values that were measured in the same round: they shared what else the machine was doing. */
export function pairedRatios (over: readonly number[], under: readonly number[]): number[] {
  const ratios: number[] = []
  for (let i = 0; i < Math.min(over.length, under.length); i++) ratios.push((over[i] ?? NaN) / (under[i] ?? NaN))
  return ratios
}
