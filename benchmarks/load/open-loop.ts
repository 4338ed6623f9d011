import { createHistogram } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { count, counts, nextRequest, options, Pool, report, waitForStart } from './generator.ts'
import { Schedule } from './schedule.ts'
import type { Connection } from './connection.ts'

// Open loop: `rate` requests a second, each due at a time of its own, whatever became of those before. One that finds no free
// connection waits for one, and that time counts.

const { connections, seconds, rate = NaN } = options
/** So long the replies that are still under way at the end are waited for, in milliseconds. */
const patience = 5000

const pool = new Pool()
const opening = performance.now()
await pool.fill(connections)
const free = [...pool.open]
/** When those were due that wait for a connection. */
const waiting: number[] = []
/** How late those were sent that found a free connection, in microseconds: the generator's own part of the latency. */
const late = createHistogram()
let underWay = 0
await waitForStart(opening)
const begun = performance.now()
const schedule = new Schedule(rate, begun)

function send (connection: Connection, due: number): void {
  underWay++
  connection.ask(nextRequest(), ({ status, bytes }) => {
    underWay--
    count(status, bytes, (performance.now() - due) * 1000)
    next(connection)
  })
}

function next (connection: Connection): void {
  const due = waiting.shift()
  if (due === undefined) free.push(connection)
  else send(connection, due)
}

pool.onReplaced = (connection) => {
  underWay--
  next(connection)
}
const end = begun + seconds * 1000
while (performance.now() < end) {
  const now = performance.now()
  for (let due = schedule.take(now); due !== undefined; due = schedule.take(now)) {
    // In turn: servers close what is idle for some seconds.
    const connection = free.shift()
    if (connection === undefined) waiting.push(due)
    else {
      late.record(Math.max(1, Math.round((performance.now() - due) * 1000)))
      send(connection, due)
    }
  }
  await wait(1)
}
const isOver = (): boolean => underWay === 0 || performance.now() > end + patience
while (!isOver()) await wait(1)
Object.assign(counts, { timeout: underWay + waiting.length, lateP99: late.percentile(99) })
report(begun)
pool.close()
