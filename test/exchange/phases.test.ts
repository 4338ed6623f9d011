// Which phases of an exchange may follow which: everything else is a mistake in the calls, and throws.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ASKING, DETACHED, LOOKING_UP, OVER, READING, REPLYING } from '../../lib/exchange/phase.ts'
import { followersOf } from '../helpers/phases.ts'

test('an exchange goes on by the table alone, and nothing follows its end', () => {
  assert.deepEqual(followersOf([READING, LOOKING_UP, ASKING, REPLYING, DETACHED, OVER]), {
    reading: ['looking up', 'asking', 'over'],
    'looking up': ['reading', 'over'],
    asking: ['replying', 'detached', 'over'],
    replying: ['asking', 'detached', 'over'],
    detached: ['over'],
    over: [],
  })
  assert.throws(() => OVER.to(REPLYING), /an exchange cannot go from 'over' to 'replying'/)
})
