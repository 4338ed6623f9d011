import { count, flag, ofRoom, share, time } from '../readers.ts'
import { row, type Rows } from '../row.ts'

export const EXPECT = {
  status: row(ofRoom(['number', 'text', 'list']), { default: ['2xx', '3xx'], directives: ['Apache: hcexpr', 'nginx: match'], doc: 'statuses that pass' }),
  headers: row(ofRoom(['object']), { otherwise: 'any', directives: ['nginx: header in match'], doc: 'header names with the expected values' }),
  body: row(ofRoom(['text', 'other']), { otherwise: 'any', doc: 'what the first 64 KiB of the body must contain or match' }),
} satisfies Rows

/** A check never goes round faster. */
const LEAST_INTERVAL = 100

export const HEALTH = {
  type: row(ofRoom(['word']), { default: 'connect', doc: 'kind of check: a connection, or a request over SCGI or HTTP' }),
  port: row(count(1, 'a port, 1 to 65535', 65_535), { otherwise: 'that of the server', directives: ['nginx: health_check port'], doc: 'port to check' }),
  method: row(ofRoom(['text']), { otherwise: 'GET', doc: 'method of the request' }),
  path: row(ofRoom(['text']), { otherwise: '`/`', doc: 'path and query of the request, percent-encoded' }),
  params: row(ofRoom(['object']), { otherwise: 'none', doc: "for `'scgi'`: parameters that override those of the check" }),
  headers: row(ofRoom(['object']), { otherwise: 'none', doc: "for `'http'`: request headers" }),
  expect: row(ofRoom(['object'], EXPECT), { otherwise: '', doc: 'what a reply must meet to pass' }),
  interval: row(time(LEAST_INTERVAL), { default: '5s', doc: 'time between two checks of a server; at least 100ms' }),
  jitter: row(time(), { default: 0, doc: 'each check is delayed by a random time up to this' }),
  timeout: row(time(1), { otherwise: '`interval`', doc: 'time limit of a check, at most `interval`' }),
  passes: row(count(1), { default: 1, doc: 'consecutive passed checks that bring a server back' }),
  fails: row(count(1), { default: 1, doc: 'consecutive failed checks that take a server out' }),
  mandatory: row(flag, { default: false, directives: ['nginx: health_check mandatory'], doc: 'a server gets no requests until its first check has passed' }),
  persistent: row(flag, {
    default: false, directives: ['nginx: health_check persistent'], doc: 'with `mandatory`: a server whose latest check passed needs no first check',
  }),
} satisfies Rows

export const OUTLIER = {
  window: row(time(100), { default: '30s', doc: 'how long an attempt counts' }),
  minRequests: row(count(1), { default: 20, doc: 'with fewer attempts in `window`, a server is not ejected' }),
  failureShare: row(share(), { default: 0.5, doc: 'share of failed attempts that ejects a server' }),
  maxEjected: row(share(), { default: 0.5, doc: 'largest share of the servers to eject at once' }),
  baseTime: row(time(1), { default: '10s', doc: 'length of the first ejection; each further one lasts twice as long' }),
  maxTime: row(time(), { otherwise: '5m', doc: 'longest ejection' }),
} satisfies Rows
