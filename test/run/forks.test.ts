// Workers that the system does not start: too many processes, too many files, no memory.
import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { rmSync, symlinkSync } from 'node:fs'
import { test } from 'node:test'
import { Generation } from '../../lib/run/generation.ts'
import { WorkerLink } from '../../lib/run/worker-link.ts'
import { RunningCommand } from '../helpers/cli.ts'
import { compiled } from '../helpers/compiled.ts'
import { tempDir } from '../helpers/temp.ts'

/** Refused by the system itself: Node.js tells it by an event, or throws it. */
const REFUSALS: [string, RegExp][] = [
  ['/none/node', /ENOENT/],
  ['/dev/null', /EACCES/],
  ['/dev/null/node', /ENOTDIR/],
]

function withNode <Value> (path: string, use: () => Value): Value {
  const { execPath } = process
  process.execPath = path
  try {
    return use()
  } finally {
    process.execPath = execPath
  }
}

for (const [path, reason] of REFUSALS) {
  test(`${reason.source}: it is an end like others, and nobody is killed`, async () => {
    const worker = withNode(path, () => new WorkerLink())
    const loading = assert.rejects(worker.load(), reason)
    // Not the group of this process.
    worker.kill('SIGKILL')
    const { refusal = '' } = await worker.ended
    assert.match(refusal, reason)
    await worker.silent
    await loading
    assert.equal(worker.over, true)
    assert.deepEqual(Object.keys(cluster.workers ?? {}), [])
  })

  test(`${reason.source}: the first start says what is wrong`, async () => {
    const generation = new Generation({ changed () {}, inherit () {}, loses () {} })
    await assert.rejects(withNode(path, () => generation.load(1, 1)), reason)
    generation.kill()
  })
}

for (const [target, reason] of [[undefined, /ENOENT/], ['/dev/null/node', /ENOTDIR/]] as const) {
  test(`${reason.source}: a worker is started once the system does it again, and meanwhile the gateway can be ended`, { timeout: 120_000 }, async () => {
    await using dir = await tempDir()
    const link = dir.file('node')
    const refuse = (): void => {
      rmSync(link, { force: true })
      if (target !== undefined) symlinkSync(target, link)
    }
    const permit = (): void => {
      rmSync(link, { force: true })
      symlinkSync(process.execPath, link)
    }
    const start = (): RunningCommand => new RunningCommand(process.execPath, [
      '--import', `data:text/javascript,process.execPath=${JSON.stringify(link)}`, compiled('lib/run/bin.ts'), '--workers', '1', '--listen', '0', '127.0.0.1:4000',
    ])

    refuse()
    await using first = start()
    assert.deepEqual(await first.ended, { code: 1, signal: null })
    assert.match(first.stderr, new RegExp(`^fastify-scgi: [^\n]*${reason.source}[^\n]*\n$`))

    permit()
    await using gateway = start()
    const [, pid = ''] = await gateway.printed(/"worker (\d+) serves"/)
    await gateway.printed(/1 workers serve/)
    refuse()
    process.kill(Number(pid), 'SIGKILL')
    await gateway.printed(new RegExp(`starts no process: [^"]*${reason.source}[^"]*: another is started in 100 ms`))
    await gateway.printed(/another is started in 400 ms/)
    permit()
    const [, second = ''] = await gateway.printed(new RegExp(`"worker (?!${pid} )(\\d+) serves"`))
    refuse()
    process.kill(Number(second), 'SIGKILL')
    await gateway.printed(new RegExp(`worker ${second} ended \\(SIGKILL\\)`))
    gateway.kill('SIGTERM')
    assert.deepEqual(await gateway.ended, { code: 0, signal: null })
    assert.equal(gateway.stderr, '')
  })
}
