// Which phases of an exchange may follow which: everything else is a mistake in the calls, and throws.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { follow, type Phase } from '../../lib/exchange/phase.ts'
import { followersOf } from '../helpers/phases.ts'

const PHASES: readonly Phase[] = ['reading', 'looking up', 'asking', 'replying', 'detached', 'over']

test('an exchange goes on by the table alone, and nothing follows its end', () => {
  assert.deepEqual(followersOf(PHASES, follow), {
    reading: ['looking up', 'asking', 'over'],
    'looking up': ['reading', 'over'],
    asking: ['replying', 'detached', 'over'],
    replying: ['asking', 'detached', 'over'],
    detached: ['over'],
    over: [],
  })
  assert.throws(() => follow('over', 'replying'), /an exchange cannot go from 'over' to 'replying'/)
})
