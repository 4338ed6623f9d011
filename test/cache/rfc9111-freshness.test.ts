// RFC 9111 sections 4.2 and 5.2.2, row by row: what a reply says, and for how many seconds it is then served without the application.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCacheControl } from '../../lib/cache/cache-control.ts'
import { TestGateway } from './kit.ts'
import type { CacheOptions } from '../../types/cache.ts'
import type { Ask } from './kit.ts'

const NOW = 1_700_000_000_000
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toUTCString()
const DATE = { date: at(0) }

/** A title, the headers of the reply, and for how many seconds it is fresh; 0 is not at all. */
type Row = [string, Record<string, string | string[]>, number, { took?: number, options?: Partial<CacheOptions<Ask>>, ignore?: string[] }?]

const FRESHNESS: Row[] = [
  // 4.2.1: s-maxage, then max-age, then Expires
  ['max-age', { ...DATE, 'cache-control': 'max-age=100' }, 100],
  ['s-maxage before max-age', { ...DATE, 'cache-control': 'max-age=100, s-maxage=50' }, 50],
  ['s-maxage before max-age, the other way round', { ...DATE, 'cache-control': 's-maxage=50, max-age=100' }, 50],
  ['max-age before Expires', { ...DATE, 'cache-control': 'max-age=100', expires: at(10) }, 100],
  ['max-age=0 before Expires', { ...DATE, 'cache-control': 'max-age=0', expires: at(100) }, 0],
  ['Expires', { ...DATE, expires: at(100) }, 100],
  ['Expires minus Date, not minus now', { date: at(-50), expires: at(50) }, 50],
  ['Expires of a clock that goes ahead', { date: at(1000), expires: at(1100) }, 100],
  ['Expires of a reply without Date', { expires: at(100) }, 100],
  ['Expires equal to Date', { ...DATE, expires: at(0) }, 0],
  ['Expires before Date', { ...DATE, expires: at(-10) }, 0],
  // 4.2.3: the age
  ['Age', { ...DATE, age: '30', 'cache-control': 'max-age=100' }, 70],
  ['Age as long as the lifetime', { ...DATE, age: '100', 'cache-control': 'max-age=100' }, 0],
  ['Age and Expires', { ...DATE, age: '30', expires: at(100) }, 70],
  ['Date long past', { date: at(-30), 'cache-control': 'max-age=100' }, 70],
  ['Date and Age: the larger', { date: at(-30), age: '40', 'cache-control': 'max-age=100' }, 60],
  ['Date to come', { date: at(500), 'cache-control': 'max-age=100' }, 100],
  ['Date that is none', { date: 'yesterday', 'cache-control': 'max-age=100' }, 100],
  ['the time that the request took', { 'cache-control': 'max-age=100' }, 90, { took: 10 }],
  ['Age and the time that the request took', { age: '30', 'cache-control': 'max-age=100' }, 60, { took: 10 }],
  // 5.1: what is no age
  ['Age 0', { ...DATE, age: '0', 'cache-control': 'max-age=100' }, 100],
  ['Age below 0', { ...DATE, age: '-30', 'cache-control': 'max-age=100' }, 100],
  ['Age in decimals', { ...DATE, age: '30.5', 'cache-control': 'max-age=100' }, 100],
  ['Age that is a word', { ...DATE, age: 'old', 'cache-control': 'max-age=100' }, 100],
  ['Age with a letter behind', { ...DATE, age: '30s', 'cache-control': 'max-age=100' }, 100],
  ['Age with a parameter', { ...DATE, age: '30;a=b', 'cache-control': 'max-age=100' }, 100],
  ['Age in a list: the first', { ...DATE, age: '30, 0', 'cache-control': 'max-age=100' }, 70],
  ['Age in a list: the first, which is 0', { ...DATE, age: '0, 30', 'cache-control': 'max-age=100' }, 100],
  ['Age in two lines: the first', { ...DATE, age: ['30', '0'], 'cache-control': 'max-age=100' }, 70],
  ['Age beyond all numbers', { ...DATE, age: '99999999999', 'cache-control': 'max-age=100' }, 0],
  // 1.2.2 and 4.2.1: delta-seconds, invalid and repeated ones
  ['max-age in quotes', { ...DATE, 'cache-control': 'max-age="100"' }, 100],
  ['max-age in single quotes', { ...DATE, 'cache-control': "max-age='100'" }, 0],
  ['max-age with zeros before', { ...DATE, 'cache-control': 'max-age=00100' }, 100],
  ['max-age in capitals', { ...DATE, 'cache-control': 'MaX-aGe=100' }, 100],
  ['max-age in decimals', { ...DATE, 'cache-control': 'max-age=100.5' }, 0],
  ['max-age below 0', { ...DATE, 'cache-control': 'max-age=-100' }, 0],
  ['max-age with a plus', { ...DATE, 'cache-control': 'max-age=+100' }, 0],
  ['max-age with letters behind', { ...DATE, 'cache-control': 'max-age=100a' }, 0],
  ['max-age with letters before', { ...DATE, 'cache-control': 'max-age=a100' }, 0],
  ['max-age with a blank before =', { ...DATE, 'cache-control': 'max-age =100' }, 0],
  ['max-age with a blank after =', { ...DATE, 'cache-control': 'max-age= 100' }, 0],
  ['max-age without a value', { ...DATE, 'cache-control': 'max-age' }, 0],
  ['max-age with an empty value', { ...DATE, 'cache-control': 'max-age=' }, 0],
  ['max-age twice in a line', { ...DATE, 'cache-control': 'max-age=100, max-age=50' }, 50],
  ['max-age twice in a line, the other way round', { ...DATE, 'cache-control': 'max-age=50, max-age=100' }, 50],
  ['max-age twice in two lines', { ...DATE, 'cache-control': ['max-age=100', 'max-age=0'] }, 0],
  ['an invalid s-maxage beside max-age', { ...DATE, 'cache-control': 'max-age=100, s-maxage=x' }, 0],
  ['max-age in the quotes of another directive', { ...DATE, 'cache-control': 'extension="max-age=1000", max-age=10' }, 10],
  ['max-age behind the quotes of another directive', { ...DATE, 'cache-control': 'max-age=10, extension="max-age=1000"' }, 10],
  ['max-age as the end of another name', { ...DATE, 'cache-control': 'x-max-age=1000', expires: at(10) }, 10],
  ['an unknown directive beside it', { ...DATE, 'cache-control': 'max-age=10, foo, bar=baz' }, 10],
  // 5.3: what is no HTTP-date is past, though not for the case of its letters (4.2)
  ['Expires in the form of RFC 850', { ...DATE, expires: rfc850(100) }, 100],
  ['Expires in the form of asctime', { ...DATE, expires: asctime(100) }, 100],
  ['Expires with another day of the week than there is', { ...DATE, expires: at(100).replace(/^\w+/, 'Day') }, 0],
  ['Expires with one digit for the day', { ...DATE, expires: at(100).replace(/ \d(\d) /, ' $1 ') }, 0],
  ['Expires with two digits for the year', { ...DATE, expires: at(100).replace(/ 20(\d\d) /, ' $1 ') }, 0],
  ['Expires without a comma', { ...DATE, expires: at(100).replace(',', '') }, 0],
  ['Expires 0', { ...DATE, expires: '0' }, 0],
  ['Expires -1', { ...DATE, expires: '-1' }, 0],
  ['Expires empty', { ...DATE, expires: '' }, 0],
  ['Expires in UTC', { ...DATE, expires: at(100).replace('GMT', 'UTC') }, 0],
  ['Expires with gmt in small letters', { ...DATE, expires: at(100).replace('GMT', 'gmt') }, 100],
  ['Expires with an offset', { ...DATE, expires: at(100).replace('GMT', '+0000') }, 0],
  ['Expires without a zone', { ...DATE, expires: at(100).replace(' GMT', '') }, 0],
  ['Expires with a month in capitals', { ...DATE, expires: at(100).replace('Nov', 'NOV') }, 100],
  ['Expires with a day in small letters', { ...DATE, expires: at(100).replace(/^\w+/, day => day.toLowerCase()) }, 100],
  ['Expires with two blanks', { ...DATE, expires: at(100).replace(' ', '  ') }, 0],
  ['Expires with dashes', { ...DATE, expires: at(100).replace(/(\d\d) (\w{3}) (\d{4})/, '$1-$2-$3') }, 0],
  ['Expires with points in the time', { ...DATE, expires: at(100).replace(/:/g, '.') }, 0],
  ['Expires twice: the earlier', { ...DATE, expires: [at(100), at(10)] }, 10],
  ['Expires twice, once invalid', { ...DATE, expires: [at(100), '0'] }, 0],
  // valid and heuristics, for replies that say nothing
  ['nothing said', DATE, 0],
  ['nothing said, and valid', DATE, 60, { options: { valid: '60s' } }],
  ['a word of its own goes before valid', { ...DATE, 'cache-control': 'max-age=10' }, 10, { options: { valid: '60s' } }],
  ['Expires of the past goes before valid', { ...DATE, expires: '0' }, 0, { options: { valid: '60s' } }],
  ['Last-Modified alone', { ...DATE, 'last-modified': at(-1000) }, 0],
  ['Last-Modified and heuristics', { ...DATE, 'last-modified': at(-1000) }, 100, { options: { heuristic: true } }],
  ['Last-Modified and heuristics, less its age', { date: at(-20), 'last-modified': at(-1020) }, 80, { options: { heuristic: true } }],
  ['heuristics are bounded', { ...DATE, 'last-modified': at(-10_000_000) }, 86_400, { options: { heuristic: true } }],
  ['heuristics with a fraction and a bound', { ...DATE, 'last-modified': at(-1000) }, 300, { options: { heuristic: { fraction: 0.5, max: '5m' } } }],
  ['valid goes before heuristics', { ...DATE, 'last-modified': at(-1000) }, 5, { options: { heuristic: true, valid: '5s' } }],
  ['Last-Modified after Date', { ...DATE, 'last-modified': at(1000) }, 0, { options: { heuristic: true } }],
  // X-Accel-Expires is the application's word to the gateway
  ['X-Accel-Expires', { ...DATE, 'x-accel-expires': '20', 'cache-control': 'max-age=100, private' }, 20],
  ['X-Accel-Expires that is ignored', { ...DATE, 'x-accel-expires': '20', 'cache-control': 'max-age=100' }, 100, { ignore: ['X-Accel-Expires'] }],
  ['Cache-Control that is ignored', { ...DATE, 'cache-control': 'max-age=100', expires: at(10) }, 10, { ignore: ['Cache-Control'] }],
  // RFC 9213: targeted fields
  ['CDN-Cache-Control', { ...DATE, 'cdn-cache-control': 'max-age=20', 'cache-control': 'max-age=100' }, 20],
  ['CDN-Cache-Control before no-store', { ...DATE, 'cdn-cache-control': 'max-age=20', 'cache-control': 'no-store' }, 20],
  ['no-store in CDN-Cache-Control', { ...DATE, 'cdn-cache-control': 'no-store', 'cache-control': 'max-age=100' }, 0],
  ['CDN-Cache-Control without a lifetime: neither Cache-Control nor Expires count', { ...DATE, 'cdn-cache-control': 'public', 'cache-control': 'max-age=100', expires: at(100) }, 0],
  ['CDN-Cache-Control that is malformed', { ...DATE, 'cdn-cache-control': 'max-age=20,', 'cache-control': 'max-age=100' }, 100],
  ['CDN-Cache-Control in capitals is malformed', { ...DATE, 'cdn-cache-control': 'MAX-AGE=20', 'cache-control': 'max-age=100' }, 100],
  ['CDN-Cache-Control that is empty', { ...DATE, 'cdn-cache-control': '', 'cache-control': 'max-age=100' }, 100],
  ['CDN-Cache-Control with a string for a number', { ...DATE, 'cdn-cache-control': 'max-age="20"', 'cache-control': 'max-age=100' }, 0],
  ['CDN-Cache-Control with a parameter', { ...DATE, 'cdn-cache-control': 'max-age=20;a=b', 'cache-control': 'max-age=100' }, 20],
  ['CDN-Cache-Control in two lines', { ...DATE, 'cdn-cache-control': ['public', 'max-age=20'], 'cache-control': 'max-age=100' }, 20],
  ['CDN-Cache-Control and Age', { ...DATE, age: '5', 'cdn-cache-control': 'max-age=20' }, 15],
  ['a target of one\'s own', { ...DATE, 'gateway-cache-control': 'max-age=20', 'cdn-cache-control': 'max-age=50' }, 20,
    { options: { targets: ['Gateway-Cache-Control', 'CDN-Cache-Control'] } }],
  ['the next target, where the first is malformed', { ...DATE, 'gateway-cache-control': '&', 'cdn-cache-control': 'max-age=50' }, 50,
    { options: { targets: ['Gateway-Cache-Control', 'CDN-Cache-Control'] } }],
  ['no targets', { ...DATE, 'cdn-cache-control': 'max-age=20', 'cache-control': 'max-age=100' }, 100, { options: { targets: [] } }],
]

