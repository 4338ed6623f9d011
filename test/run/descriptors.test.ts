// A worker that has no descriptor left for a connection.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { runCli } from '../helpers/cli.ts'
import { tempDir } from '../helpers/temp.ts'

const skip = spawnSync('prlimit', ['--version']).status === 0 ? false : 'prlimit is not installed'

function limit (pid: string, descriptors: number): void {
  execFileSync('prlimit', ['--pid', pid, `--nofile=${descriptors}:`])
}

test('others get the connection, and it gets more when it has descriptors again', { skip, timeout: 120_000 }, async () => {
  await using dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  writeFileSync(file, "export default { listen: 0, workers: 2, setup (app) { app.get('/', async () => String(process.pid)) } }")
  await using gateway = runCli('--config', file)
  await gateway.printed(/2 workers serve/)
  const [, url = ''] = /Server listening at (http:[^"]+)"/.exec(gateway.stdout) ?? []
  const ask = async (): Promise<string> => await (await fetch(url, { headers: { connection: 'close' } })).text()
  const [short, other] = [await ask(), await ask()]
  assert.notEqual(short, other)
  limit(short, 3)
  for (let n = 0; n < 4; n++) assert.equal(await ask(), other)
  await gateway.printed(new RegExp(`worker ${short} has no descriptor left for a connection`))
  limit(other, 3)
  const waiting = ask()
  await gateway.printed(new RegExp(`worker ${other} has no descriptor left for a connection`))
  limit(short, 1000)
  assert.equal(await waiting, short)
  limit(other, 1000)
  while (await ask() !== other);
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
})
