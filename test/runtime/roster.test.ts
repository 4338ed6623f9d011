import assert from 'node:assert/strict'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'node:test'
import fc from 'fast-check'
import { Roster, type Listed } from '../../lib/runtime/roster.ts'

class One implements Listed {
  place = -1
  readonly load: number[]

  constructor (load: number[] = []) {
    this.load = load
  }
}

test('a roster holds what was added and not deleted, each once', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), steps => {
    const ones = Array.from({ length: 10 }, () => new One())
    const roster = new Roster<One>()
    const model = new Set<One>()
    for (const [adds, index] of steps) {
      const one = ones[index]
      assert.ok(one !== undefined)
      if (adds) {
        roster.add(one)
        model.add(one)
      } else {
        assert.equal(roster.delete(one), model.delete(one))
      }
      assert.equal(roster.size, model.size)
      assert.deepEqual(new Set(roster.all()), model)
      assert.equal(roster.all().length, model.size)
    }
  }))
})

test('one that is on another roster is not on this one', () => {
  const [first, second] = [new Roster<One>(), new Roster<One>()]
  const [one, other] = [new One(), new One()]
  first.add(one)
  second.add(other)
  assert.equal(first.delete(other), false)
  assert.deepEqual([first.all(), second.all()], [[one], [other]])
})

test('those that leave while they are gone through do not disturb it', () => {
  const roster = new Roster<One>()
  for (let i = 0; i < 5; i++) roster.add(new One())
  let visited = 0
  for (const one of roster.all()) {
    visited++
    roster.delete(one)
    if (visited === 2) roster.add(new One())
  }
  assert.deepEqual([visited, roster.size], [5, 1])
})

test('what has left is garbage for the next small collection: it does not become old', () => {
  const oldSpace = (): number => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0
  const roster = new Roster<One>()
  const churn = (count: number): void => {
    const there: (One | undefined)[] = []
    for (let i = 0; i < count; i++) {
      const gone = there[i % 64]
      if (gone !== undefined) roster.delete(gone)
      const one = there[i % 64] = new One(new Array<number>(128).fill(i))
      roster.add(one)
    }
  }
  churn(20_000)
  // A full collection makes everything old that is there: from then on the table of a Set would keep all that come after it.
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  const before = oldSpace()
  // 100 MB pass through; with a Set some 10 MB and more of them stay until a full collection.
  churn(100_000)
  const grown = oldSpace() - before
  assert.ok(grown < 2_000_000, `${grown} bytes more in the old generation`)
})
