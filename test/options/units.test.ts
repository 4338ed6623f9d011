import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_TIME, parseLifetime, parseSize, parseTime, show } from '../../lib/options/units.ts'

test('times', () => {
  for (const [value, ms] of [
    [0, 0], [1500, 1500], [0.5, 0.5], ['0s', 0], ['0.4ms', 1], ['0.0001s', 1], ['1.4ms', 1], ['500ms', 500], ['60s', 60_000], ['1.5s', 1500], ['10m', 600_000], ['1h', 3_600_000],
    ['1d', 86_400_000], [' 5s ', 5000],
    ['1h30m', 5_400_000], ['1h 30m', 5_400_000], ['1d12h', 129_600_000], ['1m1s1ms', 61_001], ['1w2d 3h  4m5s6ms', 788_645_006], ['1m30s', 90_000], ['1.5m1s', 91_000], [MAX_TIME, MAX_TIME],
  ] as const) assert.equal(parseTime('t', value), ms, String(value))
  for (const value of [-1, NaN, Infinity, MAX_TIME + 1, '', 's', '5 s', '5x', '30m1h', '1s1s', '1m 1m', '1ms1s', '1m30', '1h 30', '1h,30m', '1h-30m', '1H', '1MS', '1.5.5s', '1constructor', '1M', '-5s', '1e3', '25d', '0', '5', '250', ' 5 ', '1.5', null, true, {}, [], () => 1, 5n]) {
    assert.throws(() => parseTime('readTimeout', value), (error: Error & { code: string }) => {
      assert.equal(error.code, 'FST_SCGI_OPT_INVALID')
      assert.ok(error instanceof TypeError)
      assert.ok(error.message.includes("'readTimeout'") && error.message.includes(show(value)) && error.message.includes('milliseconds'), error.message)
      return true
    }, String(value))
  }
})

test('lifetimes may be longer than a timer', () => {
  for (const [value, ms] of [
    [0, 0], ['60s', 60_000], ['25d', 2_160_000_000], ['2w', 1_209_600_000], ['1y', 31_536_000_000], [MAX_TIME + 1, MAX_TIME + 1], ['100y', 3_153_600_000_000],
    ['1M', 2_592_000_000], ['1y6M', 47_088_000_000], ['1y 1M 1w 1d 1h 1m 1s', 34_822_861_000], ['1M30m', 2_593_800_000],
  ] as const) assert.equal(parseLifetime('t', value), ms, String(value))
  for (const value of [-1, NaN, Infinity, '101y', '', 'y', '1 y', '10', '1month', '1m1M', '1M1y', '1M 1', null, true, {}]) {
    assert.throws(() => parseLifetime('cache.valid', value), (error: Error & { code: string }) => {
      assert.equal(error.code, 'FST_SCGI_OPT_INVALID')
      assert.ok(error.message.includes("'cache.valid'") && error.message.includes(show(value)) && error.message.includes("'1y'"), error.message)
      return true
    }, String(value))
  }
})

test('sizes', () => {
  for (const [value, size] of [[0, 0], [4096, 4096], ['0', 0], ['100', 100], ['8k', 8192], ['8K', 8192], ['1m', 1_048_576], ['2g', 2_147_483_648], [' 1k ', 1024]] as const) {
    assert.equal(parseSize('s', value), size, String(value))
  }
  for (const value of [-1, 0.5, NaN, Infinity, 2 ** 53, '', 'k', '1.5k', '1kb', '1t', '-1k', '99999999999g', null, false, {}, []]) {
    assert.throws(() => parseSize('bufferSize', value), (error: Error & { code: string }) => {
      assert.equal(error.code, 'FST_SCGI_OPT_INVALID')
      assert.ok(error.message.includes("'bufferSize'") && error.message.includes(show(value)) && error.message.includes('bytes'), error.message)
      return true
    }, String(value))
  }
})

test('values in messages', () => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  for (const [value, text] of [
    ['a', '"a"'], [1, '1'], [undefined, 'undefined'], [null, 'null'], [{ a: [1] }, '{"a":[1]}'], [5n, '5'], [NaN, 'NaN'], [-Infinity, '-Infinity'], [circular, '[object Object]'],
    [function named () {}, 'function named'], [(() => () => {})(), 'function (anonymous)'], [Symbol('s'), 'Symbol(s)'],
    ['x'.repeat(200), `"${'x'.repeat(96)}...`], [Object.create(null), '{}'],
  ] as const) assert.equal(show(value), text)
})
