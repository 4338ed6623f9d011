// What the gateway has started: its processes by the API, and on the page.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { ctl } from '../../lib/run/ctl.ts'
import { tempDir } from '../helpers/temp.ts'
import { startAdmin } from './admin-kit.ts'

const APPS = fileURLToPath(new URL('../spawn/apps', import.meta.url))

test('processes: number, state, restarts, how the last one ended, and the last line, which is text', async () => {
  const spawn = { command: process.execPath, args: ['scgi.mjs', '<b>'], cwd: APPS, processes: 2, restart: { delay: '1h', maxDelay: '1h' } }
  await using dir = await tempDir()
  const socket = dir.socket()
  await using gateway = await startAdmin([{ spawn }], { socket })
  type Process = Record<'pid' | 'state' | 'since' | 'restarts' | 'reason' | 'lastLine', unknown>
  const processes = async (): Promise<Process[]> => {
    const [application, ...more] = (await gateway.api('GET', '/groups/app')).body.applications
    assert.deepEqual([application.name, more], ['node scgi.mjs <b>', []])
    return application.processes
  }
  const until = async (holds: (all: Process[]) => boolean): Promise<Process[]> => {
    for (;;) {
      const all = await processes()
      if (holds(all)) return all
      await setTimeout(20)
    }
  }
  const [one, other] = await until(all => all.every(({ lastLine }) => String(lastLine).startsWith('listens')))
  for (const each of [one, other]) {
    const { pid, state, restarts, reason, lastLine } = each ?? {}
    assert.deepEqual([state, restarts, reason, lastLine], ['running', 0, null, `listens, at ${String(pid)}`])
  }
  process.kill(Number(one?.pid), 'SIGKILL')
  const [ended, left] = await until(([first]) => first?.state === 'waiting')
  assert.deepEqual([ended?.pid, ended?.restarts, ended?.lastLine], [null, 0, `listens, at ${String(one?.pid)}`])
  assert.match(String(ended?.reason), / was ended by SIGKILL/)
  assert.deepEqual(left, other)
  const [, first = '', second = ''] = (await ctl(['--socket', socket, 'processes'])).split('\n')
  assert.match(first, /^app +node scgi\.mjs <b> +- +waiting +\S+Z +0 +node scgi\.mjs <b> was ended by SIGKILL/)
  assert.match(second, new RegExp(`^app +node scgi\\.mjs <b> +${String(other?.pid)} +running +\\S+Z +0 +listens, at`))
  const page = await (await fetch(`${gateway.url}/gateway`, { headers: { connection: 'close' } })).text()
  assert.ok(page.includes(`data-k="pid">${String(other?.pid)}</td>`) && page.includes(`listens, at ${String(one?.pid)}`))
  assert.ok(page.includes('was ended by SIGKILL') && page.includes('node scgi.mjs &#60;b&#62;</th>'))
})

test('the reason of a server is why its application does not run, not the attempt that failed then', async () => {
  const spawn = { command: process.execPath, args: ['scgi.mjs'], cwd: APPS, restart: { delay: '1h', maxDelay: '1h' } }
  await using gateway = await startAdmin([{ spawn }, { address: '127.0.0.1:9', backup: true }])
  await (await fetch(`${gateway.url}/die`, { headers: { connection: 'close' } })).text()
  for (;;) {
    const { applications: [application], servers: [server] } = (await gateway.api('GET', '/groups/app')).body
    if (application.processes[0].state !== 'waiting') {
      await setTimeout(20)
      continue
    }
    assert.equal(server.state, 'failed')
    assert.match(server.reason, /exited with code 7|ended with .*7/)
    assert.match(server.lastFailure.message, /closed|reset|premature/)
    const { body: reset } = await gateway.api('POST', `/groups/app/servers/${encodeURIComponent(server.id)}/reset`)
    assert.deepEqual([reset.reason, reset.lastFailure], [server.reason, null])
    return
  }
})

test('an edit of an application is kept, though it listens elsewhere at the next start', async () => {
  await using dir = await tempDir()
  const servers = ['127.0.0.1:9', { spawn: { command: process.execPath, args: ['scgi.mjs'], cwd: APPS } }]
  const state = dir.file('state')
  const found = async (edit: object | undefined): Promise<{ name: string, settings: { weight: number } }> => {
    await using gateway = await startAdmin(servers, { state })
    const { servers: [, server] } = (await gateway.api('GET', '/groups/app')).body
    if (edit !== undefined) {
      const path = `/groups/app/servers/${encodeURIComponent(server.id)}`
      assert.equal((await gateway.api('PATCH', path, { body: edit, ifMatch: server.etag })).status, 200)
    }
    assert.deepEqual(gateway.log.filter(({ level }) => Number(level) >= 40), [])
    return server
  }
  const before = await found({ weight: 7 })
  const after = await found(undefined)
  assert.notEqual(after.name, before.name)
  assert.equal(after.settings.weight, 7)
})
