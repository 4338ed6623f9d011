// hash: which server a key leads to.
import assert from 'node:assert/strict'
import { crc32 as zlibCrc32 } from 'node:zlib'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32, crc32Text, crc32Word } from '../../lib/balancer/crc32.ts'
import { hash } from '../../lib/balancer/hash.ts'
import type { PickRequest } from '../../lib/balancer/method.ts'
import { exhaust, testGroup, weighted } from './model.ts'
import type { PeerSpec } from './model.ts'

const byText = hash<string>((request: PickRequest) => String(request.source ?? ''))
const start = (specs: PeerSpec[]) => testGroup(specs, { method: byText })

test('the servers of known keys, by weights 1, 2, 1', () => {
  const expected: Record<string, string> = { key0: 'C', key1: 'A', key2: 'B', key3: 'B', key7: 'C' }
  for (const [source, name] of Object.entries(expected)) {
    assert.equal(start(weighted(1, 2, 1)).group.begin({ source }).next()?.name, name, source)
  }
})

test('the servers of a request that goes on are those of an independent model', () => {
  const weights = [1, 2, 1, 3]
  fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 20 }), source => {
    // Rounds until every server was met, or 20 rejections.
    const ends = weights.map((_, index) => weights.slice(0, index + 1).reduce((sum, weight) => sum + weight))
    const order: string[] = []
    let sum = 0
    for (let round = 0, rejections = 0; order.length < weights.length && rejections <= 20; round++) {
      sum = (sum + (zlibCrc32((round > 0 ? String(round) : '') + source) >>> 16 & 0x7fff)) >>> 0
      const name = String.fromCharCode(65 + ends.findIndex(end => sum % 7 < end))
      if (order.includes(name)) rejections++
      else order.push(name)
    }
    assert.deepEqual(exhaust(start(weighted(...weights)).group.begin({ source }), 'next').slice(0, order.length), order)
  }))
})

test('the sum is that of zlib, however it is cut', () => {
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), fc.nat(0xffffffff), fc.string({ unit: 'binary' }), (one, two, word, text) => {
    assert.equal(crc32Text(text, crc32(one)), zlibCrc32(text, zlibCrc32(one)))
    assert.equal(crc32(one), zlibCrc32(one))
    assert.equal(crc32(two, crc32(one)), zlibCrc32(Buffer.concat([one, two])))
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(word)
    assert.equal(crc32Word(word, crc32(one)), zlibCrc32(Buffer.concat([one, bytes])))
  }))
})

test('no key: round robin; too many servers that are out: round robin', () => {
  const { group, attempt } = start(weighted(5, 1, 1))
  const picked = Array.from({ length: 7 }, (_, n) => {
    if (n % 2 === 0) return attempt('ok')
    const selection = group.begin({ source: '' })
    const peer = selection.next()
    assert(peer)
    selection.release(peer, 'ok')
    return peer.name
  })
  assert.equal(picked.join(''), 'AABACAA')
  const rare = start([{ name: 'A', weight: 1 }, { name: 'B', weight: 100_000, down: true }])
  assert.equal(rare.group.begin({ source: 'key' }).next()?.name, 'A')
})

test('a server that is out keeps its place: the keys of the others do not move', () => {
  const { group, peer } = start(weighted(1, 1, 1, 1))
  const serverOf = (source: string): string | undefined => {
    const selection = group.begin({ source })
    const picked = selection.next()
    if (picked !== undefined) selection.release(picked, 'ok')
    return picked?.name
  }
  const keys = Array.from({ length: 200 }, (_, n) => `key${n}`)
  const before = keys.map(serverOf)
  peer('C').healthy = false
  keys.map(serverOf).forEach((name, index) => {
    if (before[index] === 'C') assert.notEqual(name, 'C')
    else assert.equal(name, before[index])
  })
})
