// A reload under load: no connection is refused, no reply is cut, no upload is lost; a wrong configuration changes nothing.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import http from 'node:http'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { runCli } from '../helpers/cli.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

/** So many reloads; more are for those who have the time. */
const RELOADS = Number(process.env.TEST_RELOADS ?? 2)
const CLIENTS = 6

/** Sends a request, and gives its body and whether the connection may be used again; whatever goes wrong rejects. */
function send (url: string, { agent, method = 'GET', body }: { agent?: http.Agent, method?: string, body?: AsyncIterable<string> } = {}): Promise<{ status: number, text: string, connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, ...(agent === undefined ? { agent: false } : { agent }) }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => { text += piece })
      response.once('error', reject)
      response.once('close', () => {
        if (response.complete) resolve({ status: response.statusCode ?? 0, text, connection: response.headers.connection })
        else reject(new Error('the reply was cut'))
      })
    })
    request.once('error', reject)
    if (body === undefined) {
      request.end()
      return
    }
    ;(async () => {
      for await (const piece of body) request.write(piece)
      request.end()
    })().catch(reject)
  })
}

/** An application whose replies to /events end when that is resolved, and that says how much of a body came. */
function startApplication (over: Promise<void>): Promise<Recorder> {
  return startRecorder({
    async answer (exchange) {
      const { request } = exchange
      if (request.param('PATH_INFO') !== '/events') {
        await exchange.end(`Content-Type: text/plain\r\n\r\n${request.param('CONTENT_LENGTH')}`)
        return
      }
      await exchange.write('Content-Type: text/event-stream\r\n\r\ndata: begun\n\n')
      await over
      await exchange.end('data: over\n\n')
    },
  })
}

function config (listen: unknown, address: string, more = ''): string {
  return `export default {
  listen: ${JSON.stringify(listen)},
  workers: 2,
  log: { level: 'info' },
  accessLog: () => '',
  mounts: [{ prefix: '/app', readTimeout: '10m', clientBodyTimeout: '10m', upstreams: { name: 'app', servers: [${JSON.stringify(address)}, '127.0.0.1:1'] } }],
  setup (app) {
    app.get('/pid', async () => process.pid)
    app.get('/warn', async () => { process.emitWarning('told by a plugin', { code: 'A_CODE' }) })
    app.get('/drain', async () => { [...app.scgi.groups][0].drain('127.0.0.1:1') })
    app.get('/state', async () => process.pid + ' ' + [...app.scgi.groups][0].servers[1].state)
  },
  ${more}
}
`
}

/** Waits until both workers, which are none of those of before, know that the second server drains. */
async function draining (url: string, before: ReadonlySet<string>): Promise<Set<string>> {
  const pids = new Set<string>()
  while (pids.size < 2) {
    const [pid = '', state] = (await send(`${url}/state`)).text.split(' ')
    assert.ok(!before.has(pid), 'a new worker answers')
    if (state === 'draining') pids.add(pid)
    else await delay(20)
  }
  return pids
}

async function * slowly (until: Promise<void>): AsyncGenerator<string> {
  yield 'first,'
  await until
  yield 'last'
}

