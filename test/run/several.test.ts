// The signals of a program that runs more than one gateway, or no longer any.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runGateway } from '../../lib/run/index.ts'
import { runScript } from '../helpers/cli.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startPausing } from './pausing.ts'

const EVENTS = ['SIGTERM', 'SIGQUIT', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'warning'] as const
const QUIET = { log: { level: 'silent' } } as const

function listeners (): unknown[] {
  return EVENTS.map(name => process.rawListeners(name))
}

test('a signal lets the last of several gateways finish, whatever was closed before', async () => {
  await using recorder = await startPausing()
  await using program = runScript('test/run/several-child.ts', [recorder.address])
  const { port } = new URL(await program.listening())
  await using client = await RawClient.connect({ port: Number(port) })
  client.expect('GET')
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(({ bodyLength }) => bodyLength === 5)
  program.kill('SIGTERM')
  await Promise.race([program.printed(/closing/), program.ended])
  // The same key press may arrive twice.
  program.kill('SIGTERM')
  recorder.finish()
  assert.equal((await client.response()).body.toString(), 'helloworld')
  assert.deepEqual(await program.ended, { code: 0, signal: null })
  assert.equal(program.stderr, '')
})

test('what is closed leaves the signals and warnings to the program', async () => {
  const before = listeners()
  const gateway = await runGateway({ listen: 0, ...QUIET })
  const other = await runGateway({ listen: 0, ...QUIET })
  assert.notDeepEqual(listeners(), before)
  await Promise.all([gateway.close(), gateway.close()])
  assert.equal(process.listenerCount('SIGTERM'), 1)
  await other.close()
  assert.deepEqual(listeners(), before)
})

for (const [what, config, message] of [
  ['cannot be built', { setup: () => { throw new Error('no setup') } }, /no setup/],
  ['has no directory for its pidFile', { pidFile: '/dev/null/pid' }, /pidFile/],
  ['cannot listen', { listen: 'unix:/dev/null/socket' }, /cannot listen/],
] as const) {
  test(`a gateway that ${what} leaves the signals and warnings to the program`, { timeout: 60_000 }, async () => {
    const before = listeners()
    await assert.rejects(runGateway({ listen: 0, ...QUIET, ...config }), message)
    assert.deepEqual(listeners(), before)
  })
}

test('a gateway whose workers cannot start leaves the signals to the program', { timeout: 60_000 }, async () => {
  await using program = runScript('test/run/refused-child.ts')
  await program.printed(/cannot listen/)
  program.kill('SIGTERM')
  assert.deepEqual(await program.ended, { code: 7, signal: null })
})
