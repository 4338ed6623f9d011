// What the bench computes: its statistics, when the requests of an open loop are due, the page that it writes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Schedule } from '../../benchmarks/load/schedule.ts'
import { readBlocks, updatePage } from '../../benchmarks/lib/page.ts'
import { median, pairedRatios, scale, spread } from '../../benchmarks/lib/stats.ts'
import { formatTable, readTable } from '../../benchmarks/lib/table.ts'
import { targetTable } from '../../benchmarks/lib/targets.ts'
import { Mixer, mix } from '../../benchmarks/soak/mix.ts'
import { between, holds, neighbourRatios, planOf, windowOf } from '../../benchmarks/soak/windows.ts'

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

test('the parts of a soak', () => {
  const minute = 60_000
  const long = { warmUp: 3 * minute, part: 5 * minute, turn: 5000, lead: 1000, warmUpTurns: 36 }
  assert.deepEqual(planOf(30 * minute, 1), { ...long, alone: 22 * minute, turns: 60 })
  assert.deepEqual(planOf(30 * minute, 3), { ...long, alone: 16 * minute, turns: 20 })
  assert.deepEqual(planOf(240 * minute, 3), { ...long, alone: 226 * minute, turns: 20 })
  assert.deepEqual(planOf(minute, 1), { warmUp: 6000, part: 24_000, alone: 30_000, turn: 5000, lead: 1000, warmUpTurns: 2, turns: 5 })
  assert.deepEqual(planOf(minute, 3), { warmUp: 6000, part: 24_000, alone: 30_000, turn: 4000, lead: 800, warmUpTurns: 2, turns: 2 })
  for (const minutes of [1, 2, 3, 7, 13, 30, 100]) {
    for (const processes of [1, 2, 3, 7, 20]) {
      const { warmUp, part, alone, turn, turns, warmUpTurns } = planOf(minutes * minute, processes)
      const what = `${minutes} min, ${processes} processes`
      assert.ok(alone >= warmUp + part, `${what}: the first part is over before the turns begin`)
      assert.ok(alone + processes * warmUp + part >= (1 - 1e-9) * minutes * minute, `${what}: the aged gateway gets the load for all the time`)
      assert.ok(turns >= 2 && turns * turn * processes > 0.7 * part && warmUpTurns * turn >= warmUp, what)
    }
  }
})

/** A stretch of so many seconds at 100 requests a second. */
function stretch (gateway: number, from: number, seconds: number, microseconds: number, rss = 1e6) {
  return { gateway, from: from * 1000, to: (from + seconds) * 1000, requests: 100 * seconds, cpu: seconds * microseconds / 1e4, rss }
}

test('what the stretches of a soak say together', () => {
  const stretches = Array.from({ length: 12 }, (_, n) => stretch(0, 5 * n + 0.001, 5, n < 6 ? 200 : 300, n * 1e6))
  const { requestsPerSecond, cpu, rss } = windowOf(between(stretches, 10_000, 50_000))
  assert.equal(Math.round(requestsPerSecond), 100)
  assert.equal(Math.round(cpu), 250)
  assert.equal(rss, 5.5e6)
  // Two of which one is longer: a request counts as much in both.
  assert.equal(Math.round(windowOf([stretch(0, 0, 1, 100), stretch(0, 1, 3, 200)]).cpu), 175)
  assert.throws(() => windowOf(between(stretches, 70_000, 80_000)), /nothing was measured/)
  assert.deepEqual([0.96, 0.98, 1, 1.029, 1.04].map(holds), [false, true, true, true, false])
})

test('the turns of two gateways are compared with their neighbours, so that a machine that drifts favours neither', () => {
  const turns = (drift: (turn: number) => number, aged: number) =>
    Array.from({ length: 20 }, (_, turn) => stretch(turn % 2, 10 * turn, 8, 200 * drift(turn) * (turn % 2 === 0 ? aged : 1)))
  assert.deepEqual(neighbourRatios(turns(() => 1, 1.5)).map((ratio) => ratio.toFixed(6)), Array.from({ length: 19 }, () => '1.500000'))
  for (const [name, drift] of [
    ['slower', (turn: number) => 1.04 ** turn],
    ['faster', (turn: number) => 0.96 ** turn],
    ['suddenly slower', (turn: number) => turn < 7 ? 1 : 1.4],
  ] as const) {
    for (const aged of [1, 1.05]) {
      const { median } = spread(neighbourRatios(turns(drift, aged)))
      assert.ok(Math.abs(median / aged - 1) < 0.05, `${name}: ${median} for ${aged}`)
    }
  }
  assert.throws(() => neighbourRatios([stretch(0, 0, 1, 1), stretch(0, 1, 1, 1)]), /neighbours of one gateway/)
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
