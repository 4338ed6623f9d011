// What the bench computes: its statistics, when the requests of an open loop are due, the page that it writes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Schedule } from '../../benchmarks/load/schedule.ts'
import { readBlocks, updatePage } from '../../benchmarks/lib/page.ts'
import { median, pairedRatios, scale, spread } from '../../benchmarks/lib/stats.ts'
import { formatTable, readTable } from '../../benchmarks/lib/table.ts'
import { targetTable } from '../../benchmarks/lib/targets.ts'
import { Mixer, mix } from '../../benchmarks/soak/mix.ts'
import { holds, planOf, windowOf } from '../../benchmarks/soak/windows.ts'

test('medians, spreads and ratios of pairs', () => {
  for (const [values, expected] of [[[3], 3], [[9, 1, 5], 5], [[4, 1, 3, 2], 2.5], [[10, 9, 100], 10]] as const) {
    assert.equal(median(values), expected)
  }
  assert.ok(Number.isNaN(median([])))
  assert.deepEqual(spread([2, 8, 5]), { median: 5, lower: 3.5, upper: 6.5, min: 2, max: 8 })
  assert.deepEqual(scale(spread([2, 8, 5]), 10), { median: 50, lower: 35, upper: 65, min: 20, max: 80 })
  assert.deepEqual(pairedRatios([2, 9, 5], [1, 3]), [2, 3])
})

test('the requests of an open loop are due at a constant rate, whatever became of those before', () => {
  const schedule = new Schedule(200, 1000) // each 5 ms
  assert.equal(schedule.take(999.9), undefined)
  assert.equal(schedule.take(1000), 1000)
  assert.equal(schedule.take(1004.9), undefined)
  // The generator was held up for 21 ms: all that were due meanwhile are sent late, each with the time at which it was due.
  const due = []
  for (let at = schedule.take(1026); at !== undefined; at = schedule.take(1026)) due.push(at)
  assert.deepEqual(due, [1005, 1010, 1015, 1020, 1025])
  assert.equal(schedule.taken, 6)
  assert.throws(() => new Schedule(0, 0), RangeError)
})

test('a rate that divides no whole time does not drift', () => {
  const schedule = new Schedule(2999, 0)
  let sent = 0
  for (let now = 0; now < 60_000; now += 7) while (schedule.take(now) !== undefined) sent++
  assert.equal(sent, Math.floor(59_997 * 2999 / 1000) + 1)
})

test('a table is read as it was written', () => {
  const lines = [['a', '1.00'], ['b c', '–']]
  assert.deepEqual(readTable(formatTable(['what', 'value'], lines, 1)), lines)
})

test('targets that a run has not measured stay as an earlier run has left them', () => {
  const value = (median: number) => spread([median - 0.2, median - 0.1, median, median + 0.1, median + 0.2])
  const first = targetTable('', [{ target: '1 kB over unix / floor', value: value(1.05) }, { target: 'RSS at rest', value: value(71) }], 'run one')
  const disk = 'miss and store on disk / no cache (at most: nginx\'s ratio)'
  const second = targetTable(first, [{ target: 'RSS at rest', value: value(69.9) }, { target: disk, value: value(2), most: 1.9 }], 'run two')
  const found = new Map(readTable(second).map(([what = '', ...cells]) => [what, cells]))
  assert.deepEqual(found.get('1 kB over unix / floor'), ['1.10', '1.05', '0.95–1.15', 'yes', 'run one'])
  assert.deepEqual(found.get('RSS at rest'), ['70 MB', '70 MB', '70 MB–70 MB', 'yes', 'run two'])
  assert.deepEqual(found.get(disk), ['1.90', '2.00', '1.90–2.10', 'no', 'run two'])
  assert.deepEqual(found.get('10 MB over TCP / floor'), ['1.20', '–', '–', '–', 'not measured'])
  for (const [floor, shown] of [[1.4, '1.50 (floor: 1.40)'], [1.14, '1.50']] as const) {
    const third = targetTable(second, [{ target: '4,000 connections / 64', value: value(1.5), floor }], 'run three')
    assert.deepEqual(readTable(third).find(([what]) => what === '4,000 connections / 64')?.slice(1, 5), ['1.15', shown, '1.40–1.60', 'no'])
  }
})

test('a run replaces its own sections of the page and no others', () => {
  const run = (short: string) => ({ command: `npm run bench -- ${short}`, state: 'a machine', short })
  const first = updatePage('', [{ block: 'soak', title: 'Soak', text: 'long' }, { block: 'replies-1k', title: '1 kB', text: 'old' }], run('one'))
  const measured = [{ target: '1 kB over unix / floor', value: spread([1]) }] as const
  const second = updatePage(first, [{ block: 'replies-1k', title: '1 kB', text: 'new', measured, rounds: 'twice.' }], run('two'))
  const blocks = readBlocks(second)
  assert.deepEqual([...blocks.keys()], ['targets', 'replies-1k', 'soak', 'description'])
  assert.equal(blocks.get('soak'), '## Soak\n\na machine\n`npm run bench -- one`\n\nlong')
  assert.equal(blocks.get('replies-1k'), '## 1 kB\n\na machine twice.\n`npm run bench -- two`\n\nnew')
  assert.match(blocks.get('targets') ?? '', /^\| 1 kB over unix \/ floor .* yes .* two \|$/m)
  assert.equal(updatePage(second, [], run('three')), second)
})

test('the parts of a soak that are compared', () => {
  assert.deepEqual(planOf(30 * 60_000), { warmUp: 180_000, part: 300_000 })
  assert.deepEqual(planOf(60_000), { warmUp: 6000, part: 27_000 })
  // 100 requests a second of 200 µs and 5 of the floor of 100 µs, 1 MB more each second.
  const samples = Array.from({ length: 61 }, (_, second) => ({
    at: second * 1000, requests: second * 100, cpu: second * 0.02, floorRequests: second * 5, floorCpu: second * 0.0005, rss: second * 1e6,
  }))
  const { requestsPerSecond, cpu, floorCpu, rss } = windowOf(samples, 10_000, 20_000)
  assert.equal(requestsPerSecond, 100)
  assert.equal(Math.round(cpu), 200)
  assert.equal(Math.round(floorCpu), 100)
  assert.equal(rss, 15.5e6)
  assert.throws(() => windowOf(samples, 10_000, 10_500), /fewer than two samples/)
  assert.deepEqual([0.96, 0.98, 1, 1.029, 1.04].map(holds), [false, true, true, true, false])
})

test('the mix of a soak has its shares, evenly spread', () => {
  const whole = mix.reduce((sum, { share }) => sum + share, 0)
  const mixer = new Mixer()
  const seen = new Map<string, number>()
  for (let i = 0; i < whole; i++) {
    const { name } = mixer.next()
    seen.set(name, (seen.get(name) ?? 0) + 1)
  }
  for (const { name, share } of mix) assert.equal(seen.get(name), share, name)
})
