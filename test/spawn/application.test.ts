import assert from 'node:assert/strict'
import { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, mock, test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { OwnApplication } from '../../lib/spawn/application.ts'
import type { ApplicationServer, OutputReport, ProcessReport } from '../../lib/spawn/contract.ts'
import { readSpawn } from '../../lib/spawn/options.ts'
import { FakeTimers } from '../helpers/timers.ts'
import { systemTimers, type Timers } from '../../lib/runtime/timers.ts'

const APP = fileURLToPath(new URL('apps/scgi.mjs', import.meta.url))

/** An application that was started, with all that was heard of it. */
class Started implements AsyncDisposable {
  readonly processes: ProcessReport[] = []
  readonly output: OutputReport[] = []
  readonly servers: (readonly ApplicationServer[])[] = []
  readonly application: OwnApplication
  #waiting: (() => void)[] = []
  // An application keeps no process alive; here nothing else does.
  readonly #alive = setInterval(() => {}, 1_000_000)

  constructor (spawn: object, timers: Timers = systemTimers) {
    const heard = (): void => { for (const tell of this.#waiting.splice(0)) tell() }
    this.application = new OwnApplication('spawn', readSpawn('spawn', { command: process.execPath, args: [APP], ...spawn }), {
      onServers: servers => { this.servers.push(servers); heard() },
      onProcess: report => { this.processes.push(report); heard() },
      onOutput: report => { this.output.push(report); heard() },
    }, timers)
  }

  get pids (): number[] {
    return this.processes.filter(({ state }) => state === 'started').map(({ pid }) => pid)
  }

  /** Waits until it holds. */
  async until (holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  /** Starts it, with a time that passes as the real one does. */
  async startFast (timers: FakeTimers): Promise<readonly ApplicationServer[]> {
    const passing = setInterval(() => timers.advance(5), 5)
    return await this.application.start().finally(() => clearInterval(passing))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.application.stop()
    clearInterval(this.#alive)
  }
}

/** Asks as a gateway would; empty where the connection ends without a reply. */
async function ask (address: string, path = '/'): Promise<string> {
  const fields = `CONTENT_LENGTH\x000\0SCGI\x001\0PATH_INFO\0${path}\0`
  const [host, port] = address.split(':')
  const socket = address.startsWith('unix:') ? connect(address.slice('unix:'.length)) : connect(Number(port), host)
  let reply = ''
  socket.on('data', bytes => { reply += String(bytes) })
  socket.on('error', () => {})
  socket.write(`${fields.length}:${fields},`)
  await once(socket, 'close')
  return reply.slice(reply.indexOf('\r\n\r\n') + 4)
}

function lives (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** As if all other processes were of another user. */
function forbidSignals (): Disposable {
  const error = Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
  const mocks = [
    mock.method(ChildProcess.prototype, 'kill', function (this: ChildProcess) {
      this.emit('error', error)
      return false
    }),
    mock.method(process, 'kill', () => { throw error }),
  ]
  return { [Symbol.dispose] () { for (const { mock: one } of mocks) one.restore() } }
}

const only = (servers: readonly ApplicationServer[]): string => {
  assert.equal(servers.length, 1)
  assert.equal(servers[0]?.reason, undefined)
  return servers[0]?.address ?? ''
}

describe('where an application listens', () => {
  test('stdin: several processes accept from descriptor 0', async () => {
    await using app = new Started({ processes: 2 })
    const address = only(await app.application.start())
    const answered = new Set<string>()
    while (answered.size < 2) answered.add(await ask(address))
    assert.deepEqual([...answered].sort(), app.pids.map(String).sort())
    const directory = dirname(address.slice('unix:'.length))
    await app.application.stop()
    assert.ok(!app.pids.some(lives))
    assert.ok(!existsSync(directory))
    assert.deepEqual(app.processes.map(({ state }) => state), ['started', 'started', 'stopped', 'stopped'])
  })

  for (const [socket, args, pattern] of [
    ['path', ['{socket}', '--at={socket}'], /^unix:/],
    ['port', ['{socket}', '--at={socket}', '{port}'], /^127\.0\.0\.1:\d+$/],
  ] as const) {
    test(`${socket}: each process has its own, and is told it`, async () => {
      await using app = new Started({ socket, processes: 2, args: [APP, ...args], cwd: '/', env: { GIVEN: 'yes', HOME: undefined } })
      const servers = await app.application.start()
      assert.equal(new Set(servers.map(({ address }) => address)).size, 2)
      for (const { address, reason } of servers) {
        assert.match(address, pattern)
        assert.equal(reason, undefined)
        const told = JSON.parse(await ask(address, '/env'))
        const where = address.replace(/^unix:/, '')
        assert.deepEqual(told.args, socket === 'path' ? [where, `--at=${where}`] : [where, `--at=${where}`, where.split(':')[1]])
        assert.equal(told.env.SCGI_SOCKET, where)
        assert.equal(told.env.SCGI_PORT, where.split(':')[1])
        assert.equal(told.env.GIVEN, 'yes')
        assert.equal(told.env.HOME, undefined)
        assert.equal(told.env.PATH, process.env['PATH'])
        assert.equal(told.cwd, '/')
      }
    })
  }

  test('what it says is told line by line, with its number', async () => {
    await using app = new Started({})
    await app.application.start()
    await app.until(() => app.output.length >= 3)
    const [pid = 0] = app.pids
    assert.deepEqual(app.output.filter(({ stream }) => stream === 'stderr'), [
      { pid, stream: 'stderr', line: 'one line' }, { pid, stream: 'stderr', line: 'and another' },
    ])
    assert.deepEqual(app.output.filter(({ stream }) => stream === 'stdout'), [{ pid, stream: 'stdout', line: `listens, at ${pid}` }])
  })
})

describe('an application that ends', () => {
  test('is started again, and requests wait for it in the queue of the socket', async () => {
    await using app = new Started({})
    const address = only(await app.application.start())
    const [first = 0] = app.pids
    process.kill(first, 'SIGKILL')
    await app.until(() => app.processes.some(({ state }) => state === 'exited'))
    const answer = await ask(address)
    assert.notEqual(answer, String(first))
    assert.equal(answer, String(app.pids[1]))
    assert.deepEqual(app.servers.flat().filter(({ reason }) => reason !== undefined), [])
    assert.match(app.processes.find(({ state }) => state === 'exited')?.reason ?? '', /was ended by SIGKILL/)
  })

  test('takes what it has started with it', async () => {
    await using app = new Started({})
    const address = only(await app.application.start())
    const children = [Number(await ask(address, '/child')), Number(await ask(address, '/escaped'))]
    assert.ok(children.every(lives))
    process.kill(app.pids[0] ?? 0, 'SIGKILL')
    await app.until(() => app.processes.some(({ state }) => state === 'exited'))
    while (children.some(lives)) await setImmediate()
  })

  for (const socket of ['stdin', 'path', 'port'] as const) {
    test(`again and again, with a growing delay: ${socket}`, async () => {
      const timers = new FakeTimers()
      await using app = new Started({
        socket, command: '/bin/sh', args: ['-c', 'echo no database >&2; exit 3'], restart: { delay: 100, maxDelay: 1000 },
      }, timers)
      const [server] = await app.startFast(timers)
      assert.match(server?.reason ?? '', /^sh -c .* exited with code 3: no database$/)
      const exits = (): ProcessReport[] => app.processes.filter(({ state }) => state === 'exited')
      while (exits().length < 7) {
        // Time passes only while it waits: a start takes as long as it takes.
        if (app.processes.at(-1)?.state === 'exited') timers.advance(10)
        await setImmediate()
      }
      assert.deepEqual(exits().slice(0, 7).map(({ restartsIn }) => restartsIn), [100, 200, 400, 800, 1000, 1000, 1000])
    })
  }

  test('that had lived for a while begins with the shortest delay', async () => {
    const timers = new FakeTimers()
    await using app = new Started({ restart: { delay: 100 } }, timers)
    await app.startFast(timers)
    for (const number of [1, 2, 3]) {
      timers.advance(10_000)
      process.kill(app.pids.at(-1) ?? 0, 'SIGKILL')
      await app.until(() => app.processes.filter(({ state }) => state === 'exited').length === number)
      assert.equal(app.processes.at(-1)?.restartsIn, 100)
      timers.advance(100)
      await app.until(() => app.pids.length === number + 1)
    }
  })

  for (const socket of ['stdin', 'path', 'port'] as const) {
    test(`at its start gets requests again when it has lived for a second: ${socket}`, async () => {
      const timers = new FakeTimers()
      await using app = new Started({ socket, ...(socket !== 'stdin' && { readyTimeout: '20d' }), restart: { delay: 100 } }, timers)
      const address = only(await app.startFast(timers))
      await ask(address, '/die')
      await app.until(() => app.processes.some(({ state }) => state === 'exited'))
      timers.advance(100)
      await app.until(() => app.pids.length === 2)
      const reason = (): string | undefined => app.servers.at(-1)?.[0]?.reason
      while (app.application.processes[0]?.state !== 'running') {
        assert.match(reason() ?? '', /exited with code 7/)
        if (app.output.some(({ line }) => line === `listens, at ${app.pids[1]}`)) timers.advance(50)
        await setTimeout(5)
      }
      assert.match(reason() ?? '', /exited with code 7/)
      timers.advance(999)
      assert.match(reason() ?? '', /exited with code 7/)
      timers.advance(1)
      assert.equal(app.servers.at(-1)?.length, 1)
      assert.equal(reason(), undefined)
      assert.equal(await ask(address), String(app.pids[1]))
    })
  }

  for (const [how, end] of [
    ['exits', address => ask(address, '/die')],
    ['is killed', async (_address, pid) => { process.kill(pid, 'SIGKILL') }],
  ] satisfies [string, (address: string, pid: number) => Promise<unknown>][]) {
    test(`once, after it has lived for a while, keeps its server: requests wait. It ${how}`, async () => {
      const timers = new FakeTimers()
      await using app = new Started({ restart: { delay: 100 } }, timers)
      const address = only(await app.startFast(timers))
      for (const number of [1, 2]) {
        await ask(address)
        timers.advance(10_000)
        await end(address, app.pids.at(-1) ?? 0)
        await app.until(() => app.processes.filter(({ state }) => state === 'exited').length === number)
        timers.advance(100)
        await app.until(() => app.pids.length === number + 1)
        assert.equal(await ask(address), String(app.pids.at(-1)))
      }
      assert.deepEqual(app.servers.flat().filter(({ reason }) => reason !== undefined), [])
    })
  }

  test('once, and starts again only after more than a second, is out meanwhile: other servers of its group may answer', async () => {
    const timers = new FakeTimers()
    await using app = new Started({ restart: { delay: 30_000, maxDelay: 30_000 } }, timers)
    const address = only(await app.startFast(timers))
    timers.advance(10_000)
    await ask(address, '/die')
    await app.until(() => app.servers.at(-1)?.some(({ reason }) => reason !== undefined) === true)
    timers.advance(30_000)
    await app.until(() => app.pids.length === 2)
    timers.advance(1000)
    await app.until(() => app.servers.at(-1)?.every(({ reason }) => reason === undefined) === true)
    assert.equal(await ask(address), String(app.pids.at(-1)))
  })

  test('without ever listening is ended, and says so', async () => {
    const timers = new FakeTimers()
    await using app = new Started({ socket: 'path', command: 'sleep', args: ['1000'], readyTimeout: 500 }, timers)
    const [server] = await app.startFast(timers)
    assert.match(server?.reason ?? '', /sleep 1000 was ended by SIGTERM: it did not listen on .* within 500 ms \(readyTimeout\)/)
    assert.ok(!lives(app.pids[0] ?? 0))
  })
})

describe('the end', () => {
  test('is the signal, and the kill for whoever does not hear it', async () => {
    const timers = new FakeTimers()
    await using app = new Started({ args: [APP, '--deaf'], stop: { timeout: 3000 } }, timers)
    await app.startFast(timers)
    await app.until(() => app.output.some(({ line }) => line.startsWith('listens')))
    const [pid = 0] = app.pids
    let over = false
    const stopped = app.application.stop().then(() => { over = true })
    timers.advance(2999)
    await setImmediate()
    assert.ok(lives(pid))
    assert.ok(!over)
    timers.advance(1)
    await stopped
    assert.ok(!lives(pid))
  })

  test('leaves nothing behind that the application has started, in a session of its own or not', { skip: process.platform !== 'linux' && 'looks into /proc' }, async () => {
    const app = new Started({})
    const address = only(await app.application.start())
    const children = [Number(await ask(address, '/child')), Number(await ask(address, '/escaped'))]
    assert.ok(children.every(lives))
    await app[Symbol.asyncDispose]()
    // What is killed is gone when somebody has taken leave of it.
    while (children.some(lives)) await setImmediate()
  })

  test('is not waited for where the system lets no signal through: of one that runs as another user', async () => {
    const timers = new FakeTimers()
    const app = new Started({ stop: { timeout: 3000 } }, timers)
    await app.startFast(timers)
    const [pid = 0] = app.pids
    let over = false
    const forbidden = forbidSignals()
    try {
      const stopped = app.application.stop().then(() => { over = true })
      timers.advance(2999)
      await setImmediate()
      assert.ok(!over)
      timers.advance(1)
      await stopped
    } finally {
      forbidden[Symbol.dispose]()
    }
    assert.ok(lives(pid))
    const told = app.processes.map(({ state, reason }) => `${state}: ${reason}`)
    assert.deepEqual(told, ['started: undefined', 'stopped: it runs on, for the user of the gateway may not end it: kill EPERM'])
    process.kill(pid, 'SIGKILL')
    while (lives(pid)) await setImmediate()
    await app[Symbol.asyncDispose]()
    assert.equal(app.processes.length, 2)
  })

  test('a process that does not listen in time, and may not be ended, is told of', async () => {
    await using app = new Started({ command: 'sleep', args: ['1000'], socket: 'path', readyTimeout: 50, stop: { timeout: 50 } })
    const forbidden = forbidSignals()
    try {
      const [server] = await app.application.start()
      assert.match(server?.reason ?? '', /^it did not listen on .* within 50 ms \(readyTimeout\); it runs on, .*: kill EPERM$/)
    } finally {
      forbidden[Symbol.dispose]()
    }
  })

  test('uses the signal that is asked for', async () => {
    await using app = new Started({ args: [APP, '--deaf'], stop: { signal: 'SIGINT', timeout: 60_000 } })
    await app.application.start()
    await app.until(() => app.output.some(({ line }) => line.startsWith('listens')))
    await app.application.stop()
    assert.ok(!lives(app.pids[0] ?? 0))
  })
})

describe('load', () => {
  for (const socket of ['stdin', 'path'] as const) {
    test(`starts more processes, and those that are idle end: ${socket}`, async () => {
      const timers = new FakeTimers()
      await using app = new Started({ socket, ...(socket === 'path' && { readyTimeout: '20d' }), processes: { min: 1, max: 3, idleTimeout: 5000 } }, timers)
      const servers = await app.startFast(timers)
      const [first = ''] = servers.map(({ address }) => address)
      const busy = (count: number): void => app.application.load(new Map([[first, count]]))
      const running = (): number => app.pids.length - app.processes.filter(({ state }) => state === 'stopped').length
      busy(1)
      await setImmediate()
      assert.equal(running(), 1)
      for (const wanted of [2, 3, 3]) {
        busy(10)
        while (running() < wanted) await setImmediate()
        assert.equal(running(), wanted)
      }
      if (socket === 'path') {
        while ((app.servers.at(-1)?.length ?? 0) < 3) {
          timers.advance(50)
          await setTimeout(5)
        }
      }
      // Two are needed still.
      for (let time = 0; time < 10_000; time += 100) {
        timers.advance(100)
        busy(time % 1000 === 0 ? 2 : 0)
        await setImmediate()
      }
      while (running() !== 2) {
        timers.advance(1)
        await setImmediate()
      }
      for (let time = 0; time < 10_000; time += 100) {
        timers.advance(100)
        busy(0)
        await setImmediate()
      }
      while (running() !== 1) {
        timers.advance(1)
        await setImmediate()
      }
      assert.equal(app.servers.at(-1)?.length ?? 1, 1)
    })
  }

  test('a process at work is not ended', async () => {
    const timers = new FakeTimers()
    await using app = new Started({ processes: { min: 1, max: 2, idleTimeout: 1000 } }, timers)
    const [server] = await app.startFast(timers)
    const busy = (count: number): void => app.application.load(new Map([[server?.address ?? '', count]]))
    busy(2)
    while (app.pids.length < 2) await setImmediate()
    for (let time = 0; time < 5000; time += 100) {
      timers.advance(100)
      busy(1)
      await setImmediate()
    }
    // Whose it is nobody knows: both share the socket.
    assert.ok(app.pids.every(lives))
    busy(0)
    while (!app.processes.some(({ state }) => state === 'stopped')) await setImmediate()
  })
})
