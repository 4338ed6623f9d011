// hash, consistent: the circle, which server a key leads to, and how few keys move.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Circle, consistentHash } from '../../lib/balancer/consistent-hash.ts'
import { crc32 } from '../../lib/balancer/crc32.ts'
import type { PickRequest } from '../../lib/balancer/method.ts'
import { exhaust, testGroup } from './model.ts'
import type { PeerSpec, TestGroup } from './model.ts'

const method = consistentHash<string>((request: PickRequest) => String(request.source ?? ''))
const three: PeerSpec[] = [{ name: '127.0.0.1:9101' }, { name: '127.0.0.1:9102', weight: 2 }, { name: '127.0.0.1:9103' }]

function serverOf ({ group }: TestGroup, source: string): string {
  const selection = group.begin({ source })
  const peer = selection.next()
  assert(peer)
  selection.release(peer, 'ok')
  return peer.name
}

test('the points of known servers', () => {
  const circle = new Circle(three.map(({ name, weight = 1 }) => ({ server: name, weight })))
  assert.equal(circle.points.length, 640)
  assert.equal(circle.points[0], 0x01cd55e8)
  assert.deepEqual(circle.serverAt(0), [1])
  assert.deepEqual(circle.points, circle.points.slice().sort())
})

test('the servers of known keys', () => {
  const group = testGroup(three, { method })
  const expected: Record<string, [number, string]> = {
    key0: [0x5b5b54c6, '127.0.0.1:9101'],
    key1: [0x2c5c6450, '127.0.0.1:9102'],
    key3: [0xc252057c, '127.0.0.1:9103'],
    key9: [0x2287ec62, '127.0.0.1:9101'],
  }
  for (const [key, [sum, name]] of Object.entries(expected)) {
    assert.equal(crc32(Buffer.from(key)), sum)
    assert.equal(serverOf(group, key), name, key)
  }
})

test('host and port are what the points are made of: ports may be missing, unix sockets have none', () => {
  const first = (server: string): number | undefined => new Circle([{ server, weight: 1 }]).points[0]
  const texts = ['app:9', 'app:8', 'app', 'ap:9', 'unix:/app', '[::1]:9']
  assert.equal(new Set(texts.map(first)).size, texts.length)
  assert.equal(first('app:'), first('app'))
  // The first point of all comes of a sum over host, NUL, port and four zeros.
  for (const [server, host, port] of [['app:9', 'app', '9'], ['unix:/run/a:1', '/run/a:1', ''], ['[::1]:9', '[::1]', '9']] as const) {
    assert(new Circle([{ server, weight: 1 }]).points.includes(crc32(Buffer.from(`${host}\0${port}\0\0\0\0`))), server)
  }
})

test('when a server comes or goes only its own keys move, whatever the order', () => {
  const specs = Array.from({ length: 10 }, (_, n) => ({ name: `10.0.0.${n}:4000` }))
  const keys = Array.from({ length: 2000 }, (_, n) => `key ${n}`)
  const servers = (list: PeerSpec[]): string[] => {
    const group = testGroup(list, { method })
    return keys.map(key => serverOf(group, key))
  }
  const all = servers(specs)
  assert.deepEqual(servers([...specs].reverse()), all)
  servers(specs.slice(1)).forEach((name, index) => {
    if (all[index] !== specs[0]?.name) assert.equal(name, all[index])
  })
})

test('addresses of one server share its points and take turns', () => {
  const group = testGroup([
    { name: '10.0.0.1:4000', server: 'app:4000', weight: 1 }, { name: '10.0.0.2:4000', server: 'app:4000', weight: 1 }, { name: 'other:4000' },
  ], { method })
  const keys = Array.from({ length: 100 }, (_, n) => `key ${n}`)
  const own = keys.filter(key => serverOf(group, key) !== 'other:4000')
  const turns = own.map(key => serverOf(group, key))
  assert.equal(turns.filter(name => name === '10.0.0.1:4000').length, Math.floor(own.length / 2))
  turns.forEach((name, index) => assert.notEqual(name, turns[index + 1]))
  // One of them out: the other has it all, before a key moves on.
  group.peer('10.0.0.1:4000').down = true
  for (const key of own) assert.equal(serverOf(group, key), '10.0.0.2:4000')
})

test('a request that goes on follows the circle, and ends in round robin', () => {
  const group = testGroup(three, { method })
  const order = exhaust(group.group.begin({ source: 'key0' }), 'next')
  assert.equal(order.length, 3)
  assert.deepEqual(exhaust(group.group.begin({ source: 'key0' }), 'next'), order)
  const rare = testGroup([{ name: 'a:1' }, { name: 'b:1', weight: 1000, down: true }], { method })
  for (let n = 0; n < 20; n++) assert.equal(serverOf(rare, `key ${n}`), 'a:1')
})

test('no key: round robin', () => {
  const { group } = testGroup(three, { method })
  assert.deepEqual(exhaust(group.begin(), 'next'), ['127.0.0.1:9102', '127.0.0.1:9101', '127.0.0.1:9103'])
})
