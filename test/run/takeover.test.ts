// A worker that dies takes no request with it that another one can answer: neither those in flight nor connections between two requests.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import http from 'node:http'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { runCli, type RunningCommand } from '../helpers/cli.ts'
import { NoResponse, RawClient, rawRequest, type Target } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

const CLIENTS = 30
const KILLS = 5
const SHORT = 500
const BEGUN = 'a reply that has begun'

interface Gateway extends AsyncDisposable {
  readonly command: RunningCommand
  readonly port: number
  readonly path: string
  pid (): number
}

/** A gateway with two workers on a port and a unix socket, in front of an application. */
async function start (recorder: Recorder): Promise<Gateway> {
  const dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  const path = dir.socket('web.sock')
  await writeFile(file, `export default {
  listen: [0, ${JSON.stringify(`unix:${path}`)}],
  workers: 2,
  log: { level: 'info' },
  accessLog: () => '',
  mounts: [{ prefix: '/app', readTimeout: '10m', upstreams: { name: 'app', servers: [${JSON.stringify(recorder.address)}] } }],
  setup (app) {
    app.get('/pid', async () => process.pid)
    app.get('/die', () => { setImmediate(() => { throw new Error('it dies') }) })
    app.get('/oom', () => process.abort())
  },
}
`)
  const command = runCli('--config', file)
  const url = new URL(await command.listening())
  const [line] = await command.printed(/[^\n]*2 workers serve/)
  const pid = Number(/"pid":(\d+)/.exec(line)?.[1])
  return {
    command,
    port: Number(url.port),
    path,
    pid: () => pid,
    async [Symbol.asyncDispose] () {
      await command[Symbol.asyncDispose]()
      await dir.remove()
    },
  }
}

function head (path: string, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
}

/** Which worker has a connection. */
async function workerOf (client: RawClient): Promise<number> {
  return Number((await client.request(head('/pid'))).body.toString())
}

interface Application extends AsyncDisposable {
  readonly recorder: Recorder
  /** What it was asked for. */
  readonly asked: string[]
  /** Waits until it was asked so often. */
  arrived (count: number): Promise<void>
  release (): void
}

/** An application that keeps the requests to /slow until it is told. */
async function startApplication (): Promise<Application> {
  const asked: string[] = []
  const waiting: (() => void)[] = []
  let release = (): void => {}
  const released = new Promise<void>(resolve => { release = resolve })
  const recorder = await startRecorder({
    async answer (exchange) {
      const { request } = exchange
      const path = request.param('PATH_INFO') ?? ''
      asked.push(`${request.param('REQUEST_METHOD')} ${path}`)
      for (const resolve of waiting.splice(0)) resolve()
      if (path === '/begun') await exchange.write('Content-Type: text/plain\r\n\r\nbegun')
      if (path === '/slow' || path === '/begun') await released
      await exchange.end(path === '/begun' ? ' over' : `Content-Type: text/plain\r\n\r\n${request.param('QUERY_STRING')}`)
    },
  })
  return {
    recorder,
    asked,
    release: () => release(),
    [Symbol.asyncDispose]: () => recorder[Symbol.asyncDispose](),
    async arrived (count) {
      while (asked.length < count) await new Promise<void>(resolve => waiting.push(resolve))
    },
  }
}

