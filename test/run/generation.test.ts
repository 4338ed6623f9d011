// What happens to a worker while others of its generation still start.
import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Generation } from '../../lib/run/generation.ts'
import { tempDir } from '../helpers/temp.ts'

/** The first that is started ends when it serves, the second serves when it is told so. */
const WORKER = `
import cluster from 'node:cluster'
const id = cluster.worker.id - process.env.BEFORE
const plan = { listeners: [], workers: 2, log: {}, logsToFiles: false, pidFile: undefined, drainTimeout: 1000, closeTimeout: 1000 }
const wanted = new Set(id === 2 ? ['listen', 'reopen'] : ['listen'])
process.on('message', ({ scgi }) => {
  if (scgi === 'drain') process.exit(0)
  if (!wanted.delete(scgi) || wanted.size > 0) return
  if (id === 1 && process.env.END === 'leaving') process.send({ scgi: 'leaving' })
  process.send({ scgi: 'serving' }, () => { if (id === 1 && process.env.END === 'exit') process.exit(3) })
})
process.send({ scgi: 'loaded', plan })
`

/** The number of the last one. */
let last = 0
cluster.on('fork', ({ id }) => { last = id })

for (const [end, line] of [['exit', /^worker \d+ ended \(exit code 3\): another is started$/], ['leaving', /^worker \d+ was told to end: another is started$/]] as const) {
  test(`a worker is replaced that ends before the others serve: ${end}`, { timeout: 60_000 }, async () => {
    await using dir = await tempDir()
    const file = dir.file('worker.mjs')
    await writeFile(file, WORKER)
    cluster.setupPrimary({ exec: file, execArgv: [] })
    process.env['END'] = end
    process.env['BEFORE'] = String(last)
    const generation = new Generation({ changed () {}, inherit () {}, loses () {} })
    try {
      await generation.load(2, 1)
      const serving = generation.serve([])
      const [first, second] = generation.workers
      assert.ok(first !== undefined && second !== undefined)
      if (end === 'exit') await first.ended
      second.tell({ scgi: 'reopen' })
      await serving
      const lines: string[] = []
      await new Promise<void>(resolve => {
        const hear = (...said: readonly unknown[]): void => {
          lines.push(String(said.at(-1)))
          if (/serves/.test(lines.at(-1) ?? '')) resolve()
        }
        generation.keep({ info: hear, warn: hear, error: hear })
      })
      assert.match(lines[0] ?? '', line)
      assert.match(lines[1] ?? '', /^worker \d+ serves$/)
      await first.ended
      assert.equal(generation.workers.length, 2)
    } finally {
      const ends = generation.workers.map(({ ended }) => ended)
      generation.kill()
      await Promise.all(ends)
    }
  })
}
