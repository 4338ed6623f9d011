// Whichever worker is scraped, it tells of all.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { isRecord } from '../../lib/options/checks.ts'
import { EndedWorkers } from '../../lib/observe/metrics/ended-workers.ts'
import { aggregate } from '../../lib/observe/metrics/lists.ts'
import { runCli } from '../helpers/cli.ts'
import { compiled } from '../helpers/compiled.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

test('the workers of a configuration are summed, counters and servers each in their way', async () => {
  await using app = await startRecorder()
  const dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  const metrics = pathToFileURL(compiled('lib/observe/metrics/index.ts')).href
  await writeFile(file, `
    import metrics from ${JSON.stringify(metrics)}
    export default {
      listen: { port: 0, host: '127.0.0.1' },
      workers: 2,
      setup: async app => {
        app.get('/pid', async () => String(process.pid))
        await app.register(metrics)
      },
      mounts: [{ prefix: '/app', upstreams: { name: 'g', servers: ['${app.address}'] } }],
    }
  `)
  try {
    await using gateway = runCli('--config', file)
    const url = await gateway.listening()
    const workers = new Set<string>()
    const close = { connection: 'close' }
    const deadline = performance.now() + 90_000
    let sent = 0
    let text = ''
    // Until both have served: who is scraped says nothing, then.
    while (workers.size < 2 || !text.includes(`fastify_scgi_requests_total{group="g",server="${app.address}",code="2xx"} ${sent}\n`)) {
      assert.ok(performance.now() < deadline, `${[...workers].join()} ${sent} ${text}`)
      workers.add(await (await fetch(`${url}/pid`, { headers: close })).text())
      if (workers.size < 2 || sent === 0) {
        assert.equal(await (await fetch(`${url}/app/`, { headers: close })).text(), 'ok')
        sent++
      }
      const reply = await fetch(`${url}/metrics`, { headers: { ...close, accept: 'text/plain' } })
      text = await reply.text()
      assert.equal(reply.status, 200, text)
    }
    assert.ok(text.includes(`\nfastify_scgi_server_up{group="g",server="${app.address}"} 1\n`), text)
    assert.match(text, new RegExp(`^fastify_scgi_request_duration_seconds_count\\{group="g"\\} ${sent}$`, 'm'))
    const open = await (await fetch(`${url}/metrics`, { headers: { ...close, accept: 'application/openmetrics-text' } })).text()
    assert.ok(open.endsWith('\n# EOF\n') && open.includes('# TYPE fastify_scgi_attempts counter\n'), open)
    assert.equal(app.requests.length, sent)
    // New workers have counted nothing, and nothing is lost of what the others have: a sum that fell would look like requests.
    gateway.kill('SIGHUP')
    let ended = false
    const over = gateway.printed(/the workers of before the reload have ended/).then(() => { ended = true })
    const told = ['requests_total{group="g",server="ADDRESS",code="2xx"}', 'request_duration_seconds_count{group="g"}', 'attempts_total{group="g",server="ADDRESS",outcome="ok"}']
      .map(name => `\nfastify_scgi_${name.replace('ADDRESS', app.address)} `)
    for (let last = false; !last;) {
      last = ended
      const scraped = await (await fetch(`${url}/metrics`, { headers: close })).text()
      for (const line of told) assert.equal(Number(scraped.split(line)[1]?.split('\n')[0]), sent, `${line}: ${scraped}`)
      await Promise.race([over, delay(100)])
    }
    assert.equal(await (await fetch(`${url}/app/`, { headers: close })).text(), 'ok')
    for (let last = ''; !last.includes(`${told[0]}${sent + 1}\n`);) {
      assert.ok(performance.now() < deadline, last)
      last = await (await fetch(`${url}/metrics`, { headers: close })).text()
    }
    gateway.kill('SIGTERM')
    assert.equal((await gateway.ended).code, 0)
  } finally {
    await dir.remove()
  }
})

test('of a state the share of the workers is told that have the server, whichever states the others have it in', async () => {
  const worker = (states: Record<string, string>) => {
    const entries = Object.entries(states)
    const gauge = (name: string, values: object[]) => ({ name: `fastify_scgi_${name}`, help: 'x', type: 'gauge', aggregator: 'average', values })
    return [
      gauge('server_up', entries.map(([server, state]) => ({ value: state === 'up' ? 1 : 0, labels: { group: 'g', server } }))),
      gauge('server_state', entries.map(([server, state]) => ({ value: 1, labels: { group: 'g', server, state } }))),
    ]
  }
  const told = await aggregate([
    worker({ a: 'failed', b: 'up' }), worker({ a: 'up', b: 'up', c: 'draining' }), worker({ a: 'up', b: 'up' }), worker({ a: 'up', c: 'up' }), [],
  ]).getMetricsAsJSON()
  const shares = told.flatMap(({ values }) => values.map(({ value, labels }) => [...Object.values(labels).slice(1), value].join(' ')))
  assert.deepEqual(shares.toSorted(), ['a 0.75', 'a failed 0.25', 'a up 0.75', 'b 1', 'b up 1', 'c 0.5', 'c draining 0.5', 'c up 0.5'])
})

test('what an ended worker counted of a server is told as long as there is that server', async () => {
  const counter = (server: string, value: number) => ({
    name: 'fastify_scgi_attempts_total', help: 'x', type: 'counter', aggregator: 'sum', values: [{ value, labels: { group: 'g', server, outcome: 'ok' } }],
  })
  const gauge = (...servers: string[]) => ({
    name: 'fastify_scgi_server_weight', help: 'x', type: 'gauge', aggregator: 'average', values: servers.map(server => ({ value: 1, labels: { group: 'g', server } })),
  })
  const others = { name: 'other_total', help: 'x', type: 'counter', aggregator: 'sum', values: [{ value: 1, labels: {} }] }
  const ended = new EndedWorkers()
  ended.add([counter('a', 1), gauge('a'), others])
  ended.add([counter('a', 2), gauge('a')])
  ended.add([counter('b', 4), gauge('b')])
  ended.add(undefined)
  const values = async (lists: object[]) => (await ended.list(lists)).map(({ name, values: [...found] }) => [name, found.map(each => (isRecord(each) ? each['value'] : undefined))])
  assert.deepEqual(await values([]), [['fastify_scgi_attempts_total', [3, 4]]])
  assert.deepEqual(await values([[gauge('a', 'b')], [gauge('a')]]), [['fastify_scgi_attempts_total', [3, 4]]])
  assert.deepEqual(await values([[gauge('a')]]), [['fastify_scgi_attempts_total', [3]]])
  assert.deepEqual(await values([[gauge('a', 'b')]]), [['fastify_scgi_attempts_total', [3]]])
})
