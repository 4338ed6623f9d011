import assert from 'node:assert/strict'
import test from 'node:test'
import type { Method, Picker } from '../../lib/balancer/method.ts'
import { roundRobin } from '../../lib/balancer/round-robin.ts'
import { exhaust, testGroup, weighted } from './model.ts'

// Stands for the methods that look at the request: keeps a key with a peer, walks on from where it was at the next try, and
// leaves it to round robin when the request has no key.
const byKey: Method<string> = peers => {
  const others = roundRobin(peers)
  const picker: Picker = {
    pick (context) {
      const key = context.request?.source
      if (typeof key !== 'string') return others.pick(context)
      let position = typeof context.memo === 'number' ? context.memo : key.length
      for (let step = 0; step < peers.length; step++, position++) {
        const index = position % peers.length
        if (!context.usable(index)) continue
        context.memo = position
        return index
      }
      return -1
    }
  }
  return picker
}

test('a method sees the request, what was tried, and what it noted itself', () => {
  const { group } = testGroup(weighted(1, 1, 1, 1), { method: byKey })
  assert.deepEqual(exhaust(group.begin({ source: 'xy' }), 'next'), ['C', 'D', 'A', 'B'])
  assert.deepEqual(exhaust(group.begin({ source: 'xyz' }), 'next'), ['D', 'A', 'B', 'C'])
  assert.deepEqual(exhaust(group.begin(), 'next'), ['A', 'B', 'C', 'D'])
})

test('a method is told of failed servers, and is asked for the backups apart, with nothing noted', () => {
  const made: string[][] = []
  const method: Method<string> = peers => {
    made.push(peers.map(peer => peer.name))
    return byKey(peers)
  }
  const { group, attempt } = testGroup([...weighted(1, 1, 1), { name: 'X', backup: true }, { name: 'Y', backup: true }], { method })
  assert.deepEqual(made, [['A', 'B', 'C'], ['X', 'Y']])
  assert.equal(attempt('failed'), 'A')
  assert.deepEqual(exhaust(group.begin({ source: 'wxyz' }), 'next'), ['B', 'C', 'X', 'Y'])
})

test('tried() knows the attempts of this request only', () => {
  const seen: boolean[][] = []
  const method: Method<string> = peers => {
    const picker = roundRobin(peers)
    return {
      pick (context) {
        seen.push(peers.map((_, index) => context.tried(index)))
        return picker.pick(context)
      }
    }
  }
  const { group } = testGroup(weighted(1, 1), { method })
  assert.deepEqual(exhaust(group.begin(), 'next'), ['A', 'B'])
  assert.deepEqual(seen.splice(0), [[false, false], [true, false], [true, true]])
  assert.deepEqual(exhaust(group.begin(), 'next'), ['B', 'A'])
  assert.deepEqual(seen, [[false, false], [false, true], [true, true]])
})
