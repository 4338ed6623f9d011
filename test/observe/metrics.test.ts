// What Prometheus is told of a gateway.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import Fastify from 'fastify'
import { Counter, Registry } from 'prom-client'
import scgi, { createCache, createUpstreams } from '../../lib/index.ts'
import metrics from '../../lib/observe/metrics/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { turnsUntil } from '../helpers/passing.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'
import type { MetricsOptions } from '../../types/metrics.ts'

const HELLO = 'Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'

/** A gateway with metrics in a registry of its own. */
async function measured (options: FastifyScgiOptions, given: MetricsOptions = {}): Promise<Gateway> {
  return startGateway(app => {
    app.register(metrics, { registry: new Registry(), ...given })
    app.register(scgi, options)
  })
}

/** The samples, by name and labels. */
async function scrape (url: string, accept = 'text/plain'): Promise<Map<string, string>> {
  const reply = await fetch(`${url}/metrics`, { headers: { accept } })
  assert.equal(reply.status, 200)
  return new Map((await reply.text()).split('\n').filter(line => line !== '' && !line.startsWith('#')).map(line => {
    const [, name = '', value = ''] = /^(\S+?(?:\{.*?\})?) (.*)$/.exec(line) ?? []
    return [name, value]
  }))
}

/** The end of a request is counted when its client has had it all. */
async function settled (url: string, sample: string, value: string): Promise<Map<string, string>> {
  let samples = await scrape(url)
  const deadline = performance.now() + 10_000
  while (samples.get(sample) !== value) {
    assert.ok(performance.now() < deadline, `${sample} is ${samples.get(sample)}, not ${value}`)
    samples = await scrape(url)
  }
  return samples
}

test('requests, attempts, retries, failures, bytes and times, by few labels', async () => {
  await using bad = await startRecorder({ answer: 'Status: 503 No\r\nContent-Length: 0\r\n\r\n' })
  await using good = await startRecorder({ answer: HELLO })
  const refused = await refusedAddress()
  await using gateway = await measured({
    upstreams: { name: 'g', servers: [refused, bad.address, good.address] }, nextUpstream: ['error', 'http_503'],
  })
  await (await fetch(gateway.url)).text()
  const samples = await settled(gateway.url, `fastify_scgi_requests_total{group="g",server="${good.address}",code="2xx"}`, '1')
  const expected = {
    [`attempts_total{group="g",server="${refused}",outcome="failed"}`]: '1',
    [`attempts_total{group="g",server="${bad.address}",outcome="failed"}`]: '1',
    [`attempts_total{group="g",server="${good.address}",outcome="ok"}`]: '1',
    'retries_total{group="g",reason="error"}': '1',
    'retries_total{group="g",reason="http_503"}': '1',
    [`failures_total{group="g",server="${refused}",kind="error"}`]: '1',
    [`failures_total{group="g",server="${bad.address}",kind="status"}`]: '1',
    [`sent_bytes_total{group="g",server="${good.address}"}`]: String(good.requests[0]?.raw.length),
    [`received_bytes_total{group="g",server="${good.address}"}`]: String(HELLO.length),
    [`active_requests{group="g",server="${good.address}"}`]: '0',
    [`server_up{group="g",server="${good.address}"}`]: '1',
    [`server_up{group="g",server="${refused}"}`]: '0',
    [`server_state{group="g",server="${refused}",state="failed"}`]: '1',
    'connect_duration_seconds_count{group="g"}': '2',
    'response_duration_seconds_count{group="g"}': '3',
    [`header_duration_seconds_bucket{le="+Inf",group="g",server="${good.address}"}`]: '1',
    'request_duration_seconds_count{group="g"}': '1',
    'queued_requests{group="g"}': '0',
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(`fastify_scgi_${name}`), value, name)
  const sum = Number(samples.get('fastify_scgi_request_duration_seconds_sum{group="g"}'))
  assert.ok(sum > 0 && sum < 20, String(sum))
  const buckets = [...samples].filter(([name]) => name.startsWith('fastify_scgi_request_duration_seconds_bucket')).map(([, value]) => Number(value))
  assert.deepEqual(buckets, buckets.toSorted((a, b) => a - b))
})

