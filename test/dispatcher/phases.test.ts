// Which phases of a request of reply.from() may follow which: everything else is a mistake in the calls, and throws.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ASKING, DETACHED, OVER, REPLYING, UNHEARD } from '../../lib/dispatcher/phase.ts'
import { followersOf } from '../helpers/phases.ts'

test('a request of reply.from() goes on by the table alone, and nothing follows its end', () => {
  assert.deepEqual(followersOf([ASKING, REPLYING, UNHEARD, DETACHED, OVER]), {
    asking: ['replying', 'unheard', 'over'],
    replying: ['detached', 'over'],
    unheard: ['over'],
    detached: ['over'],
    over: [],
  })
  assert.throws(() => OVER.to(REPLYING), /a request of reply\.from\(\) cannot go from 'over' to 'replying'/)
})
