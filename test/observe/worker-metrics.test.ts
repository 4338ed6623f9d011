// Whichever worker is scraped, it tells of all.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
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
    const deadline = performance.now() + 60_000
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
    gateway.kill('SIGTERM')
    assert.equal((await gateway.ended).code, 0)
  } finally {
    await dir.remove()
  }
})
