import { setTimeout as wait } from 'node:timers/promises'
import { count, nextRequest, options, Pool, report, waitForStart } from './generator.ts'
import type { Connection } from './connection.ts'

// Closed loop: one request under way on each of a fixed number of connections, all of them opened beforehand, for a fixed time.

const pool = new Pool()
let over = false

function loop (connection: Connection): void {
  const sent = performance.now()
  connection.ask(nextRequest(), ({ status, bytes }) => {
    if (over) return
    count(status, bytes, (performance.now() - sent) * 1000)
    loop(connection)
  })
}

pool.onReplaced = loop
const opening = performance.now()
await pool.fill(options.connections)
await waitForStart(opening)
const begun = performance.now()
for (const connection of pool.open) loop(connection)
await wait(options.seconds * 1000)
over = true
report(begun)
pool.close()