function rfc850 (seconds: number): string {
  const [, day = '', month = '', year = '', time = ''] = /^\w+, (\d\d) (\w{3}) (\d{4}) ([\d:]+) GMT$/.exec(at(seconds)) ?? []
  const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
  return `${days[new Date(NOW + seconds * 1000).getUTCDay()]}, ${day}-${month}-${year.slice(2)} ${time} GMT`
}

function asctime (seconds: number): string {
  const [, weekday = '', day = '', month = '', year = '', time = ''] = /^(\w+), (\d\d) (\w{3}) (\d{4}) ([\d:]+) GMT$/.exec(at(seconds)) ?? []
  return `${weekday} ${month} ${day.replace(/^0/, ' ')} ${time} ${year}`
}

for (const [title, headers, seconds, { took = 0, options = {}, ignore = [] } = {}] of FRESHNESS) {
  test(`${title}: fresh for ${seconds} s`, async () => {
    const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111', ...options }, ignoreHeaders: ignore })
    const first = gateway.begin()
    gateway.clock.advance(took * 1000)
    gateway.asked[0]?.answer({ headers, body: 'a' })
    await first.outcome
    gateway.app = () => ({ headers: { 'cache-control': 'no-store' }, body: 'b' })
    if (seconds === 0) {
      assert.equal((await gateway.get()).body, 'b')
      return
    }
    gateway.clock.time += seconds * 1000 - 1
    assert.equal((await gateway.get()).body, 'a')
    gateway.clock.time += 1
    assert.equal((await gateway.get()).body, 'b')
  })
}

test('a lifetime beyond 2^31 seconds is cut', () => {
  assert.equal(readCacheControl('max-age=99999999999').maxAge, 2 ** 31 - 1)
})

test('Age tells how old an entry is: what it had, the time that it took, and the time since', async () => {
  const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111' } })
  const first = gateway.begin()
  gateway.clock.advance(5000)
  gateway.asked[0]?.answer({ headers: { date: at(-20), age: '30', 'cache-control': 'max-age=100' }, body: 'a' })
  await first.outcome
  gateway.clock.time += 7000
  const { age, headers } = await gateway.get()
  assert.deepEqual([age, headers['age']], [42, undefined])
})

test('a reply without Date gets that of its arrival', async () => {
  const gateway = new TestGateway({ options: { rules: 'rfc9111' }, app: () => ({ body: 'a' }) })
  await gateway.get()
  gateway.clock.time += 3000
  assert.equal((await gateway.get()).headers['date'], at(0))
})
