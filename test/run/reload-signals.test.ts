// Signals that come while workers are being started.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { runCli, type RunningCommand } from '../helpers/cli.ts'
import { tempDir, type TempDir } from '../helpers/temp.ts'

/** Its workers are not ready before there is a file. */
function configuration (gate: string, log?: string): string {
  return `import { existsSync } from 'node:fs'
export default { listen: 0, workers: 1, ${log === undefined ? '' : `log: { file: '${log}' },`} async setup (app) {
  while (!existsSync('${gate}')) await new Promise(resolve => setTimeout(resolve, 20))
  app.get('/', async () => 'ok')
} }`
}

/** A gateway whose gate is open. */
function start (dir: TempDir): { file: string, gate: string, gateway: RunningCommand } {
  const file = dir.file('gateway.config.mjs')
  const gate = dir.file('open')
  writeFileSync(gate, '')
  writeFileSync(file, configuration(gate))
  return { file, gate, gateway: runCli('--config', file) }
}

for (const signal of ['SIGTERM', 'SIGQUIT', 'SIGINT'] as const) {
  test(`${signal} during a reload closes the gateway, and the new workers with it`, { timeout: 120_000 }, async () => {
    await using dir = await tempDir()
    const { gate, gateway: started } = start(dir)
    await using gateway = started
    await gateway.printed(/1 workers serve/)
    renameSync(gate, dir.file('shut'))
    gateway.kill('SIGHUP')
    await gateway.printed(/reload: the configuration is checked/)
    gateway.kill(signal)
    assert.deepEqual(await gateway.ended, { code: 0, signal: null })
    assert.match(gateway.stdout, /closing: requests in flight may finish[^]*reload: nothing is changed: the gateway is closing/)
    assert.equal(gateway.stderr, '')
  })
}

for (const [what, signal] of [['closes', 'SIGTERM'], ['reloads', 'SIGHUP']] as const) {
  test(`the gateway ${what} while it waits for the worker that replaces a dead one`, { timeout: 120_000 }, async () => {
    await using dir = await tempDir()
    const { file, gate, gateway: started } = start(dir)
    await using gateway = started
    await gateway.printed(/1 workers serve/)
    const [, pid] = /worker (\d+) serves/.exec(gateway.stdout) ?? []
    renameSync(gate, dir.file('shut'))
    process.kill(Number(pid), 'SIGKILL')
    await gateway.printed(/ended \(SIGKILL\): another is started/)
    if (signal === 'SIGHUP') {
      // The one that waits for the gate must not be waited for.
      writeFileSync(file, configuration(dir.file('shut')))
      gateway.kill(signal)
      await gateway.printed(/reload: 1 new workers serve[^]*the workers of before the reload have ended/)
    }
    gateway.kill('SIGTERM')
    assert.deepEqual(await gateway.ended, { code: 0, signal: null })
  })
}

test('a second SIGHUP waits for the first, and SIGUSR1 opens the log anew meanwhile', { timeout: 120_000 }, async () => {
  await using dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  const gate = dir.file('open')
  const log = dir.file('log')
  const told = async (path: string, pattern: RegExp): Promise<string> => {
    for (;;) {
      const text = await readFile(path, 'utf8').catch(() => '')
      if (pattern.test(text)) return text
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  writeFileSync(gate, '')
  writeFileSync(file, configuration(gate, log))
  await using gateway = runCli('--config', file)
  const [, url = ''] = /Server listening at (http:[^"]+)"/.exec(await told(log, /1 workers serve/)) ?? []
  renameSync(gate, dir.file('shut'))
  gateway.kill('SIGHUP')
  await told(log, /reload: the configuration is checked/)
  gateway.kill('SIGHUP')
  renameSync(log, dir.file('log.1'))
  gateway.kill('SIGUSR1')
  await told(log, /SIGUSR1: the log file is opened anew/)
  assert.equal(await (await fetch(url, { headers: { connection: 'close' } })).text(), 'ok')
  renameSync(dir.file('shut'), gate)
  await told(log, /(?:reload: 1 new workers serve[^]*){2}/)
  assert.equal(await (await fetch(url, { headers: { connection: 'close' } })).text(), 'ok')
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
})

test('SIGUSR1 opens the log anew in a worker that is still loading, and in the primary that waits for it', { timeout: 120_000 }, async () => {
  await using dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  const [log, old, first, gate, waits] = [dir.file('log'), dir.file('log.1'), dir.file('first'), dir.file('open'), dir.file('waits')]
  // The second worker, which is started when the first is loaded, waits for the gate.
  writeFileSync(file, `import { existsSync, writeFileSync } from 'node:fs'
export default { listen: 0, workers: 2, log: { file: '${log}' }, async setup (app) {
  if (existsSync('${first}')) {
    writeFileSync('${waits}', '')
    while (!existsSync('${gate}')) await new Promise(resolve => setTimeout(resolve, 20))
  } else writeFileSync('${first}', '')
  app.get('/', async () => 'ok')
} }`)
  await using gateway = runCli('--config', file)
  const eventually = async (what: string, holds: () => boolean): Promise<void> => {
    for (const until = performance.now() + 30_000; !holds(); await new Promise(resolve => setTimeout(resolve, 20))) {
      assert.ok(performance.now() < until, `not in time: ${what}`)
    }
  }
  const text = (): string => existsSync(log) ? readFileSync(log, 'utf8') : ''
  await eventually('the second worker loads', () => existsSync(waits))
  renameSync(log, old)
  gateway.kill('SIGUSR1')
  await eventually('there is a new file', () => existsSync(log))
  writeFileSync(gate, '')
  await eventually('the primary writes to it', () => text().includes('2 workers serve'))
  const [, url = ''] = /Server listening at (http:[^"]+)"/.exec(text()) ?? []
  for (let n = 0; n < 2; n++) await (await fetch(url, { headers: { connection: 'close' } })).text()
  await eventually('both workers write to it', () => new Set(text().split('\n').filter(line => line.includes('incoming request'))
    .map(line => /"pid":(\d+)/.exec(line)?.[1])).size === 2)
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
  assert.doesNotMatch(readFileSync(old, 'utf8'), /incoming request|workers serve/)
})
