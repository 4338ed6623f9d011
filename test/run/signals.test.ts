import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCli } from '../helpers/cli.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { startPausing } from './pausing.ts'

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
  test(`${signal} lets a reply in flight finish`, async () => {
    await using recorder = await startPausing()
    await using gateway = runCli('--listen', '0', recorder.address)
    const { port } = new URL(await gateway.listening())
    await using client = await RawClient.connect({ port: Number(port) })
    await using idle = await RawClient.connect({ port: Number(port) })

    client.expect('GET')
    await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(({ bodyLength }) => bodyLength === 5)
    gateway.kill(signal)
    await gateway.printed(/closing/)
    await idle.closed
    recorder.finish()
    assert.equal((await client.response()).body.toString(), 'helloworld')
    assert.deepEqual(await gateway.ended, { code: 0, signal: null })
    assert.equal(gateway.stderr, '')
  })
}

test('a second signal ends it at once', async () => {
  await using recorder = await startRecorder({ answer: async exchange => { await exchange.closed } })
  await using gateway = runCli('--listen', '0', recorder.address)
  const { port } = new URL(await gateway.listening())
  await using client = await RawClient.connect({ port: Number(port) })
  client.expect('GET')
  await client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await recorder.received(1)
  gateway.kill('SIGTERM')
  await gateway.printed(/closing/)
  const began = performance.now()
  // The same key press may arrive twice: what follows within 300 ms is not taken for a second one.
  const again = setInterval(() => gateway.kill('SIGTERM'), 20)
  const ended = await gateway.ended
  clearInterval(again)
  assert.deepEqual(ended, { code: 143, signal: null })
  const took = performance.now() - began
  assert.ok(took > 200 && took < 5000, `ended after ${took} ms`)
})

test('SIGHUP, SIGUSR1 and SIGUSR2 end nothing, and open no inspector', async () => {
  await using recorder = await startRecorder({ answer: 'Content-Length: 2\r\n\r\nok' })
  await using gateway = runCli('--listen', '0', recorder.address)
  const { port } = new URL(await gateway.listening())
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    gateway.kill(signal)
    await gateway.printed(new RegExp(`${signal} is ignored`))
    assert.equal((await (await fetch(`http://127.0.0.1:${port}/`)).text()), 'ok')
  }
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
  assert.equal(gateway.stderr, '')
})
