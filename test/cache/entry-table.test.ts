// The memory store's entries: in the order of their use, each with its own times, wherever others come and go.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EntryTable, type Placed } from '../../lib/cache/stores/entry-table.ts'

interface Entry extends Placed {
  readonly name: number
}

test('the order is that of the last use, and every entry keeps its times', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), count: fc.integer({ min: 1, max: 100 }) }),
    fc.record({ kind: fc.constantFrom('use' as const, 'delete' as const), which: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
    fc.record({ kind: fc.constant('oldest' as const), count: fc.integer({ min: 1, max: 50 }) })
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const table = new EntryTable<Entry>()
    // The one used longest ago comes first.
    let model: { entry: Entry, usedAt: number }[] = []
    let now = 1_800_000_000_000
    let name = 0
    for (const step of steps) {
      now++
      if (step.kind === 'add') {
        for (let i = 0; i < step.count; i++) {
          const entry: Entry = { place: -1, name: ++name }
          table.add(entry, { cachedAt: name, staleAt: name + 0.5, deleteAt: name * 1e9 }, now)
          model.push({ entry, usedAt: now })
        }
      } else if (step.kind === 'oldest') {
        for (const { entry } of model.splice(0, step.count)) {
          assert.equal(table.oldest, entry)
          assert.equal(table.delete(entry), true)
        }
      } else {
        const chosen = model[Math.floor(step.which * model.length)]
        if (chosen === undefined) continue
        model = model.filter(one => one !== chosen)
        if (step.kind === 'delete') {
          assert.equal(table.delete(chosen.entry), true)
          assert.equal(table.delete(chosen.entry), false)
          assert.equal(table.has(chosen.entry), false)
        } else {
          table.use(chosen.entry, now)
          model.push({ entry: chosen.entry, usedAt: now })
        }
      }
      assert.equal(table.size, model.length)
      assert.equal(table.oldest, model[0]?.entry)
    }
    assert.deepEqual(new Set(table.all()), new Set(model.map(({ entry }) => entry)))
    for (const { entry, usedAt } of model) {
      const { name } = entry
      assert.equal(table.has(entry), true)
      assert.deepEqual(table.timesOf(entry), { cachedAt: name, staleAt: name + 0.5, deleteAt: name * 1e9 })
      assert.deepEqual([table.usedAt(entry), table.deleteAt(entry)], [usedAt, name * 1e9])
    }
    for (const { entry } of model) {
      assert.equal(table.oldest, entry)
      table.delete(entry)
    }
    assert.deepEqual([table.size, table.oldest, table.all()], [0, undefined, []])
  }), { numRuns: 100 })
})
