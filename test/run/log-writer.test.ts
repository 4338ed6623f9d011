// The lines of the log that are lost are counted, and told when lines are taken again.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { LogWriter } from '../../lib/run/log.ts'
import { fsError, mockFs } from '../helpers/mock-fs.ts'
import { tempDir } from '../helpers/temp.ts'

type Done = (error: Error | null, written: number) => void

test('a disk that is full for a while', async () => {
  await using dir = await tempDir()
  const writer = new LogWriter(dir.file('log'))
  const told: number[] = []
  writer.onDropped = lines => told.push(lines)
  {
    using mocked = mockFs({ write: (...given: unknown[]) => finish(given, fsError('ENOSPC'), 0) })
    for (let i = 0; i < 3; i++) writer.write(`lost ${i}\n`)
    await writer.flush(5000)
    assert.ok(mocked.calls > 0)
  }
  writer.write('kept\n')
  await writer.flush(5000)
  assert.deepEqual([told, readFileSync(dir.file('log'), 'utf8')], [[3], 'kept\n'])
})

test('a disk that takes nothing for a while: the buffer is bounded, and a line that was cut is ended', async () => {
  await using dir = await tempDir()
  const writer = new LogWriter(dir.file('log'))
  const told: number[] = []
  writer.onDropped = lines => told.push(lines)
  const line = `${'y'.repeat(99_999)}\n`
  {
    const waiting: unknown[][] = []
    using mocked = mockFs({ write: (...given: unknown[]) => { waiting.push(given) } })
    for (let i = 0; i < 30; i++) writer.write(line)
    assert.deepEqual([mocked.calls, writer.holdsThread], [1, true])
    const [first = []] = waiting
    finish(first, null, 5)
    const [, second = []] = waiting
    finish(second, fsError('EIO'), 0)
  }
  await writer.flush(5000)
  // What a mebibyte holds was kept, less the one that was cut.
  const text = readFileSync(dir.file('log'), 'utf8')
  assert.deepEqual([told, text.length, text.slice(0, 2), writer.holdsThread], [[20], 1_000_001, '\ny', false])
})

/** Calls back what fs.write was given. */
function finish (given: unknown[], error: Error | null, written: number): void {
  const done = given.at(-1)
  if (typeof done === 'function') Reflect.apply(done, undefined, [error, written] satisfies Parameters<Done>)
}
