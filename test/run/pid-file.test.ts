// The file with the process ID: there while the gateway serves, and no longer.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { runGateway } from '../../lib/run/index.ts'
import { runCli } from '../helpers/cli.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { FastifyInstance } from 'fastify'

const FORMS: Record<string, string[]> = {
  'an address': ['127.0.0.1:4000'],
  'the demo': ['--demo'],
  workers: ['--workers', '1', '127.0.0.1:4000'],
}

for (const [form, args] of Object.entries(FORMS)) {
  test(`--pid-file with ${form}`, async () => {
    await using dir = await tempDir()
    const file = dir.file('pid')
    await using gateway = runCli('--listen', '0', '--pid-file', file, ...args)
    await gateway.listening()
    const pid = Number(readFileSync(file, 'utf8'))
    process.kill(pid, 'SIGTERM')
    assert.deepEqual(await gateway.ended, { code: 0, signal: null })
    assert.equal(existsSync(file), false)
  })
}

test('a second signal leaves no file behind', async () => {
  await using dir = await tempDir()
  const file = dir.file('pid')
  await using recorder = await startRecorder({ answer: async exchange => { await exchange.closed } })
  await using gateway = runCli('--listen', '0', '--pid-file', file, recorder.address)
  const { port } = new URL(await gateway.listening())
  await using client = await RawClient.connect({ port: Number(port) })
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await recorder.received(1)
  gateway.kill('SIGTERM')
  await gateway.printed(/closing/)
  assert.equal(existsSync(file), true)
  const again = setInterval(() => gateway.kill('SIGTERM'), 20)
  const { code } = await gateway.ended
  clearInterval(again)
  assert.equal(code, 143)
  assert.equal(existsSync(file), false)
})

test('runGateway in this process, and one that cannot listen leaves the file of the one that does', async () => {
  await using dir = await tempDir()
  const pidFile = dir.file('pid')
  const log = { level: 'silent' } as const
  const gateway = await runGateway({ listen: 0, pidFile, log }, { signals: false })
  assert.equal(readFileSync(pidFile, 'utf8'), `${process.pid}\n`)
  await gateway.close()
  assert.equal(existsSync(pidFile), false)

  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(typeof address === 'object' && address !== null)
  try {
    for (const [before, after] of [[`${process.ppid}\n`, `${process.ppid}\n`], ['no number', undefined], [undefined, undefined]]) {
      if (before !== undefined) writeFileSync(pidFile, before)
      await assert.rejects(runGateway({ listen: address.port, pidFile, log }, { signals: false }), /in use/)
      assert.equal(existsSync(pidFile) ? readFileSync(pidFile, 'utf8') : undefined, after)
    }
  } finally {
    taken.close()
  }
})

for (const [what, config, message] of [
  ['its pidFile cannot be written', { listen: 0, pidFile: '/dev/null/pid' }, /pidFile: it cannot be written/],
  ['what it is to listen on is not passed', { listen: 'systemd' }, /systemd/],
  ['it cannot listen', { listen: 'unix:/dev/null/socket' }, /cannot listen/],
] as const) {
  test(`runGateway in this process closes the application where ${what}`, async () => {
    let closed = 0
    const setup = (app: FastifyInstance): void => {
      app.addHook('onClose', async () => {
        closed += 1
        // As one does that expects what only a gateway that has started has: that is not why this one does not start.
        throw new Error('a hook failed')
      })
    }
    await assert.rejects(runGateway({ ...config, setup, log: { level: 'silent' } }, { signals: false }), message)
    assert.equal(closed, 1)
  })
}
