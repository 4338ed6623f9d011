import { CACHE } from './table/cache.ts'
import type { Row, Rows } from './row.ts'

/** The options and those within them, by their paths. The cache has a table of its own, and so have the servers of groups. */
export function flat (rows: Rows, at = ''): [path: string, row: Row][] {
  return Object.entries(rows).flatMap(([name, row]) => {
    const path = at + name
    const own: [string, Row] = [path, row]
    return row.rows === undefined || row.rows === CACHE ? [own] : [own, ...flat(row.rows, `${path}.`)]
  })
}
