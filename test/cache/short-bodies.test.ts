import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ShortBodies, TOO_LONG, type BodyOwner } from '../../lib/cache/stores/short-bodies.ts'
import { pattern } from './store-kit.ts'

const PAGE = 32_768

interface Owner extends BodyOwner {
  readonly body: Buffer
}

function add (bodies: ShortBodies, length: number, seed: number): Owner {
  const body = pattern(length, seed)
  const owner: Owner = { page: undefined, slot: 0, body }
  const cut = Math.floor(length / 3)
  bodies.put(owner, [body.subarray(0, cut), body.subarray(cut)], length)
  return owner
}

const length = fc.oneof(fc.integer({ min: 0, max: TOO_LONG - 1 }), fc.constantFrom(0, 1, 64, 65, 512, 513, 1024, 4095))

test('a body is what was put, wherever it is moved; memory follows what there is', () => {
  fc.assert(fc.property(fc.array(fc.oneof(
    fc.record({ adds: length, copies: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ drops: fc.double({ min: 0, max: 1, noNaN: true }) })
  ), { maxLength: 30 }), steps => {
    const bodies = new ShortBodies()
    let owners: Owner[] = []
    let seed = 0
    for (const step of steps) {
      if ('adds' in step) {
        for (let i = 0; i < step.copies; i++) owners.push(add(bodies, step.adds, seed++))
      } else {
        // Not one after the other, so that pages are left with holes.
        const gone = owners.filter((_, index) => (index * 7919 % 1000) / 1000 < step.drops)
        for (const owner of gone) bodies.delete(owner)
        owners = owners.filter(owner => !gone.includes(owner))
      }
      for (const owner of owners) assert.ok(bodies.get(owner, owner.body.length).equals(owner.body))
      const taken = owners.reduce((sum, { body }) => sum + bodies.sizeOf(body.length), 0)
      const sizes = new Set(owners.map(({ body }) => bodies.sizeOf(body.length))).size
      // A page has some bytes at its end that make no slot.
      assert.ok(bodies.memory <= taken * 1.2 + 20 * 2 * PAGE, `${bodies.memory} bytes for ${taken} of ${sizes} sizes`)
    }
  }), { numRuns: 60 })
})

test('a few that stay do not keep the memory of all that were there', () => {
  const bodies = new ShortBodies()
  const owners = Array.from({ length: 10_000 }, (_, i) => add(bodies, 1000, i))
  assert.ok(bodies.memory >= 10_000 * 1024)
  const kept = owners.filter((_, i) => i % 100 === 0)
  for (const [i, owner] of owners.entries()) if (i % 100 !== 0) bodies.delete(owner)
  assert.ok(bodies.memory <= 100 * 1024 + 2 * PAGE, String(bodies.memory))
  for (const owner of kept) assert.ok(bodies.get(owner, 1000).equals(owner.body))
})

test('what was handed out stays what it was when the slot is used again', () => {
  const bodies = new ShortBodies()
  const first = add(bodies, 100, 1)
  const copy = bodies.get(first, 100)
  bodies.delete(first)
  const second = add(bodies, 100, 2)
  assert.ok(copy.equals(first.body) && !copy.equals(second.body))
})

test('sizes: no slot is much larger than what it holds, and what is too long is refused', () => {
  const bodies = new ShortBodies()
  for (let n = 0; n < TOO_LONG; n++) {
    const size = bodies.sizeOf(n)
    assert.ok(size >= n && size <= Math.max(64, n * 1.25 + 64), `${n}: ${size}`)
  }
  assert.equal(bodies.sizeOf(TOO_LONG), TOO_LONG)
  assert.throws(() => bodies.sizeOf(TOO_LONG + 1), RangeError)
})

test('of an owner without a body there is nothing to get, and nothing to delete', () => {
  const bodies = new ShortBodies()
  const owner = add(bodies, 10, 1)
  bodies.delete(owner)
  assert.throws(() => bodies.get(owner, 10), RangeError)
  bodies.delete(owner)
  assert.equal(bodies.memory, PAGE)
})

test('a body of another length than it is said to have is refused, and takes no place', () => {
  const bodies = new ShortBodies()
  const owner: BodyOwner = { page: undefined, slot: 0 }
  for (const length of [9, 11, 0]) assert.throws(() => bodies.put(owner, [pattern(10, 1)], length), RangeError)
  assert.deepEqual([owner.page, bodies.memory], [undefined, 0])
})
