// The simulation of benchmarks/balance, with small numbers: what the methods promise, within bounds that leave room for chance.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distribution } from '../../benchmarks/balance/distribution.ts'
import { METHODS } from '../../benchmarks/balance/methods.ts'
import { movedKeys } from '../../benchmarks/balance/moved-keys.ts'
import { page } from '../../benchmarks/balance/page.ts'
import { recovery } from '../../benchmarks/balance/recovery.ts'
import { slowServer } from '../../benchmarks/balance/slow-server.ts'

const all = Object.keys(METHODS)
const machine = { date: '2026-01-01', cpu: 'a CPU', cores: 1, kernel: 'a kernel', node: 'v20', commit: 'none', load: 0 }

function byMethod<R extends { method: string }> (rows: readonly R[]): (method: string) => R {
  assert.equal(new Set(rows.map(({ method }) => method)).size, rows.length)
  return method => {
    const row = rows.find(other => other.method === method)
    assert(row)
    return row
  }
}

const shares = distribution(40_000)
const moved = movedKeys(20_000, 10)
const slow = slowServer(20_000)
const back = recovery(10_000)

test('distribution: every method gives every server its share', () => {
  const of = byMethod(shares)
  assert.deepEqual(shares.map(({ method }) => method), all)
  const bounds: Record<string, number> = { round_robin: 0.001, 'hash, consistent': 0.25, 'least_time last byte, inflight': 0.3 }
  for (const { method, error } of shares) assert(error < (bounds[method] ?? 0.12), `${method}: ${error}`)
  assert(of('round_robin').error < of('random').error)
})

test('keys: a consistent hash moves the share of the new server, within a tenth, and no other key', () => {
  const { mean, astray } = byMethod(moved)('hash, consistent')
  assert(Math.abs(mean * 101 - 1) < 0.1, `${mean}`)
  assert.equal(astray, 0)
  assert(byMethod(moved)('hash').mean > 0.9)
})

test('a slow server: least_time and random two keep clear of it', () => {
  const of = byMethod(slow)
  const { p99 } = of('round_robin')
  assert(p99 > 800)
  for (const method of ['least_time header', 'least_time last byte', 'least_time last byte, inflight']) {
    assert(of(method).p99 < p99 / 3, `${method}: ${of(method).p99} of ${p99}`)
  }
  assert(of('random two').p99 < p99 / 1.8)
})

test('recovery: all are back, and none starves', () => {
  assert.deepEqual(back.map(({ method }) => method), all)
  for (const { method, first, all: allBack, least, longestGap, probes } of back) {
    assert(first <= 1010 && allBack <= 1500, `${method}: ${first}, ${allBack}`)
    assert(least > 0.75 && longestGap < 400, `${method}: ${least}, ${longestGap}`)
    // One for each server and failTimeout.
    assert(probes <= 12)
  }
})

test('the same at each run, and the page has a row for each', () => {
  assert.deepEqual(slowServer(500), slowServer(500))
  assert.deepEqual(distribution(500), distribution(500))
  const text = page({ machine, distribution: shares, movedKeys: moved, slowServer: slow, recovery: back })
  for (const method of all) assert.equal(text.split(`| ${method.padEnd(30)} |`).length, 4, method)
  assert.doesNotMatch(text, /NaN|undefined|Infinity/)
})
