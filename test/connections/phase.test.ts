// The phases of an exchange with a server, and which may follow which.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BODY, CONNECT, DONE, HEAD, SEND } from '../../lib/connections/phase.ts'
import { followersOf } from '../helpers/phases.ts'

test('an exchange goes through its phases in order, and back to sending alone where the server refuses what was written', () => {
  assert.deepEqual(followersOf([CONNECT, SEND, HEAD, BODY, DONE]), {
    connect: ['send', 'done'],
    send: ['head', 'body', 'done'],
    head: ['send', 'body', 'done'],
    body: ['done'],
    done: [],
  })
  assert.throws(() => DONE.to(BODY), /an exchange cannot go from 'done' to 'body'/)
})