test(`${CLIENTS} clients get their own replies while workers are killed ${KILLS} times, and ask again once a kill at most`, { timeout: 120_000 }, async () => {
  await using recorder = await startRecorder({
    async answer (exchange) {
      // Longer than what a worker needs to read it and to write the reply.
      await delay(100)
      const body = exchange.request.param('QUERY_STRING') ?? ''
      await exchange.end(`Content-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    },
  })
  await using gateway = await start(recorder)
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS })
  using load = { stop: false, served: 0, lost: 0, [Symbol.dispose] () { this.stop = true; agent.destroy() } }
  const send = (path: string, place: object): Promise<string> => new Promise((resolve, reject) => {
    http.get({ ...place, path, agent }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => { text += piece })
      response.once('close', () => response.complete ? resolve(text) : reject(new Error('the reply was cut')))
    }).once('error', reject)
  })
  const client = async (name: number): Promise<void> => {
    const place = name % 3 === 0 ? { socketPath: gateway.path } : { port: gateway.port }
    for (let n = 0; !load.stop; n++) {
      const got = await send(`/app/x?${name}-${n}`, place).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ECONNRESET') throw error
        // A worker reads or writes one message at a time: if it dies between that and its journal, the client hears nothing.
        load.lost++
        return undefined
      })
      if (got === undefined) continue
      assert.equal(got, `${name}-${n}`)
      load.served++
    }
  }
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, name) => client(name)))
  const killed = new Set<number>()
  while (killed.size < KILLS) {
    const before = load.served
    while (load.served < before + CLIENTS * 2) await Promise.race([delay(20), clients])
    const pids = [...gateway.command.stdout.matchAll(/"pid":(\d+)[^\n]*"msg":"worker \1 serves"/g)].map(([, pid]) => Number(pid))
    const pid = pids.find(one => !killed.has(one)) ?? 0
    process.kill(pid, 'SIGKILL')
    killed.add(pid)
  }
  // A connection waits until there is a worker again.
  await gateway.command.printed(new RegExp(`(?:ended \\(SIGKILL\\)[^]*?){${KILLS}}`))
  load.stop = true
  await clients
  agent.destroy()
  assert.ok(load.lost <= KILLS, `${load.lost} requests were lost`)
  assert.match(gateway.command.stdout, /other workers go on with [1-9]\d* connections of worker \d+/)
  gateway.command.kill('SIGTERM')
  assert.deepEqual(await gateway.command.ended, { code: 0, signal: null })
})

test('what was in flight when its worker died', { timeout: 120_000 }, async t => {
  await using application = await startApplication()
  const { asked } = application
  await using gateway = await start(application.recorder)
  const tcp: Target = { port: gateway.port }

  for (const [name, target] of [['TCP', tcp], ['unix socket', { path: gateway.path }]] as const) {
    await t.test(`a connection between two requests is served by another worker: ${name}`, async () => {
      await using client = await RawClient.connect(target)
      const first = await workerOf(client)
      process.kill(first, 'SIGKILL')
      assert.notEqual(await workerOf(client), first)
      // It is one like any other again.
      const second = await workerOf(client)
      process.kill(second, 'SIGKILL')
      assert.notEqual(await workerOf(client), second)
    })
  }

  await t.test('what has been sent in part, or needs more than its bytes, ends with the worker; a whole GET does not', async () => {
    const cases: [name: string, bytes: string][] = [
      ['a body', 'POST /app/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx'],
      ['a GET with a body', head('/app/slow', 'Content-Length: 1\r\n') + 'x'],
      ['pipelined', head('/app/slow?a') + head('/app/slow?b')],
      [BEGUN, head('/app/begun')],
      ['a head in part', 'GET /app/slow HTTP/1.1\r\nHo'],
      ['an upgrade', head('/app/slow', 'Connection: upgrade\r\nUpgrade: websocket\r\n')],
      ['too long', head('/app/slow', `Cookie: ${'c'.repeat(5000)}\r\n`)],
    ]
    // All on one worker: connections go to each in turn.
    const clients: RawClient[] = []
    let worker = 0
    for (let i = 0; i <= cases.length; i++) {
      for (;;) {
        const client = await RawClient.connect(tcp)
        const pid = await workerOf(client)
        worker ||= pid
        if (pid === worker) {
          clients.push(client)
          break
        }
        client.destroy()
      }
    }
    const [kept, ...others] = clients
    assert.ok(kept !== undefined)
    const before = asked.length
    const answer = kept.request(head('/app/slow?kept'))
    for (const [i, [, bytes]] of cases.entries()) await others[i]?.write(bytes)
    await application.arrived(before + cases.length)
    await others[3]?.until(({ bodyLength }) => bodyLength > 0)
    process.kill(worker, 'SIGKILL')
    for (const [i, [name]] of cases.entries()) {
      const client = others[i]
      await client?.closed
      if (name === BEGUN) {
        const reply = await client?.response()
        assert.deepEqual([reply?.cut, reply?.body.toString(), client?.rest.length], [true, 'begun', 0])
      } else await assert.rejects(client?.response() ?? Promise.resolve(), NoResponse, name)
    }
    // It is asked once more, by another worker; nothing else is.
    await application.arrived(before + cases.length + 1)
    assert.equal(asked.length, before + cases.length + 1)
    assert.equal(asked.at(-1), 'GET /slow')
    application.release()
    assert.equal((await answer).body.toString(), 'kept')
    kept.destroy()
  })

  for (const [path, end] of [['/die', 'exit code \\d+'], ['/oom', 'SIGABRT']] as const) {
    await t.test(`a request that ends its worker ends no more than two: ${path}`, async () => {
      const printed = gateway.command.stdout.length
      await assert.rejects(rawRequest(tcp, head(path), { timeout: 60_000 }), NoResponse)
      await using client = await RawClient.connect(tcp, { timeout: 60_000 })
      await workerOf(client)
      assert.equal(gateway.command.stdout.slice(printed).match(new RegExp(`ended \\(${end}\\)`, 'g'))?.length, 2)
    })
  }

  await t.test(`the primary has none of ${SHORT} connections that were closed`, async () => {
    const descriptors = (): number => readdirSync(`/proc/${gateway.pid()}/fd`).length
    const before = descriptors()
    for (let i = 0; i < SHORT; i += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, n) => {
        const last = n % 2 === 0
        return rawRequest(tcp, head('/pid', last ? 'Connection: close\r\n' : ''), { timeout: 60_000, untilClose: last })
      }))
    }
    // A worker tells in its next turn.
    while (descriptors() > before + 5) await delay(10)
  })
})
