import assert from 'node:assert/strict'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'node:test'
import fc from 'fast-check'
import { ActiveList, type Listed } from '../../lib/runtime/active-list.ts'

class One implements Listed {
  place = -1
  readonly load: number[]

  constructor (load: number[] = []) {
    this.load = load
  }
}

test('a list holds what was added and not deleted, each once', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), steps => {
    const ones = Array.from({ length: 10 }, () => new One())
    const list = new ActiveList<One>()
    const model = new Set<One>()
    for (const [adds, index] of steps) {
      const one = ones[index]
      assert.ok(one !== undefined)
      if (adds) {
        list.add(one)
        model.add(one)
      } else {
        assert.equal(list.delete(one), model.delete(one))
      }
      assert.equal(list.size, model.size)
      assert.deepEqual(new Set(list.all()), model)
      assert.equal(list.all().length, model.size)
    }
  }))
})

test('one that is on another list is not on this one', () => {
  const [first, second] = [new ActiveList<One>(), new ActiveList<One>()]
  const [one, other] = [new One(), new One()]
  first.add(one)
  second.add(other)
  assert.equal(first.delete(other), false)
  assert.deepEqual([first.all(), second.all()], [[one], [other]])
})

test('those that leave while they are gone through do not disturb it', () => {
  const list = new ActiveList<One>()
  for (let i = 0; i < 5; i++) list.add(new One())
  let visited = 0
  for (const one of list.all()) {
    visited++
    list.delete(one)
    if (visited === 2) list.add(new One())
  }
  assert.deepEqual([visited, list.size], [5, 1])
})

test('what has left is garbage for the next small collection: it does not become old', () => {
  const oldSpace = (): number => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')?.space_used_size ?? 0
  const list = new ActiveList<One>()
  const churn = (count: number): void => {
    const there: (One | undefined)[] = []
    for (let i = 0; i < count; i++) {
      const gone = there[i % 64]
      if (gone !== undefined) list.delete(gone)
      const one = there[i % 64] = new One(new Array<number>(128).fill(i))
      list.add(one)
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
