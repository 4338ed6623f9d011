// A reload moves a port or a path: where the new place overlaps with the old one, too, and back where it cannot be had.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import net, { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { closeHandle } from '../../lib/run/handles.ts'
import { HeldSockets } from '../../lib/run/sockets-held.ts'
import { keyOf, readListeners, type Place } from '../../lib/run/read-listen.ts'
import { tempDir } from '../helpers/temp.ts'

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

class Sockets extends HeldSockets implements AsyncDisposable {
  readonly taken: string[] = []

  static make (): Sockets {
    const taken: string[] = []
    const sockets: Sockets = new Sockets((key, connection) => {
      taken.push(key)
      closeHandle(connection)
    }, taken)
    return sockets
  }

  private constructor (take: ConstructorParameters<typeof HeldSockets>[0], taken: string[]) {
    super(take)
    this.taken = taken
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.keep([])
  }
}

const placesOf = (...listen: unknown[]): Place[] => readListeners(listen).map(({ place }) => place)

/** By which place a connection was taken; `undefined` where it is refused. */
async function reach (sockets: Sockets, where: net.NetConnectOpts): Promise<string | undefined> {
  const socket = net.connect(where)
  socket.on('error', () => {})
  await new Promise<void>(resolve => socket.once('close', () => resolve()))
  return sockets.taken.splice(0).at(-1)
}

test('a port moves between addresses that overlap, there and back', async () => {
  const port = await freePort()
  for (const [from, to] of [
    ['127.0.0.1', '0.0.0.0'],
    ['0.0.0.0', '127.0.0.1'],
    ['0.0.0.0', '[::]'],
    ['[::]', '0.0.0.0'],
    ['127.0.0.1', '[::]'],
    ['[::1]', '[::]'],
    ['[::]', '[::1]'],
    ['localhost', '0.0.0.0'],
    ['0.0.0.0', 'localhost'],
  ] as const) {
    await using sockets = Sockets.make()
    const before = placesOf(`${from}:${port}`)
    const after = placesOf(`${to}:${port}`)
    const host = from === '[::1]' || to === '[::1]' ? '::1' : '127.0.0.1'
    const keys = [before, after].map(places => places.map(keyOf).join(''))
    await sockets.open(before)
    assert.equal(await reach(sockets, { host, port }), keys[0], `${from} -> ${to}`)
    // The reload fails later on: all is as it was.
    const undo = await sockets.open(after)
    assert.equal(await reach(sockets, { host, port }), keys[1], `${from} -> ${to}`)
    await undo()
    assert.equal(await reach(sockets, { host, port }), keys[0], `${from} -> ${to}, undone`)
    // It succeeds.
    await sockets.open(after)
    assert.deepEqual(await sockets.keep(after), [keys[0]], `${from} -> ${to}`)
    assert.equal(await reach(sockets, { host, port }), keys[1], `${from} -> ${to}`)
  }
})

test('where the new place cannot be had, the old one is there again', async () => {
  await using dir = await tempDir()
  const port = await freePort()
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    await using sockets = Sockets.make()
    const before = placesOf(`127.0.0.1:${port}`, `unix:${dir.socket('a')}`)
    await sockets.open(before)
    const address = other.address()
    const taken = typeof address === 'object' && address !== null ? address.port : 0
    for (const [after, message] of [
      [placesOf(`0.0.0.0:${port}`, `127.0.0.1:${taken}`), /cannot listen on 127\.0\.0\.1:\d+: the address is in use; stop the process/],
      [placesOf(`127.0.0.1:${port}`, `0.0.0.0:${port}`), /cannot listen on 0\.0\.0\.0:\d+: the address is in use by 127\.0\.0\.1:\d+, which 'listen' has, too: leave one of them out/],
      [placesOf(`0.0.0.0:${port}`, 'unix:/none/such.sock'), /cannot listen on unix:\/none\/such\.sock: its directory does not exist/],
    ] as const) {
      await assert.rejects(sockets.open(after), message)
      assert.equal(await reach(sockets, { host: '127.0.0.1', port }), `tcp 127.0.0.1 ${port}`)
      assert.equal(await reach(sockets, { path: dir.socket('a') }), `unix ${dir.socket('a')}`)
    }
  } finally {
    other.close()
  }
})

test('a unix socket moves to another path, and to the same one that is written otherwise', async () => {
  await using dir = await tempDir()
  await using sockets = Sockets.make()
  const path = dir.socket('a')
  const again = path.replace(/\/([^/]*)$/, '/./$1')
  const further = dir.socket('b')
  await sockets.open(placesOf(`unix:${path}`))
  for (const next of [again, path, further, path]) {
    const places = placesOf({ path: next, mode: '600' })
    const undo = await sockets.open(places)
    assert.equal(await reach(sockets, { path: next }), `unix ${next}`)
    await undo()
    await sockets.open(places)
    await sockets.keep(places)
    assert.equal(await reach(sockets, { path: next }), `unix ${next}`)
  }
  assert.ok(existsSync(path) && !existsSync(further))
})
