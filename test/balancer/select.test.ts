// A method of the user's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { select } from '../../lib/balancer/select.ts'
import { exhaust, testGroup, weighted } from './model.ts'
import type { BalanceContext, UpstreamServer } from '../../types/upstream.ts'

test('it chooses among the servers that may serve, and sees the request', () => {
  const seen: unknown[] = []
  const { group, peer } = testGroup(weighted(1, 1, 1), {
    method: select(({ request, clientAddress, servers }) => {
      seen.push([request, clientAddress, servers.map(({ name }) => name)])
      return servers.at(-1)
    }),
  })
  peer('B').down = true
  assert.deepEqual(exhaust(group.begin({ source: 7, clientAddress: '10.0.0.1' }), 'next'), ['C', 'A'])
  assert.deepEqual(seen, [[7, '10.0.0.1', ['A', 'C']], [7, '10.0.0.1', ['A']]])
})

test('undefined leaves it to round robin', () => {
  const { attempt } = testGroup(weighted(5, 1, 1), { method: select(() => undefined) })
  assert.equal(Array.from({ length: 7 }, () => attempt('ok')).join(''), 'AABACAA')
})

test('what is none of them, and what it throws, is an error, and nothing is taken', () => {
  const elsewhere = testGroup(weighted(1)).peer('A')
  const wrong: ((context: BalanceContext<unknown>) => UpstreamServer)[] = [() => elsewhere, () => Object.create(elsewhere)]
  for (const choose of wrong) {
    const { group } = testGroup(weighted(1, 1), { method: select(choose) })
    assert.throws(() => group.begin().next(), { code: 'FST_SCGI_SELECT' })
    assert.deepEqual(group.servers.map(({ active }) => active), [0, 0])
  }
  const { group, peer } = testGroup(weighted(1, 1), { method: select(() => peer('A')) })
  peer('A').drain = true
  assert.throws(() => group.begin().next(), { code: 'FST_SCGI_SELECT' })
  const thrown = testGroup(weighted(1, 1), { method: select(() => { throw new RangeError('mine') }) })
  assert.throws(() => thrown.group.begin().next(), RangeError)
})
