import { setTimeout as wait } from 'node:timers/promises'
import { count, counts, nextRequest, options, Pool, report, waitForStart } from './generator.ts'
import type { Connection } from './connection.ts'

// Closed loop: one request under way on each of a fixed number of connections, all of them opened beforehand, for a fixed time. Then the
// replies under way are waited for: with thousands of connections they are a good part of what the server has done.

/** So long they are waited for, in milliseconds. */
const patience = 30_000

const pool = new Pool()
let over = false
let underWay = 0

function loop (connection: Connection): void {
  const sent = performance.now()
  underWay++
  connection.ask(nextRequest(), ({ status, bytes }) => {
    underWay--
    count(status, bytes, (performance.now() - sent) * 1000)
    if (!over) loop(connection)
  })
}

pool.onReplaced = (connection) => {
  underWay--
  if (!over) loop(connection)
}
const opening = performance.now()
await pool.fill(options.connections)
await waitForStart(opening)
const begun = performance.now()
for (const connection of pool.open) loop(connection)
await wait(options.seconds * 1000)
over = true
const end = performance.now() + patience
const isOver = (): boolean => underWay === 0 || performance.now() > end
while (!isOver()) await wait(1)
counts.timeout = underWay
report(begun)
pool.close()
