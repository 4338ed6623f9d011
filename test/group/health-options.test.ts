// health, outlier, resolver, resolve and service: what they take, and what they refuse.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { readHealth, readOutlier, readResolver } from '../../lib/group/health-options.ts'

test('defaults', () => {
  const [check] = readHealth('health', {})
  assert.deepEqual({ ...check, probe: undefined }, {
    type: 'connect', probe: undefined, port: undefined, mandatory: false, persistent: false, interval: 5000, jitter: 0, passes: 1, fails: 1,
  })
  assert.deepEqual(readOutlier('outlier', {}), {
    window: 30_000, minRequests: 20, failureShare: 0.5, maxEjected: 0.5, baseTime: 10_000, maxTime: 300_000,
  })
  assert.equal(readOutlier('outlier', { baseTime: '10m' })?.maxTime, 600_000)
  assert.deepEqual(readResolver('resolver', undefined), { servers: undefined, timeout: 5000, ttl: undefined, families: undefined })
  assert.deepEqual([4, 6, 'both'].map(family => readResolver('resolver', { family }).families), [[4], [6], undefined])
  assert.deepEqual([readHealth('health', undefined), readOutlier('outlier', undefined)], [[], undefined])
})

test('what they do not take is refused by name', () => {
  const wrong: [object, string, RegExp][] = [
    [{ health: 'tcp' }, 'INVALID', /'upstreams\.health'/],
    [{ health: { type: 'tcp' } }, 'INVALID', /'upstreams\.health\.type'/],
    [{ health: { uri: '/' } }, 'UNKNOWN', /'upstreams\.health\.uri': a check has type/],
    [{ health: { path: '/' } }, 'UNSUPPORTED', /'upstreams\.health\.path'.*'connect' has none/],
    [{ health: { type: 'scgi', headers: {} } }, 'UNSUPPORTED', /headers/],
    [{ health: { type: 'http' } }, 'UNSUPPORTED', /'upstreams\.health'.*127\.0\.0\.1:1 speaks scgi/],
    [{ health: [{ type: 'scgi' }, { type: 'scgi' }] }, 'INVALID', /twice/],
    [{ health: { type: 'scgi', path: 'x' } }, 'INVALID', /path/],
    [{ health: { type: 'scgi', path: '/%zz' } }, 'INVALID', /path/],
    [{ health: { type: 'scgi', path: '/a b' } }, 'INVALID', /path/],
    [{ health: { type: 'scgi', method: 'GE T' } }, 'INVALID', /method/],
    [{ health: { type: 'scgi', params: { SCGI: '2' } } }, 'INVALID', /params\.SCGI/],
    [{ health: { type: 'scgi', params: { A: 1 } } }, 'INVALID', /params\.A/],
    [{ health: { type: 'scgi', params: { A: '\0' } } }, 'INVALID', /NUL/],
    [{ health: { type: 'scgi', expect: { status: '6xx' } } }, 'INVALID', /expect\.status/],
    [{ health: { type: 'scgi', expect: { status: '300-200' } } }, 'INVALID', /expect\.status/],
    [{ health: { type: 'scgi', expect: { status: [] } } }, 'INVALID', /expect\.status/],
    [{ health: { type: 'scgi', expect: { body: 1 } } }, 'INVALID', /expect\.body/],
    [{ health: { type: 'scgi', expect: { code: 200 } } }, 'UNKNOWN', /expect\.code/],
    [{ health: { expect: { headers: { 'x-a': true } } } }, 'UNSUPPORTED', /'upstreams\.health\.expect'.*'connect' has none/],
    [{ health: { type: 'scgi', expect: { headers: ['x-a'] } } }, 'INVALID', /expect\.headers/],
    [{ health: { type: 'scgi', expect: { headers: { 'x a': true } } } }, 'INVALID', /expect\.headers\["x a"\].*name of a header/],
    [{ health: { type: 'scgi', expect: { headers: { 'x-a': 1 } } } }, 'INVALID', /expect\.headers\.x-a/],
    [{ health: { port: 0 } }, 'INVALID', /health\.port/],
    [{ health: { port: 65_536 } }, 'INVALID', /health\.port/],
    [{ health: { port: '80' } }, 'INVALID', /health\.port/],
    [{ servers: ['127.0.0.1:1', 'unix:/a'], health: { port: 80 } }, 'UNSUPPORTED', /'upstreams\.health'.*unix:\/a is a unix socket/],
    [{ health: { mandatory: 'on' } }, 'INVALID', /health\.mandatory.*write true/],
    [{ health: { mandatory: true, persistent: 1 } }, 'INVALID', /health\.persistent/],
    [{ health: { persistent: true } }, 'UNSUPPORTED', /health\.persistent.*mandatory: true/],
    [{ health: { interval: 99 } }, 'INVALID', /interval/],
    [{ health: { timeout: '6s' } }, 'INVALID', /timeout/],
    [{ health: { passes: 0 } }, 'INVALID', /passes/],
    [{ health: { fails: 1.5 } }, 'INVALID', /fails/],
    [{ outlier: true }, 'INVALID', /'upstreams\.outlier'/],
    [{ outlier: { share: 1 } }, 'UNKNOWN', /outlier\.share/],
    [{ outlier: { failureShare: 0 } }, 'INVALID', /failureShare/],
    [{ outlier: { maxEjected: 1.1 } }, 'INVALID', /maxEjected/],
    [{ outlier: { minRequests: 0 } }, 'INVALID', /minRequests/],
    [{ outlier: { baseTime: '10s', maxTime: '5s' } }, 'INVALID', /maxTime/],
    [{ resolver: { servers: ['dns.example'] } }, 'INVALID', /resolver\.servers/],
    [{ resolver: { servers: [] } }, 'INVALID', /resolver\.servers/],
    [{ resolver: { ttl: 999 } }, 'INVALID', /resolver\.ttl/],
    [{ resolver: { timeout: 0 } }, 'INVALID', /resolver\.timeout/],
    [{ resolver: { family: 'ipv4' } }, 'INVALID', /resolver\.family/],
    [{ resolver: { valid: 1 } }, 'UNKNOWN', /resolver\.valid/],
    [{ servers: [{ address: '127.0.0.1:1', resolve: true }] }, 'UNSUPPORTED', /upstreams\[0\]\.resolve/],
    [{ servers: [{ address: 'unix:/a', resolve: true }] }, 'UNSUPPORTED', /upstreams\[0\]\.resolve/],
    [{ servers: [{ address: 'app', resolve: 1 }] }, 'INVALID', /resolve/],
    [{ servers: [{ address: 'app', service: 'scgi' }] }, 'UNSUPPORTED', /service.*resolve/],
    [{ servers: [{ address: 'app:1', resolve: true, service: 'scgi' }] }, 'UNSUPPORTED', /service.*port/],
    [{ servers: [{ address: 'app', resolve: true, service: 'a b' }] }, 'INVALID', /service/],
  ]
  for (const [options, code, message] of wrong) {
    assert.throws(() => Reflect.apply(createUpstreams, undefined, [{ servers: ['127.0.0.1:1'], ...options }]),
      { code: `FST_SCGI_OPT_${code}`, message }, JSON.stringify(options))
  }
})

test('a check for each protocol of a mixed group', async () => {
  const group = createUpstreams({ servers: ['127.0.0.1:1', 'http://127.0.0.1:2'], health: [{ type: 'scgi' }, { type: 'http' }] })
  assert.equal(group.servers.length, 2)
  assert.throws(() => createUpstreams({ servers: ['127.0.0.1:1', 'https://127.0.0.1:2'], health: { type: 'scgi' } }), /speaks http/)
  const connect = createUpstreams({ servers: ['127.0.0.1:1'], health: { type: 'scgi' } })
  await assert.rejects(connect.add('http://127.0.0.1:2'), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
  const port = createUpstreams({ servers: ['127.0.0.1:1', 'http://127.0.0.1:2'], health: [{ type: 'scgi' }, { type: 'http', port: 80 }] })
  await assert.rejects(port.add('http://unix:/a'), /unix socket|address/)
})
