// How many closed connections wait for their next use.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { Spares } from '../../lib/connections/spares.ts'

const PERIOD = 10_000

/** Takes so many, or makes them where there are none, and keeps them all. Gives how many were made. */
function useAtOnce (spares: Spares<object>, count: number): number {
  let made = 0
  const used = Array.from({ length: count }, () => {
    const spare = spares.take()
    if (spare === undefined) made++
    return spare ?? {}
  })
  for (const item of used) spares.keep(item)
  return made
}

function pass (periods: number): void {
  for (let passed = 0; passed < periods; passed++) mock.timers.tick(PERIOD)
}

test('spares follow the peak of what was in use at once, up to a bound, and shrink when it is over', t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.after(() => mock.timers.reset())
  const spares = new Spares<object>()
  assert.equal(useAtOnce(spares, 256), 256)
  pass(5)
  assert.equal(spares.size, 256, 'a few are kept for ever')

  assert.equal(useAtOnce(spares, 3000), 3000 - 256)
  for (let periods = 0; periods < 5; periods++) {
    assert.equal(useAtOnce(spares, 3000), 0, 'each is used again while the load lasts')
    pass(1)
  }
  useAtOnce(spares, 3000)
  for (let periods = 0; periods < 3; periods++) {
    useAtOnce(spares, 1000)
    pass(1)
  }
  assert.equal(spares.size, 1000, 'the load has become less')
  pass(2)
  assert.equal(spares.size, 256, 'and has gone')

  useAtOnce(spares, 12_000)
  assert.equal(spares.size, 10_000)
  pass(2)
  assert.equal(spares.size, 256)
})

test('the one used last comes first', () => {
  const spares = new Spares<string>()
  assert.equal(spares.take(), undefined)
  spares.keep('a')
  spares.keep('b')
  assert.deepEqual([spares.take(), spares.take(), spares.take()], ['b', 'a', undefined])
})
