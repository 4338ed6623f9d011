// The operator's page as it is sent: its size, its policy, and names that somebody else has given.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { admin } from '../../lib/observe/admin/index.ts'
import { cachePage, overviewPage, type Frame, type Overview } from '../../lib/observe/admin/page/document.ts'
import { groupSection, requestList, shown } from '../../lib/observe/admin/page/render.ts'
import { SCRIPT } from '../../lib/observe/admin/page/script.ts'
import { compactScript } from '../../lib/observe/admin/page/compact.ts'
import { STYLE } from '../../lib/observe/admin/page/style.ts'
import type { CacheModel, EntryModel, GroupModel, RequestModel, ServerModel } from '../../lib/observe/admin/api/model.ts'

const NOW = Date.UTC(2030, 0, 1)
const at = new Date(NOW - 90_000).toISOString()
const FRAME: Frame = { base: '/gateway', token: 't'.repeat(70), nonce: 'n'.repeat(22), now: NOW }
const WHY = 'connect() to 10.20.30.1:4000 failed: ECONNREFUSED, nobody listens there: is the application running?'

/** A server of which there is much to tell. */
function serverOf (name: string, more: Partial<ServerModel> = {}): ServerModel {
  const points = Array.from({ length: 120 }, (_, index) => (index * 7919) % 997)
  return {
    id: name,
    name,
    state: 'up',
    reason: null,
    since: at,
    share: 0.1667,
    active: 13,
    rate: 12.5,
    served: 123_456,
    failures: 123,
    fails: 0,
    bytesSent: 1,
    bytesReceived: 1,
    p50: 12.3,
    p99: 234,
    lastFailure: { at, message: WHY },
    check: { at, passed: true, reason: null },
    settings: {
      weight: 3,
      maxConns: 20,
      maxFails: 1,
      failTimeout: 1,
      slowStart: 0,
      retry: null,
      backup: false,
      lbset: 0,
      spare: false,
      standby: false,
      route: 'a',
      redirect: null,
      drain: false,
      down: false,
      keepalive: 0,
      preconnect: 0,
    },
    etag: '"x"',
    history: {
      step: 30,
      requests: points,
      failures: points.map(point => point % 5 === 0 ? point : 0),
      p50: points,
      p99: points.map(point => point * 3 % 991),
    },
    ...more,
  }
}

function groupOf (name: string, servers: readonly ServerModel[], more: Partial<GroupModel> = {}): GroupModel {
  return {
    id: name,
    name,
    balance: 'round_robin',
    options: { balance: 'round_robin', sticky: null, queue: { size: 5 }, tries: 0, failOnStatus: null, forceRecovery: false, health: null },
    active: 1,
    rate: 1,
    queue: { waiting: 1, size: 5 },
    sessions: 5,
    processes: null,
    names: [],
    applications: [],
    servers,
    etag: '"x"',
    ...more,
  }
}

function overviewOf (groups: readonly GroupModel[], more: Partial<Overview> = {}): Overview {
  return { groups, caches: [], failed: [], slow: [], edits: [], process: { pid: 1, worker: null, uptime: 5, memory: 5 }, ...more }
}

test('six servers with an eventful hour, three processes and full lists are less than 60 kB, script and style included', () => {
  const processes = [1, 2, 3].map(pid => ({ pid, state: 'running', since: at, restarts: 1, reason: null, lastLine: 'GET /shop/articles 200 in 12 ms' } as const))
  const applications = [{ name: 'perl /srv/app.pl', servers: [], processes }]
  const attempts = [1, 2, 3].map(index => ({
    address: `10.20.30.${index}:4000`, status: 502, connectTime: 1, headerTime: 1, responseTime: 1, bytesSent: 1, bytesReceived: 1, error: WHY,
  }))
  const requests = Array.from({ length: 50 }, (_, index): RequestModel => ({
    at, id: `req-${index}`, method: 'GET', path: `/shop/articles/an-article-with-a-name/${index}`, status: 502, time: 1200, client: '10.0.0.1', cache: 'MISS', attempts,
  }))
  const edits = Array.from({ length: 50 }, () => ({ at, by: 'alice', what: 'edits 10.20.30.1:4000 of application: weight 1 -> 5' }))
  const caches = ['pages', 'images'].map((name): CacheModel => ({
    id: name,
    name,
    entries: 10_000,
    bytes: 1e8,
    requests: { MISS: 1, BYPASS: 1, EXPIRED: 1, STALE: 1, UPDATING: 1, REVALIDATED: 1, HIT: 1 },
    hitShare: 0.5,
    updating: 1,
    waiting: 1,
    storeFailures: 1,
  }))
  for (const names of [['application'], ['one', 'two'], ['one', 'two', 'three']]) {
    const groups = names.map((name, index) => groupOf(
      name, Array.from({ length: 6 / names.length }, (_, server) => serverOf(`10.20.${index}.${server}:4000`)), index === 0 ? { applications } : {}))
    const html = overviewPage(FRAME, overviewOf(groups, { caches, failed: requests, slow: requests, edits }))
    const sizes = [html, STYLE, SCRIPT].map(text => Buffer.byteLength(text))
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 60_000, `${names.length}: ${sizes.join(' + ')}`)
  }
  assert.doesNotThrow(() => Reflect.construct(Function, [SCRIPT]), 'the script is one')
  assert.doesNotMatch(SCRIPT, /^\s|^\/\//m)
})

