// The file of edits, which several processes write.
import assert from 'node:assert/strict'
import { readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Keep } from '../../lib/observe/admin/keep.ts'
import { tempDir } from '../helpers/temp.ts'

test('a lock that was left behind is taken over by one, and no edit of the others is lost', async () => {
  await using dir = await tempDir()
  for (let round = 0; round < 10; round++) {
    const state = join(dir.path, `state-${round}`)
    await writeFile(`${state}.lock`, '')
    await utimes(`${state}.lock`, 1, 1)
    const edits = Array.from({ length: 8 }, (_, index) => `127.0.0.1:${index + 1}`)
    await Promise.all(edits.map(address => new Keep(state).add('g', { kind: 'add', options: { address } })))
    const { groups }: { groups: { g: { members: { add: { address: string } }[] } } } = JSON.parse(await readFile(state, 'utf8'))
    assert.deepEqual(groups.g.members.map(({ add }) => add.address).sort(), edits)
  }
})