test('a request that no server could be had for, and a client that went away', async () => {
  await using app = await startRecorder({ answer: async x => { await x.closed } })
  await using gateway = await measured({ upstreams: { name: 'g', servers: [app.address, { address: '127.0.0.1:1', down: true }] } })
  const client = new AbortController()
  const gone = fetch(gateway.url, { signal: client.signal })
  await app.received(1)
  const running = await scrape(gateway.url)
  assert.equal(running.get(`fastify_scgi_active_requests{group="g",server="${app.address}"}`), '1')
  client.abort()
  await assert.rejects(gone)
  const samples = await settled(gateway.url, `fastify_scgi_requests_total{group="g",server="${app.address}",code="4xx"}`, '1')
  assert.equal(samples.get(`fastify_scgi_attempts_total{group="g",server="${app.address}",outcome="abort"}`), '1')
  assert.equal(samples.get('fastify_scgi_response_duration_seconds_count{group="g"}'), undefined)
  gateway.app.scgi.groups.get('g')?.disable(app.address)
  assert.equal((await fetch(gateway.url)).status, 502)
  const after = await settled(gateway.url, 'fastify_scgi_requests_total{group="g",server="",code="5xx"}', '1')
  assert.equal(after.get('fastify_scgi_failures_total{group="g",server="",kind="no_live_upstreams"}'), '1')
  assert.equal(after.get(`fastify_scgi_server_state{group="g",server="${app.address}",state="down"}`), '1')
})

test('a request that no server took counts for none, also where the group has the name of its server', async () => {
  await using app = await startRecorder({ answer: HELLO })
  await using gateway = await measured({ upstreams: app.address })
  const { address } = app
  assert.equal((await fetch(gateway.url)).status, 200)
  gateway.app.scgi.groups.get(address)?.disable(address)
  assert.equal((await fetch(gateway.url)).status, 502)
  const samples = await settled(gateway.url, `fastify_scgi_requests_total{group="${address}",server="",code="5xx"}`, '1')
  assert.equal(samples.get(`fastify_scgi_requests_total{group="${address}",server="${address}",code="5xx"}`), undefined)
  assert.equal(samples.get(`fastify_scgi_requests_total{group="${address}",server="${address}",code="2xx"}`), '1')
})

test('the cache by status, entries and bytes; bytes that were spooled; health checks', async () => {
  await using app = await startRecorder({
    answer: async x => {
      await x.body()
      await x.end(`Cache-Control: max-age=60\r\n${HELLO}`)
    }
  })
  await using gateway = await measured({
    upstreams: { name: 'g', servers: [app.address], health: { type: 'scgi', interval: '1h', mandatory: true } },
    cache: { zone: createCache({ name: 'z' }) },
  })
  await turnsUntil(() => gateway.app.scgi.groups.get('g')?.servers[0]?.state === 'up', 'the first check', 20)
  for (let i = 0; i < 3; i++) await (await fetch(gateway.url)).text()
  // To another URL: it would take the entry away.
  await (await fetch(`${gateway.url}/form`, { method: 'POST', body: 'x'.repeat(300_000) })).text()
  const samples = await scrape(gateway.url)
  assert.equal(samples.get('fastify_scgi_cache_requests_total{cache="z",status="HIT"}'), '2')
  assert.equal(samples.get('fastify_scgi_cache_requests_total{cache="z",status="MISS"}'), '1')
  assert.equal(samples.get('fastify_scgi_cache_entries{cache="z"}'), '1')
  assert.ok(Number(samples.get('fastify_scgi_cache_bytes{cache="z"}')) >= 5)
  assert.equal(samples.get('fastify_scgi_spool_bytes_total{kind="request"}'), '300000')
  assert.equal(samples.get(`fastify_scgi_health_checks_total{group="g",server="${app.address}",result="passed"}`), '1')
})

test('a server that is removed takes its series with it', async () => {
  await using one = await startRecorder({ answer: HELLO })
  await using other = await startRecorder({ answer: HELLO })
  const group = createUpstreams({ name: 'g', servers: [one.address, other.address] })
  await using gateway = await measured({ upstreams: group })
  for (let i = 0; i < 2; i++) await (await fetch(gateway.url)).text()
  const has = async (): Promise<boolean> => [...(await scrape(gateway.url)).keys()].some(name => name.includes(one.address))
  assert.equal(await has(), true)
  group.remove(one.address)
  assert.equal(await has(), false)
})

test('servers that a function makes up, one after the other, do not make series without end', async () => {
  await using app = await startRecorder({ answer: HELLO })
  const port = app.address.split(':')[1] ?? ''
  let next = 0
  await using gateway = await measured({ upstreams: () => `127.0.${Math.floor(next / 250)}.${next++ % 250 + 1}:${port}`, allowAnyUpstream: true, nextUpstream: false })
  // Nobody listens at most of them, which is as good.
  for (let i = 0; i < 520; i += 20) await Promise.all(Array.from({ length: 20 }, async () => (await fetch(`${gateway.url}/x`)).text()))
  const groups = new Set([...(await scrape(gateway.url)).keys()].map(name => /group="(.*?)"/.exec(name)?.[1]))
  assert.ok(groups.has('(other)'))
  assert.ok(groups.size <= 502, String(groups.size))
})

