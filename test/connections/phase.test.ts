// The phases of an exchange, and which may follow which.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { follow, type Phase } from '../../lib/connections/phase.ts'

test('an exchange goes through its phases in order, and back to sending alone where the server refuses what was written', () => {
  const phases: Phase[] = ['connect', 'send', 'head', 'body', 'done']
  const allowed = new Set(['connect send', 'connect done', 'send head', 'send body', 'send done', 'head body', 'head send', 'head done', 'body done'])
  for (const from of phases) {
    for (const to of phases) {
      if (allowed.has(`${from} ${to}`)) assert.equal(follow(from, to), to)
      else assert.throws(() => follow(from, to), new RegExp(`from '${from}' to '${to}'`))
    }
  }
})
