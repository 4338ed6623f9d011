// The page and the API of a gateway with several workers: whichever answers, it tells of all, and its edits are for all.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { Agent, request as httpRequest } from 'node:http'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { runCli, runScript, type RunningCommand } from '../helpers/cli.ts'
import { compiled } from '../helpers/compiled.ts'
import { tempDir } from '../helpers/temp.ts'
import { Backends, type ApiAnswer } from './admin-kit.ts'

/** A connection, which one worker has. */
class Connection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #url: string
  pid = 0

  constructor (url: string) {
    this.#url = url
  }

  text (path: string, method = 'GET', headers: Record<string, string> = {}, body?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(this.#url + path, { agent: this.#agent, method, headers }, response => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => resolve(text)).on('error', reject)
      })
      request.on('error', reject).end(body)
    })
  }

  async api (path: string, method = 'GET', body?: object): Promise<ApiAnswer['body']> {
    const headers: Record<string, string> = {}
    if (method !== 'GET') headers['x-gateway-token'] = (await this.api('/token')).token
    if (body !== undefined) headers['content-type'] = 'application/json'
    return JSON.parse(await this.text(`/gateway/api${path}`, method, headers, body === undefined ? undefined : JSON.stringify(body)))
  }

  /** Asks until it holds: counts are a moment late. */
  async until (path: string, holds: (body: ApiAnswer['body']) => boolean): Promise<ApiAnswer['body']> {
    const end = performance.now() + 60_000
    for (;;) {
      const body = await this.api(path)
      if (holds(body)) return body
      assert.ok(performance.now() < end, JSON.stringify(body))
      await delay(20)
    }
  }

  /** Waits for something that the stream tells, first or later. */
  told (event: 'state' | 'delta', holds: (data: ApiAnswer['body']) => boolean): Promise<ApiAnswer['body']> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${this.#url}/gateway/api/events`, { agent: this.#agent }, response => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
          for (const [, name, data = ''] of text.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)) {
            const parsed: unknown = JSON.parse(data)
            if (name !== event || !holds(parsed)) continue
            request.destroy()
            resolve(parsed)
            return
          }
        })
        response.on('error', () => {})
      })
      request.on('error', reject).end()
    })
  }

  close (): void {
    this.#agent.destroy()
  }
}

/** A connection to a worker of which this holds. */
async function connectTo (url: string, holds: (pid: number) => boolean): Promise<Connection> {
  for (;;) {
    const connection = new Connection(url)
    connection.pid = Number(await connection.text('/pid'))
    if (holds(connection.pid)) return connection
    connection.close()
  }
}

/** A connection to each of two workers. */
async function connectBoth (url: string): Promise<[Connection, Connection]> {
  const one = await connectTo(url, () => true)
  return [one, await connectTo(url, pid => pid !== one.pid)]
}

async function startGateway (dir: Awaited<ReturnType<typeof tempDir>>, address: string): Promise<RunningCommand> {
  const file = dir.file('gateway.config.mjs')
  const [admin, scgi] = ['lib/observe/admin/index.ts', 'lib/index.ts'].map(each => JSON.stringify(pathToFileURL(compiled(each)).href))
  await writeFile(file, `
    import admin from ${admin}
    import { createCache } from ${scgi}
    const upstreams = { name: 'app', servers: ['${address}'], queue: { size: 5 } }
    export default {
      listen: { port: 0, host: '127.0.0.1' },
      workers: 2,
      setup: async app => {
        app.get('/pid', async () => String(process.pid))
        await app.register(admin, { prefix: '/gateway', secret: 'a secret of both workers' })
      },
      mounts: [
        { upstreams },
        { prefix: '/memory', upstreams: 'balancer://app', cache: { zone: createCache({ name: 'memory' }) } },
        { prefix: '/disk', upstreams: 'balancer://app', cache: { zone: createCache({ name: 'disk', path: ${JSON.stringify(dir.file('cache'))} }) } },
      ],
    }
  `)
  return runCli('--config', file)
}

