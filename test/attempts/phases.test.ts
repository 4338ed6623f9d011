// Which phases of a pass may follow which: everything else is a mistake in the calls, and throws.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ANSWERED, BEGUN, CONNECTING, HOLDING, OVER, QUEUED, SENT } from '../../lib/attempts/phase.ts'
import { followersOf } from '../helpers/phases.ts'

test('a pass goes on by the table alone: nothing is sent after a reply that counts, and nothing follows the end', () => {
  assert.deepEqual(followersOf([BEGUN, QUEUED, HOLDING, CONNECTING, SENT, ANSWERED, OVER]), {
    begun: ['queued', 'holding', 'connecting', 'over'],
    queued: ['holding', 'connecting', 'over'],
    holding: ['queued', 'holding', 'connecting', 'over'],
    connecting: ['queued', 'holding', 'connecting', 'sent', 'over'],
    sent: ['queued', 'holding', 'connecting', 'answered', 'over'],
    answered: ['over'],
    over: [],
  })
  assert.throws(() => OVER.to(CONNECTING), /a pass cannot go from 'over' to 'connecting'/)
})