test(`${RELOADS} reloads under load: what is known of servers survives, and a wrong configuration changes nothing`, { timeout: 170_000 }, async () => {
  await using dir = await tempDir()
  let endStreams = (): void => {}
  await using recorder = await startApplication(new Promise<void>(resolve => { endStreams = resolve }))
  const file = dir.file('gateway.config.mjs')
  const pidFile = dir.file('gateway.pid')
  const right = config([0, `unix:${dir.socket('web.sock')}`], recorder.address, `pidFile: ${JSON.stringify(pidFile)},`)
  await writeFile(file, right)
  await using gateway = runCli('--config', file)
  const url = await gateway.listening()
  await gateway.printed(/2 workers serve/)
  await send(`${url}/drain`)
  const pids = await draining(url, new Set())
  await send(`${url}/warn`)
  await gateway.printed(/"level":40,[^\n]*"warning":\{"name":"Warning","code":"A_CODE"\},"msg":"told by a plugin"/)

  // The load: some keep their connections, some do not. All are counted.
  using load = { stop: false, [Symbol.dispose] () { this.stop = true } }
  let served = 0
  let told = 0
  const agent = new http.Agent({ keepAlive: true })
  const client = async (kept: boolean): Promise<void> => {
    while (!load.stop) {
      const { status, text, connection } = await send(`${url}/app/x`, kept ? { agent } : {})
      assert.deepEqual([status, text], [200, '0'])
      if (kept && connection === 'close') told++
      served++
      // A load, not as much as the machine can bear: the processes that are started need some, too.
      await delay(20)
    }
  }
  const clients = Array.from({ length: CLIENTS }, (_, i) => client(i % 2 === 0))
  const streams: Promise<{ text: string }>[] = []
  const uploads: Promise<{ text: string }>[] = []
  let endUploads = (): void => {}
  const uploaded = new Promise<void>(resolve => { endUploads = resolve })

  for (let i = 0; i < RELOADS; i++) {
    streams.push(send(`${url}/app/events`))
    uploads.push(send(`${url}/app/upload`, { method: 'POST', body: slowly(uploaded) }))
    gateway.kill('SIGHUP')
    await gateway.printed(new RegExp(`(?:reload: 2 new workers serve[^]*?){${i + 1}}`))
    for (const pid of await draining(url, pids)) pids.add(pid)
  }

  await writeFile(file, right.replace('upstreams:', 'upstream:'))
  await using failed = runCli('reload', '--config', file)
  assert.deepEqual(await failed.ended, { code: 1, signal: null })
  assert.match(failed.stderr, /^fastify-scgi: nothing is changed: there is no option 'mounts\[0\]\.upstream'[^\n]*\n$/)
  await gateway.printed(/reload: nothing is changed: there is no option 'mounts\[0\]/)
  assert.equal((await send(`${url}/app/x`)).status, 200)

  load.stop = true
  await Promise.all(clients)
  agent.destroy()
  endUploads()
  endStreams()
  for (const { text } of await Promise.all(uploads)) assert.equal(text, '10')
  for (const { text } of await Promise.all(streams)) assert.equal(text, 'data: begun\n\ndata: over\n\n')
  assert.ok(served > CLIENTS * RELOADS, `${served} requests`)
  assert.ok(told > 0, 'clients that kept their connection were told of its end')
  await gateway.printed(/the workers of before the reload have ended/)

  assert.equal(readFileSync(pidFile, 'utf8').trim(), /"pid":(\d+)[^\n]*2 workers serve/.exec(gateway.stdout)?.[1])
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
  assert.equal(gateway.stderr, '')
  assert.throws(() => readFileSync(pidFile), /ENOENT/)
})

test('a worker that is killed is replaced, and no connection is refused meanwhile', { timeout: 120_000 }, async () => {
  await using dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  await writeFile(file, `export default { listen: 0, workers: 1, setup (app) {
  app.get('/pid', async () => process.pid)
  app.get('/die', () => process.exit(7))
} }`)
  await using gateway = runCli('--config', file)
  const url = await gateway.listening()
  const first = (await send(`${url}/pid`)).text
  process.kill(Number(first), 'SIGKILL')
  // At once, while nobody is there to serve it.
  const second = (await send(`${url}/pid`)).text
  assert.notEqual(second, first)
  await gateway.printed(new RegExp(`worker ${first} ended \\(SIGKILL\\): another is started"`))
  await assert.rejects(send(`${url}/die`))
  await gateway.printed(/worker \d+ ended \(exit code 7\): another is started in 100 ms/)
  const third = (await send(`${url}/pid`)).text
  // Whoever ends a worker by hand gets another before it has gone.
  process.kill(Number(third), 'SIGTERM')
  await gateway.printed(new RegExp(`worker ${third} was told to end`))
  assert.notEqual((await send(`${url}/pid`)).text, third)
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
})

test('a worker that is killed is replaced while the file is wrong, too: by what it had before', { timeout: 120_000 }, async () => {
  await using dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  await writeFile(dir.file('routes.mjs'), "export const setup = app => { app.get('/pid', async () => process.pid) }")
  const right = "import { setup } from './routes.mjs'\nexport default { listen: 0, workers: 1, setup }\n"
  await writeFile(file, right)
  await using gateway = runCli('--config', file)
  const url = await gateway.listening()
  const pids = new Set([(await send(`${url}/pid`)).text])
  for (const [wrong, reason] of [
    ['export default {', /cannot load the configuration .*: Unexpected end of input \(line 1\)/],
    [right.replace('listen: 0', 'listen: [0, 0]'), /'listen' was changed in the configuration: reload it/],
  ] as const) {
    await writeFile(file, wrong)
    const printed = gateway.stdout.length
    process.kill(Number([...pids].at(-1)), 'SIGKILL')
    const { text } = await send(`${url}/pid`)
    assert.ok(!pids.has(text))
    pids.add(text)
    const log = gateway.stdout.slice(printed)
    assert.match(log, reason)
    assert.match(log, /cannot serve: .*; another is started with the configuration of before"/)
    assert.match(log, new RegExp(`"worker ${text} serves"`))
  }
  // What is right again is used again.
  await writeFile(file, right.replace('workers: 1', "workers: 1, accessLog: () => 'seen'"))
  process.kill(Number([...pids].at(-1)), 'SIGKILL')
  assert.ok(!pids.has((await send(`${url}/pid`)).text))
  await gateway.printed(/^seen$/m)
})

test('what cannot start leaves nothing behind', { timeout: 120_000 }, async () => {
  await using dir = await tempDir()
  const socket = dir.socket('web.sock')
  const file = dir.file('gateway.config.json')
  await writeFile(file, JSON.stringify({ listen: [`unix:${socket}`, 'unix:/none/such.sock'], pidFile: dir.file('pid') }))
  await using gateway = runCli('--config', file)
  assert.deepEqual(await gateway.ended, { code: 1, signal: null })
  assert.equal(gateway.stderr, 'fastify-scgi: cannot listen on unix:/none/such.sock: its directory does not exist, or may not be written\n')
  assert.equal(gateway.stdout, '')
  assert.throws(() => readFileSync(socket), /ENOENT/)
  assert.throws(() => readFileSync(dir.file('pid')), /ENOENT/)
})