test('whichever worker answers, numbers and lists are those of all, and resets and purges reach all', async () => {
  await using backends = await Backends.start(1)
  await using dir = await tempDir()
  await using gateway = await startGateway(dir, backends.addresses[0] ?? '')
  const [one, other] = await connectBoth(await gateway.listening())
  const both = [one, other]
  for (const connection of [one, one, one, other, other]) assert.equal(await connection.text('/a'), 'hello')
  assert.equal(await one.text('/fail/here'), 'no')

  for (const asked of both) {
    const { groups: [group], missing } = await asked.until('/groups?history=120', ({ groups: [{ servers: [found] }] }) => found.served === 6 && found.share === 1)
    const [server] = group.servers
    assert.deepEqual([missing, server.active, group.queue], [[], 0, { waiting: 0, size: 10 }])
    assert.equal(server.history.requests.reduce((sum: number, count: number) => sum + count, 0), 6)
    assert.ok(server.p50 > 0 && server.p99 >= server.p50 && server.history.p99.some((time: number | null) => time !== null))
    const { workers, process: { pid } } = await asked.api('/')
    assert.equal(pid, asked.pid)
    assert.deepEqual(new Set(workers.map((worker: { pid: number }) => worker.pid)), new Set(both.map(each => each.pid)))
    const { requests: [failed, ...more] } = await asked.api('/requests/failed')
    const number = workers.find((worker: { pid: number }) => worker.pid === one.pid).worker
    assert.deepEqual([failed.path, failed.worker, more], ['/fail/here', number, []])
    const page = await asked.text('/gateway')
    assert.ok(page.includes('/fail/here') && page.includes('those of all workers') && page.includes('6 served'), page)
    assert.ok(!page.includes('no answer:'))
  }

  // What one does is seen by the other while it lasts.
  const held = [one.text('/hold'), other.text('/hold')]
  const third = new Connection(await gateway.listening())
  await third.until('/groups/app', ({ active, servers: [server] }) => active === 2 && server.active === 2)
  backends.release()
  assert.deepEqual(await Promise.all(held), ['held', 'held'])

  for (const connection of [one, one, other]) for (const prefix of ['/memory', '/disk']) assert.equal(await connection.text(`${prefix}/a`), 'hello')
  for (const asked of both) {
    const { caches: [memory, disk] } = await asked.until('/caches', ({ caches }) => caches.every((cache: { requests: { HIT: number } }) => cache.requests.HIT > 0))
    assert.deepEqual([memory.name, memory.entries, memory.bytes > 0, memory.requests.MISS, memory.requests.HIT, memory.hitShare], ['memory', 2, true, 2, 1, 0.3333])
    assert.deepEqual([disk.name, disk.entries, disk.requests.MISS + disk.requests.HIT], ['disk', 1, 3])
    const { entries, missing } = await asked.api('/caches/memory/entries?search=a')
    assert.deepEqual([new Set(entries.map(({ worker }: { worker: number }) => worker)).size, entries.length, missing], [2, 2, []])
    assert.equal((await asked.api('/caches/disk/entries')).entries.length, 1)
    const { ages } = await asked.api('/caches/memory/ages')
    assert.equal(ages.reduce((sum: number, each: { entries: number }) => sum + each.entries, 0), 2)
    assert.equal((await asked.text('/gateway/caches/memory')).match(/in worker \d/g)?.length, 2)
  }
  assert.deepEqual(await other.api('/caches/memory/purge', 'POST', { tag: 'all' }), { purged: 2, missing: [] })
  assert.deepEqual(await one.api('/caches/disk/purge', 'POST', { glob: '*' }), { purged: 1, missing: [] })
  for (const asked of both) for (const name of ['memory', 'disk']) assert.deepEqual((await asked.until(`/caches/${name}/entries`, ({ entries }) => entries.length === 0)).next, null)

  const { edits } = await one.api('/edits')
  assert.deepEqual(edits.map(({ what }: { what: string }) => what.split(' ', 1)[0]), ['purges', 'purges'])
  const { groups: [streamed], failed, workers } = await third.told('state', () => true)
  assert.deepEqual([streamed.servers[0].served, failed.length, workers.length], [(await one.api('/groups/app')).servers[0].served, 1, 2])

  assert.equal((await other.api('/groups/app/reset', 'POST')).servers[0].served, 0)
  assert.deepEqual(await other.api('/requests/reset', 'POST'), { done: true, missing: [] })
  assert.equal((await other.api('/caches/memory/reset', 'POST')).requests.MISS, 0)
  for (const asked of both) {
    const { servers: [server] } = await asked.api('/groups/app')
    assert.deepEqual([server.served, server.p50, server.rate], [0, null, 0])
    assert.deepEqual((await asked.api('/requests/failed')).requests, [])
    assert.equal((await asked.api('/caches/memory')).requests.HIT, 0)
  }
  // The stream of one tells what the other does, and another that comes later has all of it, too.
  const following = third.told('delta', ({ groups }) => groups?.[0].servers[0].served === 2)
  await one.text('/a')
  await other.text('/a')
  await following
  const late = new Connection(await gateway.listening())
  assert.equal((await late.told('state', () => true)).groups[0].servers[0].served, 2)
  for (const connection of [one, other, third, late]) connection.close()
})

