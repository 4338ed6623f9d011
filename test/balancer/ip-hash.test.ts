// ip_hash: which server a client's address leads to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipHash, networkOf } from '../../lib/balancer/ip-hash.ts'
import { exhaust, testGroup, weighted } from './model.ts'

const names = (clientAddress: string | undefined, ...weights: number[]): string | undefined =>
  testGroup(weighted(...weights), { method: ipHash }).group.begin({ clientAddress }).next()?.name

test('the servers of known addresses, by weights 1, 2, 1', () => {
  assert.equal(names('10.0.0.7', 1, 2, 1), 'B')
  assert.equal(names('192.0.2.1', 1, 2, 1), 'C')
  assert.equal(names('2001:db8::1', 1, 2, 1), 'A')
})

test('the hash itself', () => {
  const hash = (address: string): number => networkOf(address).reduce((sum, byte) => (sum * 113 + byte) % 6271, 89)
  assert.deepEqual(['10.0.0.7', '192.0.2.1', '2001:db8::1'].map(hash), [2565, 6255, 2600])
})

test('of IPv4 three bytes count, of IPv6 all, of anything else none', () => {
  const bytes = (address: string): string => Buffer.from(networkOf(address)).toString('hex')
  assert.equal(bytes('10.1.2.3'), '0a0102')
  assert.equal(bytes('::'), '0'.repeat(32))
  assert.equal(bytes('::1'), `${'0'.repeat(30)}01`)
  assert.equal(bytes('2001:db8::1'), '20010db8000000000000000000000001')
  assert.equal(bytes('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008')
  assert.equal(bytes('fe80::1:2%eth0'), 'fe800000000000000000000000010002')
  assert.equal(bytes('64:ff9b::192.0.2.33'), '0064ff9b0000000000000000c0000221')
  assert.equal(bytes('1::'), `0001${'0'.repeat(28)}`)
  assert.equal(bytes(''), '000000')
  assert.equal(bytes('unix:'), '000000')
  assert.equal(names('10.0.0.7', 1, 2, 1), names('10.0.0.200', 1, 2, 1))
})

test('a client keeps its server while that is there, and the others keep theirs when one goes', () => {
  const { group, peer } = testGroup(weighted(1, 2, 1), { method: ipHash })
  const serverOf = (clientAddress: string): string | undefined => {
    const selection = group.begin({ clientAddress })
    const picked = selection.next()
    if (picked !== undefined) selection.release(picked, 'ok')
    return picked?.name
  }
  const clients = Array.from({ length: 256 }, (_, n) => `10.0.${n}.1`)
  const before = clients.map(serverOf)
  assert.deepEqual(new Set(before), new Set(['A', 'B', 'C']))
  assert.deepEqual(clients.map(serverOf), before)
  peer('B').down = true
  const without = clients.map(serverOf)
  without.forEach((name, index) => {
    if (before[index] === 'B') assert.notEqual(name, 'B')
    else assert.equal(name, before[index])
  })
  peer('B').down = false
  assert.deepEqual(clients.map(serverOf), before)
})

test('later tries go on from where the hash is, and end in round robin', () => {
  const { group } = testGroup(weighted(1, 1, 1, 1), { method: ipHash })
  const order = exhaust(group.begin({ clientAddress: '10.0.0.7' }), 'next')
  assert.deepEqual([...order].sort(), ['A', 'B', 'C', 'D'])
  assert.deepEqual(exhaust(group.begin({ clientAddress: '10.0.0.7' }), 'next'), order)
  // A weight that the hash will not meet 20 times in a row.
  const rare = testGroup([{ name: 'A', weight: 1 }, { name: 'B', weight: 100_000, down: true }], { method: ipHash })
  assert.equal(rare.group.begin({ clientAddress: '10.0.0.7' }).next()?.name, 'A')
})

test('no address: round robin', () => {
  const { attempt } = testGroup(weighted(5, 1, 1), { method: ipHash })
  assert.equal(Array.from({ length: 7 }, () => attempt('ok')).join(''), 'AABACAA')
})
