import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { connect } from 'node:net'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

const OWNER = fileURLToPath(new URL('apps/owner.ts', import.meta.url))
const APP = fileURLToPath(new URL('apps/scgi.mjs', import.meta.url))

/** A process of its own that owns an application. */
class Owner implements AsyncDisposable {
  readonly process: ChildProcess
  readonly pids: number[] = []
  readonly address: Promise<string>

  constructor (spawnOptions: object) {
    const child = this.process = spawn(process.execPath, [...TYPESCRIPT, OWNER, JSON.stringify(spawnOptions)], { stdio: ['pipe', 'pipe', 'inherit'] })
    assert.ok(child.stdout !== null)
    const lines = createInterface(child.stdout)
    this.address = new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error('the owner has ended')))
      let heard = 0
      let address: string | undefined
      lines.on('line', line => {
        const said = JSON.parse(line)
        if (said.state === 'started') this.pids.push(said.pid)
        if (said.servers !== undefined) address = said.servers[0].address
        if (String(said.line).startsWith('listens')) heard += 1
        if (address !== undefined && heard > 0) resolve(address)
      })
    })
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    this.process.kill('SIGKILL')
    await once(this.process, 'exit')
  }
}

function lives (pid: number): boolean {
  try {
    // A zombie that nobody has taken leave of is no orphan.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function end (pid: number): Promise<void> {
  while (lives(pid)) await setTimeout(20)
}

/** The shell that waits for the end of a process. */
function guardOf (owner: number): number {
  const found = readdirSync('/proc').filter(name => /^\d+$/.test(name)).find(pid => {
    try {
      return Number(/\) \w (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]) === owner && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/bin/sh\0-c\0')
    } catch {
      return false
    }
  })
  return Number(found)
}

async function ask (address: string, path: string): Promise<number> {
  const fields = `CONTENT_LENGTH\x000\0SCGI\x001\0PATH_INFO\0${path}\0`
  const socket = connect(address.slice('unix:'.length))
  let reply = ''
  socket.on('data', bytes => { reply += String(bytes) })
  socket.write(`${fields.length}:${fields},`)
  await once(socket, 'close')
  return Number(reply.slice(reply.indexOf('\r\n\r\n') + 4))
}

describe('the owner is killed with -9', { concurrency: 4, skip: process.platform !== 'linux' && 'looks into /proc' }, () => {
  for (const [name, spawnOptions] of [
    ['processes that end by themselves', { args: [APP], processes: 2 }],
    ['processes that hear no signal', { args: [APP, '--deaf'], stop: { timeout: 300 } }],
  ] as const) {
    test(`${name} end with it, and so does what they have started`, async () => {
      await using owner = new Owner({ command: process.execPath, ...spawnOptions })
      const address = await owner.address
      const children = [await ask(address, '/child'), await ask(address, '/escaped')]
      assert.ok(children.every(lives))
      const guard = guardOf(owner.process.pid ?? 0)
      assert.ok(guard > 0)
      owner.process.kill('SIGKILL')
      for (const pid of [...owner.pids, ...children, guard]) await end(pid)
      assert.ok(!existsSync(dirname(address.slice('unix:'.length))))
    })
  }

  test('so they do when somebody has killed the guard before', async () => {
    await using owner = new Owner({ command: process.execPath, args: [APP] })
    await owner.address
    // One that dies at once would not be replaced.
    await setTimeout(1100)
    const first = guardOf(owner.process.pid ?? 0)
    process.kill(first, 'SIGKILL')
    while (!(guardOf(owner.process.pid ?? 0) > 0) || guardOf(owner.process.pid ?? 0) === first) await setTimeout(20)
    owner.process.kill('SIGKILL')
    for (const pid of owner.pids) await end(pid)
  })

  test('and where it ends itself without a word, too', async () => {
    await using owner = new Owner({ command: process.execPath, args: [APP], socket: 'path' })
    await owner.address
    owner.process.kill('SIGTERM')
    for (const pid of owner.pids) await end(pid)
  })
})
