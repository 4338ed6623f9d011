// Rounds are spread over several processes of what runs on Node.js: each is new, warmed up, and has as many of them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describePlan, measureLanes } from '../../benchmarks/lib/pairs.ts'
import { readOptions } from '../../benchmarks/lib/options.ts'
import type { Round } from '../../benchmarks/lib/measure.ts'

const empty: Round = {
  requests: 1, requestsPerSecond: 1, p50: 1, p99: 1, p999: 1, user: 1, system: 1, rss: 1, accept: 1, opened: 1, firstP99: 1, lateP99: 1,
}

/** Lanes on contestants of their own, one of them compiled and one with two lanes, and what is done with them. */
function lanes () {
  const done: string[] = []
  const contestant = (name: string, native: boolean) => ({ native, renew: async () => { done.push(`new ${name}`) } })
  const ours = contestant('ours', false)
  const lane = (name: string, of: ReturnType<typeof contestant>) => ({
    name,
    contestant: of,
    prepare: async () => { done.push(`warm-up ${name}`) },
    round: async () => {
      done.push(name)
      return empty
    },
  })
  return { done, all: [lane('a', ours), lane('b', contestant('nginx', true)), lane('c', ours), lane('d', contestant('floor', false))] }
}

test('each generation has new processes of what runs on Node.js, a warm-up and its rounds', async () => {
  const { done, all } = lanes()
  await measureLanes(all, { rounds: 2, processes: 3 }, () => {})
  const warmUp = ['warm-up a', 'warm-up b', 'warm-up c', 'warm-up d']
  const rounds = (from: number) => done.slice(from, from + 8).sort()
  assert.equal(done.length, 3 * 12 + 2 * 2)
  assert.deepEqual(done.slice(0, 4), warmUp)
  assert.deepEqual(rounds(4), ['a', 'a', 'b', 'b', 'c', 'c', 'd', 'd'])
  for (const from of [12, 26]) {
    assert.deepEqual(done.slice(from, from + 2), ['new ours', 'new floor'])
    assert.deepEqual(done.slice(from + 2, from + 6), warmUp)
    assert.deepEqual(rounds(from + 6), ['a', 'a', 'b', 'b', 'c', 'c', 'd', 'd'])
  }
})

test('one process stays where one is asked for', async () => {
  const { done, all } = lanes()
  await measureLanes(all, { rounds: 1, processes: 1 }, () => {})
  assert.equal(done.some((text) => text.startsWith('new')), false)
})

test('the number of processes is an option, and is told', () => {
  assert.equal(readOptions([])?.processes, 3)
  assert.equal(readOptions(['--processes', '5'])?.processes, 5)
  for (const text of ['0', '21', '1.5']) assert.throws(() => readOptions(['--processes', text]), /--processes: .* is not a whole number from 1 to 20/)
  assert.equal(describePlan({ rounds: 5, processes: 3 }), '5 rounds with each of 3 processes of what runs on Node.js.')
  assert.equal(describePlan({ rounds: 1, processes: 1 }), '1 round, one process of each peer.')
})
