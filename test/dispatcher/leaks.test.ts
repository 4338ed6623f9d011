import assert from 'node:assert/strict'
import { createReadStream, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { startRecorder, type Answer } from '../helpers/recorder.ts'
import { assertNoGrowth } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'

test('nothing is left behind: replies, broken replies, aborts in every phase, bodies in files', async () => {
  await using dir = await tempDir()
  const file = dir.file('upload')
  writeFileSync(file, Buffer.alloc(40_000))
  await using server = await startRecorder({ keepBodies: false })
  const dispatcher = new ScgiDispatcher(server.address)
  const streaming = new ScgiDispatcher(server.address, { requestBuffering: false })
  const answers: Answer[] = [
    'Content-Length: 2\r\n\r\nok',
    'Content-Length: 9\r\n\r\nok',
    exchange => exchange.end(),
    exchange => exchange.write('X: 1\r\n\r\nabc'),
    () => {},
  ]
  const round = async (n: number): Promise<void> => {
    server.clear()
    const which = n % answers.length
    server.answer = answers[which] ?? ''
    const signal = new AbortController()
    const body = createReadStream(file)
    const headers = { 'content-length': '40000' }
    const reply = (n % 2 === 0 ? dispatcher : streaming).request({ path: '/', method: 'PUT', body, headers, signal: signal.signal })
    if (which === 4) {
      await Promise.all([server.received(1).then(() => signal.abort()), assert.rejects(reply)])
    } else if (which === 2) {
      await assert.rejects(reply)
    } else {
      const { body } = await reply
      if (which === 0) assert.equal(await body.text(), 'ok')
      else if (which === 1) await assert.rejects(body.text())
      else body.on('error', () => {}).destroy()
    }
    await server.idle()
  }
  await assertNoGrowth(round, { rounds: 100 })
  await dispatcher.close()
})