test('a worker that stands still is named, nobody waits for it, and it does later what it was told', async () => {
  await using backends = await Backends.start(1)
  await using dir = await tempDir()
  await using gateway = await startGateway(dir, backends.addresses[0] ?? '')
  const [one, other] = await connectBoth(await gateway.listening())
  await one.text('/a')
  await other.text('/a')
  await other.until('/groups/app', ({ servers: [server] }) => server.served === 2)
  const { workers } = await other.api('/')
  const { worker } = workers.find(({ pid }: { pid: number }) => pid === one.pid)
  const missing = [{ worker, pid: one.pid }]
  const stream = await connectTo(await gateway.listening(), pid => pid === other.pid)
  const named = stream.told('delta', delta => JSON.stringify(delta.missing) === JSON.stringify(missing))
  process.kill(one.pid, 'SIGSTOP')
  try {
    await named
    stream.close()
    const group = await other.api('/groups/app')
    assert.deepEqual([group.servers[0].served, group.missing], [1, missing])
    assert.ok((await other.text('/gateway')).includes(`there is no answer: worker ${worker} (process ${one.pid})<`))
    assert.deepEqual((await other.api('/groups/app/reset', 'POST')).missing, missing)
    assert.deepEqual((await other.api('/caches/memory/purge', 'POST', { glob: '*' })), { purged: 0, missing })
    assert.deepEqual((await other.api('/requests/slow')).missing, missing)
  } finally {
    process.kill(one.pid, 'SIGCONT')
  }
  const back = await other.until('/groups/app', ({ missing: late }) => late.length === 0)
  assert.equal(back.servers[0].served, 0)
  // A new worker is one of them, and one that has ended is not missed.
  process.kill(one.pid, 'SIGKILL')
  const now = await other.until('/', ({ workers: all, missing: late }) => all.length === 2 && late.length === 0 && all.every(({ pid }: { pid: number }) => pid !== one.pid))
  assert.ok(now.workers.some(({ pid }: { pid: number }) => pid === other.pid))
  for (const connection of [one, other]) connection.close()
})

test('workers of node:cluster tell of all of them, where the primary has the channel', async () => {
  await using backends = await Backends.start(1)
  await using primary = runScript('test/helpers/admin-worker.ts', [backends.addresses[0] ?? ''])
  const [, ...ports] = await primary.printed(/at (\d+)\n(?:.*\n)*?at (\d+)\n/)
  const [one, other] = ports.map(port => new Connection(`http://127.0.0.1:${port}`))
  assert.ok(one !== undefined && other !== undefined)
  assert.equal(await one.text('/a'), 'hello')
  for (const asked of [one, other]) await asked.until('/groups/app', ({ servers: [server], missing }) => server.served === 1 && missing?.length === 0)
  assert.equal((await other.api('/groups/app/reset', 'POST')).servers[0].served, 0)
  assert.equal((await one.api('/groups/app')).servers[0].served, 0)
  for (const connection of [one, other]) connection.close()
})
