import { accelRows } from './rows-accel.ts'
import { bodyRows } from './rows-body.ts'
import { errorRows } from './rows-errors.ts'
import { headRows } from './rows-head.ts'
import { localRows, sendfileRows } from './rows-local.ts'
import { nextRows } from './rows-next.ts'
import { pathRows } from './rows-path.ts'
import { rangeRows } from './rows-ranges.ts'
import { requestRows } from './rows-request.ts'
import { statusRows } from './rows-status.ts'
import type { Row } from './row.ts'

/** The table, by subject. */
export const table: Record<string, Row[]> = {
  status: statusRows,
  head: headRows,
  body: bodyRows,
  request: requestRows,
  path: pathRows,
  'next server': nextRows,
  'X-Accel': accelRows,
  ranges: rangeRows,
  'error pages': errorRows,
  'local redirect': localRows,
  sendfile: sendfileRows,
}