test('a compact script is the same script', () => {
  for (const [source, compact] of [
    ["  const a = b ? 'x  y' : \"it's\"", "const a=b?'x  y':\"it's\""],
    ['// a comment\n  return /[/"] \\/ /g.test( a ) / 2 / 1', 'return/[/"] \\/ /g.test(a)/2/1'],
    ['a + +b - -c', 'a+ +b- -c'],
    // eslint-disable-next-line no-template-curly-in-string -- it is source
    ['x = `a  ${ b + `c  ${ { d: 1 }.d } $ ` }  e`', 'x=`a  ${b+`c  ${{d:1}.d} $ `}  e`'],
    ['typeof x in y', 'typeof x in y'],
  ] as const) assert.equal(compactScript(source), compact)
})

test('a prefix with and without a slash at its end is one', async () => {
  for (const prefix of ['/x', '/x/', '/x//']) {
    await using app = Fastify()
    app.register(admin, { prefix })
    app.register(scgi, { prefix: '/app', upstreams: '127.0.0.1:9' })
    for (const path of ['/x', '/x/', '/x/api', '/x/api/', '/x/page.js', '/x/api/groups', '/x?a=b']) assert.equal((await app.inject(path)).statusCode, 200, prefix + path)
    for (const path of ['/', '/xy', '/api']) assert.equal((await app.inject(path)).statusCode, 404)
    assert.match((await app.inject('/x')).body, /data-base="\/x" .*href="\/x\/page\.css"/s)
  }
})

test('graphs draw every point, whether the line is level, breaks off, or is one point alone', () => {
  const path = (p99: (number | null)[]): string | undefined => {
    const history = { step: 30, requests: [], failures: [], p50: [], p99 }
    return /Latency[^>]*>(?:<path class="bad"[^>]*>)?<path d="([^"]*)"/.exec(groupSection(groupOf('g', [serverOf('a', { history })]), NOW))?.[1]
  }
  for (const [points, drawn] of [
    [[], ''],
    [[null, null], ''],
    [[0, 0, 0, 0], 'M0 23h3h.01'],
    [[21, 21, 0, 0, 21], 'M0 2h1l1 21h1l1 -21h.01'],
    [[21, 0, 21], 'M0 2l1 21l1 -21h.01'],
    [[21, null, 21, 21, null, 0], 'M0 2h.01M2 2h1h.01M5 23h.01'],
  ] as const) assert.equal(path([...points]), drawn, JSON.stringify(points))
})