test('OpenMetrics for who asks for it, and Prometheus\' own format again after that', async () => {
  await using app = await startRecorder({ answer: HELLO })
  const registry = new Registry()
  const mine = new Counter({ name: 'mine_total', help: 'Says "mine"\nand \\', registers: [registry], labelNames: ['of'] })
  mine.inc({ of: 'a"b\\c\nd' }, 2)
  await using gateway = await measured({ upstreams: { name: 'g', servers: [app.address] } }, { registry })
  await (await fetch(gateway.url)).text()
  const prometheus = 'application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'
  const open = await fetch(`${gateway.url}/metrics`, { headers: { accept: prometheus } })
  assert.equal(open.headers.get('content-type'), 'application/openmetrics-text; version=1.0.0; charset=utf-8')
  const text = await open.text()
  assert.ok(text.endsWith('\n# EOF\n'))
  assert.ok(text.includes('# HELP mine Says \\"mine\\"\\nand \\\\\n# TYPE mine counter\nmine_total{of="a\\"b\\\\c\\nd"} 2\n'), text.slice(0, 300))
  assert.ok(text.includes('# TYPE fastify_scgi_attempts counter\n'))
  assert.match(text, /^fastify_scgi_attempts_total\{group="g",server="[^"]+",outcome="ok"\} 1$/m)
  for (const [accept, type] of [
    [undefined, 'text/plain'],
    ['*/*', 'text/plain'],
    ['text/plain', 'text/plain'],
    ['application/openmetrics-text;q=0.1, text/plain', 'text/plain'],
    ['application/openmetrics-text;q=0', 'text/plain'],
    ['application/openmetrics-text', 'application/openmetrics-text'],
  ] as const) {
    const reply = await gateway.app.inject({ url: '/metrics', headers: accept === undefined ? {} : { accept } })
    assert.equal(String(reply.headers['content-type']).split(';')[0], type, accept)
    if (type === 'text/plain') assert.ok(reply.body.includes('\nmine_total{of="a\\"b\\\\c\\nd"} 2\n'), accept)
  }
})

test('who may scrape; where; and no route at all', async () => {
  await using app = await startRecorder({ answer: HELLO })
  await using guarded = await measured({ upstreams: app.address }, {
    endpoint: '/inside/metrics',
    authorize: (request, reply, done) => {
      if (request.headers.authorization === 'Bearer me') done()
      else reply.code(401).send()
    },
  })
  assert.equal((await fetch(`${guarded.url}/inside/metrics`)).status, 401)
  assert.equal((await fetch(`${guarded.url}/inside/metrics`, { headers: { authorization: 'Bearer me' } })).status, 200)
  assert.equal(app.requests.length, 0)
  const registry = new Registry()
  await using without = await measured({ upstreams: app.address }, { registry, endpoint: false })
  assert.equal(await (await fetch(`${without.url}/metrics`)).text(), 'hello')
  assert.match(await registry.metrics(), /fastify_scgi_attempts_total\{.*outcome="ok"\} 1/)
})

test('applications may share a registry; the last that closes takes its metrics out and listens no more', async () => {
  const registry = new Registry()
  const one = Fastify()
  const two = Fastify()
  one.register(metrics, { registry })
  two.register(metrics, { registry })
  await Promise.all([one.ready(), two.ready()])
  assert.ok(registry.getSingleMetric('fastify_scgi_requests_total'))
  await one.close()
  assert.ok(registry.getSingleMetric('fastify_scgi_requests_total'))
  await two.close()
  assert.deepEqual(registry.getMetricsAsArray(), [])
  const { REQUEST_START, ATTEMPT_END } = await import('../../lib/runtime/diagnostics.ts')
  assert.deepEqual([REQUEST_START.hasSubscribers, ATTEMPT_END.hasSubscribers], [false, false])
})

test('servers of one name, in groups of one name, are summed or averaged: none hides another', async () => {
  await using app = await startRecorder()
  const registry = new Registry()
  const open: (() => void)[] = []
  await using slow = await startRecorder({
    answer: async x => {
      await new Promise<void>(resolve => { open.push(resolve) })
      await x.end(HELLO)
    },
  })
  const often = { address: slow.address, weight: 8 }
  const servers = [often, { address: app.address, weight: 4 }]
  await using one = await measured({ upstreams: { name: 'g', servers: [...servers, often] } }, { registry })
  await using two = await measured({ upstreams: { name: 'g', servers } }, { registry })
  const waiting = fetch(one.url)
  await turnsUntil(() => open.length === 1, 'the request', 10)
  two.app.scgi.groups.get('g')?.disable(app.address)
  two.app.scgi.groups.get('g')?.edit(app.address, { weight: 2 })
  const samples = await scrape(two.url)
  open.shift()?.()
  assert.equal((await waiting).status, 200)
  const of = (name: string, address: string, state = '') => samples.get(`fastify_scgi_${name}{group="g",server="${address}"${state}}`)
  assert.deepEqual([of('active_requests', slow.address), of('server_up', slow.address), of('server_weight', slow.address)], ['1', '1', '8'])
  assert.deepEqual([of('active_requests', app.address), of('server_up', app.address), of('server_weight', app.address)], ['0', '0.5', '3'])
  assert.deepEqual(['up', 'down'].map(state => of('server_state', app.address, `,state="${state}"`)), ['0.5', '0.5'])
})

test('options that are none, and names that are taken', async () => {
  const taken = new Registry()
  const other = new Counter({ name: 'fastify_scgi_retries_total', help: 'x', registers: [taken] })
  for (const [options, code] of [
    [{ endpoint: 'metrics' }, 'FST_SCGI_OPT_INVALID'],
    [{ endpoint: true }, 'FST_SCGI_OPT_INVALID'],
    [{ registry: {} }, 'FST_SCGI_OPT_INVALID'],
    [{ authorize: 'me' }, 'FST_SCGI_OPT_INVALID'],
    [{ authorize: () => {}, endpoint: false }, 'FST_SCGI_OPT_INVALID'],
    [{ buckets: [] }, 'FST_SCGI_OPT_INVALID'],
    [{ buckets: [1, 1] }, 'FST_SCGI_OPT_INVALID'],
    [{ buckets: [0, 1] }, 'FST_SCGI_OPT_INVALID'],
    [{ bucket: [1] }, 'FST_SCGI_OPT_UNKNOWN'],
    [{ prefix: '/x' }, 'FST_SCGI_OPT_UNKNOWN'],
    [{ registry: taken }, 'FST_SCGI_OPT_INVALID'],
  ] as const) {
    const app = Fastify()
    app.register(metrics, Object.assign({ registry: new Registry() }, options))
    await assert.rejects(async () => { await app.ready() }, { code }, JSON.stringify(Object.keys(options)))
    await app.close()
  }
  assert.deepEqual(taken.getMetricsAsArray(), [other])
})

test('the dashboard, the alert rules and the docs use names and labels that there are, and the docs have all', async () => {
  const registry = new Registry()
  await using gateway = await measured({ upstreams: '127.0.0.1:1' }, { registry })
  assert.ok(gateway.url)
  const known = new Map<string, readonly string[]>()
  for (const metric of registry.getMetricsAsArray()) {
    const labels: unknown = Reflect.get(metric, 'labelNames')
    const names = Array.isArray(labels) ? labels.map(String) : []
    const suffixes = String(metric.type) === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    for (const suffix of suffixes) known.set(metric.name + suffix, suffix === '_bucket' ? [...names, 'le'] : names)
  }
  assert.ok(known.size > 30)
  const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
  const used = new Set<string>()
  for (const file of ['grafana/dashboard.json', 'grafana/alerts.yml']) {
    const text = file.endsWith('.json') ? JSON.stringify(JSON.parse(read(file)), null, 1).replaceAll('\\"', '"') : read(file)
    for (const [, name = '', selector = ''] of text.matchAll(/(?<![\w-])(fastify_scgi_\w+)(?:\{([^{}]*)\})?/g)) {
      const labels = known.get(name) ?? known.get(`${name}_bucket`)
      assert.ok(labels, `${file}: ${name}`)
      used.add(name.replace(/_bucket$/, ''))
      for (const [, label = ''] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) assert.ok(label === 'instance' || labels.includes(label), `${file}: ${name}{${label}}`)
    }
    // What a sum is taken by, and what legends and texts show.
    const all = new Set([...known.values()].flat())
    for (const [, list = ''] of text.matchAll(/\b(?:by|ignoring) \(([^()]*)\)/g)) {
      for (const label of list.split(',')) assert.ok(all.has(label.trim()) || label.trim() === 'job', `${file}: ${list}`)
    }
    for (const [, label = ''] of text.matchAll(/\{\{ ?(?:\$labels\.)?(\w+) ?\}\}/g)) assert.ok(all.has(label), `${file}: ${label}`)
  }
  assert.ok(used.size > 20)
  const page = read('metrics-and-traces.md')
  for (const metric of registry.getMetricsAsArray()) assert.ok(page.includes(`\`${metric.name.replace('fastify_scgi_', '')}\``), metric.name)
})
