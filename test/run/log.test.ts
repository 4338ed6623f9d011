// Whatever becomes of the log, the gateway serves and hears its signals.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync, closeSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { freePort, waitForListener } from '../helpers/ready.ts'
import { runCli } from '../helpers/cli.ts'
import { compiled } from '../helpers/compiled.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually } from '../gateway/kit.ts'

/** Of a log of its own level, a request writes some hundred bytes: together more than a pipe and the buffer hold. */
const REQUESTS = 30
const LONG = 'x'.repeat(60_000)

/** Starts the gateway, writes more into its log than that takes, and ends it. */
async function serveAndEnd (recorder: Recorder, stdout: 'pipe' | number, ...more: string[]): Promise<void> {
  const port = await freePort()
  const child = spawn(process.execPath, ['--max-http-header-size=100000', compiled('lib/run/bin.ts'), '--listen', String(port), ...more, recorder.address], {
    stdio: ['ignore', stdout, 'ignore'],
  })
  const ended = once(child, 'exit')
  try {
    await waitForListener({ port }, { timeout: 60_000 })
    for (let i = 0; i < REQUESTS; i++) {
      const response = await fetch(`http://127.0.0.1:${port}/?${LONG}`)
      assert.deepEqual([response.status, await response.text()], [200, 'ok'])
    }
    child.kill('SIGHUP')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  } finally {
    child.kill('SIGKILL')
    child.stdout?.destroy()
  }
}

test('a log that nobody reads', async () => {
  await using recorder = await startRecorder({ answer: 'Content-Length: 2\r\n\r\nok' })
  await serveAndEnd(recorder, 'pipe')
})

const full = existsSync('/dev/full') ? false : 'this system has no /dev/full'

test('a full disk, as standard output and as a file', { skip: full }, async () => {
  await using recorder = await startRecorder({ answer: 'Content-Length: 2\r\n\r\nok' })
  const fd = openSync('/dev/full', 'w')
  await serveAndEnd(recorder, fd)
  closeSync(fd)
  await serveAndEnd(recorder, 'pipe', '--log-file', '/dev/full')
})

test('--log-file: appended to, and opened anew on SIGUSR1', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: 'Content-Length: 2\r\n\r\nok' })
  const port = await freePort()
  const path = dir.file('gateway.log')
  await using gateway = runCli('--listen', String(port), '--log-file', path, recorder.address)
  await waitForListener({ port }, { timeout: 60_000 })
  await eventually(() => readFileSync(path, 'utf8').includes('is served by'), 'the file has lines')
  renameSync(path, dir.file('old.log'))
  gateway.kill('SIGUSR1')
  await eventually(() => existsSync(path) && readFileSync(path, 'utf8').includes('opened anew'), 'the new file has lines')
  await (await fetch(`http://127.0.0.1:${port}/second`)).text()
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
  assert.match(readFileSync(path, 'utf8'), /"url":"\/second".*closing/s)
  assert.doesNotMatch(readFileSync(dir.file('old.log'), 'utf8'), /second/)
  assert.deepEqual([gateway.stdout, gateway.stderr], ['', ''])
})

test('SIGUSR1 opens an access log anew where the log itself is the standard output', async () => {
  await using dir = await tempDir()
  const [file, access] = [dir.file('gateway.config.mjs'), dir.file('access.log')]
  writeFileSync(file, `export default { listen: 0, workers: 1, accessLog: { file: '${access}' }, setup (app) { app.get('/', async () => 'ok') } }`)
  await using gateway = runCli('--config', file)
  await gateway.printed(/1 workers serve/)
  renameSync(access, dir.file('old.log'))
  gateway.kill('SIGUSR1')
  await gateway.printed(/SIGUSR1/)
  assert.match(gateway.stdout, /SIGUSR1: the log file is opened anew/)
  await eventually(() => existsSync(access), 'there is a new file')
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
})

test('--log-file: one that cannot be opened', async () => {
  await using gateway = runCli('--listen', '0', '--log-file', '/none/such', '127.0.0.1:4000')
  assert.deepEqual(await gateway.ended, { code: 1, signal: null })
  assert.match(gateway.stderr, /cannot open the log file: ENOENT/)
})
