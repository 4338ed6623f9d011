/** Milliseconds as a number, or with units, larger ones first: `'500ms'`, `'60s'`, `'10m'`, `'1h30m'`, `'1d 12h'`, `'6M'` (months of 30 days). Digits alone in a string are refused. */
export type Time = number | string

/** Bytes, or a number with a unit: `'8k'`, `'1m'`, `'1g'`. */
export type Size = number | string
