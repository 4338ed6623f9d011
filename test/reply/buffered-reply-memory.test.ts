// A client that stands still costs disk, not memory.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

test('200 MB for a client that reads nothing, and then all: the memory grows by less than 32 MiB', async () => {
  const child = fork(fileURLToPath(new URL('buffered-reply-child.ts', import.meta.url)), { execArgv: TYPESCRIPT })
  const exit = once(child, 'exit')
  const [told] = await once(child, 'message', { signal: AbortSignal.timeout(50_000) })
  await exit
  const { given, inFile, inMemory, read, wrong, grown } = told
  assert.deepEqual([given, read, wrong], [200 * 2 ** 20, 200 * 2 ** 20, 0])
  assert.ok(inFile + inMemory > 199 * 2 ** 20 && inMemory <= 131_072, `${inFile} in the file, ${inMemory} in memory`)
  assert.ok(grown < 32 * 2 ** 20, `grew by ${(grown / 2 ** 20).toFixed(1)} MiB`)
})
