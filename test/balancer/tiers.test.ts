// Priorities within a group: lbset, spare, standby, backup.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hash } from '../../lib/balancer/hash.ts'
import { leastConn } from '../../lib/balancer/least-conn.ts'
import { exhaust, testGroup, weighted } from './model.ts'
import type { PeerSpec, TestGroup } from './model.ts'

function turns ({ attempt }: TestGroup, count: number): string {
  return Array.from({ length: count }, () => attempt('ok')).join('')
}

test('lbset: the lowest set that can serve does, backups last of all', () => {
  const group = testGroup([
    { name: 'X', lbset: 2 }, { name: 'Z', backup: true }, { name: 'A' }, { name: 'Y', lbset: 1, weight: 2 }, { name: 'B' }, { name: 'W', backup: true, lbset: 1 },
  ])
  assert.equal(turns(group, 4), 'ABAB')
  group.peer('A').down = true
  assert.equal(turns(group, 2), 'BB')
  group.peer('B').drain = true
  assert.equal(turns(group, 2), 'YY')
  group.peer('A').down = false
  group.peer('B').drain = false
  assert.deepEqual(exhaust(group.group.begin(), 'next').slice(2), ['Y', 'X', 'Z', 'W'])
})

test('a standby serves while nobody else of its set can, before the next set', () => {
  const group = testGroup([{ name: 'S', standby: true }, ...weighted(1, 1), { name: 'Y', lbset: 1 }])
  assert.equal(turns(group, 4), 'ABAB')
  group.peer('A').healthy = false
  assert.equal(turns(group, 2), 'BB')
  group.peer('B').healthy = false
  assert.equal(turns(group, 2), 'SS')
  group.peer('S').healthy = false
  assert.equal(turns(group, 2), 'YY')
  group.peer('A').healthy = true
  assert.equal(turns(group, 2), 'AA')
})

test('spares take the places of those that are out, one each', () => {
  const group = testGroup([{ name: 'R', spare: true }, ...weighted(1, 1, 1), { name: 'Q', spare: true }, { name: 'S', standby: true }])
  const who = (): string => [...new Set(turns(group, 12))].sort().join('')
  assert.equal(who(), 'ABC')
  group.peer('B').down = true
  assert.equal(who(), 'ACR')
  group.peer('C').drain = true
  assert.equal(who(), 'AQR')
  // A spare that is out itself is no help.
  group.peer('R').healthy = false
  assert.equal(who(), 'AQ')
  group.peer('C').drain = false
  assert.equal(who(), 'ACQ')
  for (const name of ['A', 'B', 'C', 'Q']) group.peer(name).down = true
  assert.equal(who(), 'S')
})

test('a spare also helps a request whose server was tried', () => {
  const { group } = testGroup([...weighted(1), { name: 'R', spare: true }])
  assert.deepEqual(exhaust(group.begin(), 'next'), ['A', 'R'])
  assert.equal(group.begin().tries, 2)
})

test('every method goes by tiers', () => {
  const specs: PeerSpec[] = [...weighted(1, 1), { name: 'R', spare: true }, { name: 'S', standby: true }, { name: 'Y', lbset: 1 }, { name: 'Z', backup: true }]
  for (const method of [leastConn<string>, hash<string>(request => String(request.source))]) {
    const { group } = testGroup(specs, { method })
    const order = exhaust(group.begin({ source: 'key' }), 'next')
    assert.deepEqual(order.slice(0, 3).sort(), ['A', 'B', 'R'])
    assert.deepEqual(order.slice(3), ['S', 'Y', 'Z'])
    assert.match(group.begin({ source: 'key' }).next()?.name ?? '', /[AB]/)
  }
})