test('names and errors are text of a length that can be read, and turn nothing around', () => {
  const evil = `<img src=x onerror="a">'&\u202e\u2066\u0007\n${'x'.repeat(10_000)}`
  const request: RequestModel = {
    at,
    id: evil,
    method: evil,
    path: evil,
    status: 502,
    time: 1,
    client: evil,
    cache: evil,
    attempts: [{
      address: evil, status: null, connectTime: null, headerTime: null, responseTime: null, bytesSent: 0, bytesReceived: 0, error: evil,
    }],
  }
  const process = { pid: 1, state: 'waiting', since: at, restarts: 0, reason: evil, lastLine: evil } as const
  const server = serverOf('a', {
    name: evil, state: 'failed', reason: evil, lastFailure: { at, message: `${evil}2` }, check: { at, passed: false, reason: evil },
  })
  const group = groupOf('a', [{ ...server, settings: { ...server.settings, route: evil, redirect: evil } }], {
    name: evil,
    balance: evil,
    names: [{ address: evil, servers: [evil], asksAgain: at, failure: evil }],
    applications: [{ name: evil, servers: [evil], processes: [process] }],
  })
  const cache: CacheModel = {
    id: 'a',
    name: evil,
    entries: 1,
    bytes: 1,
    requests: { MISS: 1, BYPASS: 0, EXPIRED: 0, STALE: 0, UPDATING: 0, REVALIDATED: 0, HIT: 0 },
    hitShare: 0,
    updating: 0,
    waiting: 0,
    storeFailures: 0,
  }
  const entry: EntryModel = { key: 'a', status: 200, bytes: 1, age: 1, freshFor: 1, tags: [evil], vary: [evil] }
  const lists = { caches: [cache], failed: [request], slow: [request], edits: [{ at, by: evil, what: evil }] }
  const overview = overviewPage(FRAME, overviewOf([group], lists))
  const listed = cachePage(FRAME, { cache, search: 'a', offset: 0, listed: { entries: [entry], next: null }, ages: undefined })
  const problem = cachePage(FRAME, { cache, search: 'a', offset: 0, listed: { problem: evil }, ages: undefined })
  for (const html of [overview, listed, problem]) {
    assert.doesNotMatch(html, /<img|onerror="|[\u202a-\u202e\u2066-\u2069]/)
    assert.doesNotMatch(html, /x{301}/)
    assert.match(html, /\[U\+202e\]/)
  }
  assert.doesNotMatch(requestList([request], NOW), /<img/)
  assert.equal(shown('שלום <b>'), 'שלום &#60;b&#62;')
  // What is edited by it is whole.
  const long = { ...entry, key: 'k'.repeat(1000) }
  const whole = cachePage(FRAME, { cache, search: 'a', offset: 0, listed: { entries: [long], next: null }, ages: undefined })
  assert.ok(whole.includes(`data-key="${long.key}"`))
})

test('what one part is named by is one id, though a group without a name has blanks in its own', () => {
  const groups = [groupOf('10.0.0.1:4000, 10.0.0.2:4000', [serverOf('a', { state: 'failed' })]), groupOf('b', [serverOf('a')])]
  const html = overviewPage(FRAME, overviewOf(groups))
  const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id = '']) => id)
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) assert.match(id, /^\S+$/)
  for (const [, referred = ''] of html.matchAll(/ (?:aria-labelledby|for)="([^"]*)"/g)) assert.ok(ids.includes(referred), referred)
  for (const [, target = ''] of html.matchAll(/href="#([^"]*)"/g)) assert.ok(ids.includes(target), target)
  assert.match(html, /aria-haspopup="dialog"/)
})

test('every answer has a strict policy, and the parts of the page are packed for who takes that', async () => {
  await using app = Fastify()
  app.register(admin, { prefix: '/gateway' })
  app.register(scgi, { upstreams: '127.0.0.1:9' })
  for (const path of ['/', '/page.css', '/page.js', '/api', '/api/openapi.json', '/api/groups/none', '/none', '/caches/none']) {
    const { headers } = await app.inject(`/gateway${path}`)
    assert.match(String(headers['content-security-policy']), /^default-src 'none';.*frame-ancestors 'none'$/, path)
    assert.doesNotMatch(String(headers['content-security-policy']), /unsafe|\*|http/, path)
  }
  for (const [accepted, packed] of [
    ['gzip', true], ['br, GZIP;q=0.5', true], ['deflate,gzip , br', true], ['gzip;q=0', false], ['gzip;q=0.000, br', false], ['br', false], ['xgzip', false], ['', false],
  ] as const) {
    for (const [path, text] of [['/page.js', SCRIPT], ['/page.css', STYLE]] as const) {
      const { headers, rawPayload } = await app.inject({ url: `/gateway${path}`, headers: { 'accept-encoding': accepted } })
      assert.deepEqual([headers['content-encoding'], headers['vary']], [packed ? 'gzip' : undefined, 'accept-encoding'], accepted)
      assert.equal((packed ? gunzipSync(rawPayload) : rawPayload).toString(), text)
    }
  }
})
