import { count, flag, ofRoom, share, time } from '../readers.ts'
import { row, type Rows } from '../row.ts'

export const EXPECT = {
  status: row(ofRoom(['number', 'text', 'list']), { default: ['2xx', '3xx'], directives: ['Apache: hcexpr', 'nginx: match'], doc: 'statuses of a good answer' }),
  headers: row(ofRoom(['object']), { otherwise: 'any', directives: ['nginx: header in match'], doc: 'headers by their names, and what their values are' }),
  body: row(ofRoom(['text', 'other']), { otherwise: 'any', doc: 'what the first 64 KiB of the body contain or match' }),
} satisfies Rows

/** A check never goes round faster. */
const LEAST_INTERVAL = 100

export const HEALTH = {
  type: row(ofRoom(['word']), { default: 'connect', doc: 'what proves a server: a connection, or an answer over SCGI or HTTP' }),
  port: row(count(1, 'a port, 1 to 65535', 65_535), { otherwise: 'that of the server', directives: ['nginx: health_check port'], doc: 'port that is checked' }),
  method: row(ofRoom(['text']), { otherwise: 'GET', doc: 'method of the request' }),
  path: row(ofRoom(['text']), { otherwise: '`/`', doc: 'path, and query, of the request, percent-encoded' }),
  params: row(ofRoom(['object']), { otherwise: 'none', doc: "`'scgi'`: parameters over those that a check has by itself" }),
  headers: row(ofRoom(['object']), { otherwise: 'none', doc: "`'http'`: request headers" }),
  expect: row(ofRoom(['object'], EXPECT), { otherwise: '', doc: 'what a good answer is; all of it must hold' }),
  interval: row(time(LEAST_INTERVAL), { default: '5s', doc: 'time from one check of a server to its next; at least 100ms' }),
  jitter: row(time(), { default: 0, doc: 'a check is late by a random time of up to this' }),
  timeout: row(time(1), { otherwise: '`interval`', doc: 'time for a check, at most `interval`' }),
  passes: row(count(1), { default: 1, doc: 'checks passed in a row that bring a server back' }),
  fails: row(count(1), { default: 1, doc: 'checks failed in a row that take a server out' }),
  mandatory: row(flag, { default: false, directives: ['nginx: health_check mandatory'], doc: 'a server takes no requests until its first check has passed' }),
  persistent: row(flag, {
    default: false, directives: ['nginx: health_check persistent'], doc: 'with `mandatory`: a server that the latest check found healthy needs no first check',
  }),
} satisfies Rows

export const OUTLIER = {
  window: row(time(100), { default: '30s', doc: 'attempts count for so long' }),
  minRequests: row(count(1), { default: 20, doc: 'fewer attempts of a server in `window` prove nothing' }),
  failureShare: row(share(), { default: 0.5, doc: 'share of failed attempts that ejects' }),
  maxEjected: row(share(), { default: 0.5, doc: 'most servers ejected at once, as a share' }),
  baseTime: row(time(1), { default: '10s', doc: 'how long the first ejection lasts; each following one lasts twice as long' }),
  maxTime: row(time(), { otherwise: '5m', doc: 'the longest ejection' }),
} satisfies Rows
