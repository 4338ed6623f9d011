/** Milliseconds as a number, or with a unit: `'500ms'`, `'60s'`, `'10m'`, `'1h'`. Digits alone in a string are refused. */
export type Time = number | string

/** Bytes, or a number with a unit: `'8k'`, `'1m'`, `'1g'`. */
export type Size = number | string
