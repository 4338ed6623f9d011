import { bodyRows } from './rows-body.ts'
import { headRows } from './rows-head.ts'
import { nextRows } from './rows-next.ts'
import { requestRows } from './rows-request.ts'
import { statusRows } from './rows-status.ts'
import type { Row } from './row.ts'

/** The table, by subject. */
export const table: Record<string, Row[]> = {
  status: statusRows,
  head: headRows,
  body: bodyRows,
  request: requestRows,
  'next server': nextRows,
}
