// The primary closes while a reload waits for its workers: what the reload has changed must not be opened again.
import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import net, { createServer } from 'node:net'
import { test } from 'node:test'
import { Primary } from '../../lib/run/primary.ts'
import { tempDir } from '../helpers/temp.ts'

/** The first one serves, the second has another address and never does. */
const WORKER = `
import cluster from 'node:cluster'
const { log, port } = JSON.parse(process.env.GIVEN)
const first = cluster.worker.id === 1
const place = { host: first ? '127.0.0.1' : '0.0.0.0', port, backlog: 5 }
const plan = {
  listeners: [{ place, scheme: 'http', plain: false }],
  workers: 1, log, logsToFiles: false, pidFile: undefined, drainTimeout: 1000, closeTimeout: 1000
}
process.on('message', ({ scgi }) => {
  if (scgi === 'drain' || scgi === 'close') process.exit(0)
  if (scgi === 'listen') process.send(first ? { scgi: 'serving' } : { waits: true })
})
process.send({ scgi: 'loaded', plan })
`

test('close() during a reload that has moved a port leaves nothing open', { timeout: 60_000 }, async () => {
  await using dir = await tempDir()
  const file = dir.file('worker.mjs')
  await writeFile(file, WORKER)
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const address = free.address()
  assert.ok(typeof address === 'object' && address !== null)
  const { port } = address
  await new Promise(resolve => free.close(resolve))
  cluster.setupPrimary({ exec: file, execArgv: [] })
  process.env['GIVEN'] = JSON.stringify({ log: { file: dir.file('log'), level: 'info' }, port })
  const primary = new Primary(1)
  try {
    await primary.start()
    const waits = new Promise<void>(resolve => {
      cluster.on('message', (_worker, message: object) => { if ('waits' in message) resolve() })
    })
    const reloaded = primary.reload().then(() => 'done', (error: unknown) => String(error))
    await waits
    await primary.close()
    assert.match(await reloaded, /the gateway is closing/)
    const client = net.connect(port, '127.0.0.1')
    const outcome = await new Promise<string>(resolve => {
      client.once('connect', () => resolve('connected')).once('error', error => resolve(error.message))
    })
    client.destroy()
    assert.match(outcome, /ECONNREFUSED/)
  } finally {
    primary.kill()
    cluster.removeAllListeners('message')
  }
})
