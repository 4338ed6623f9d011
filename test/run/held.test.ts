// Sockets of the primary that are opened for a configuration which is not taken.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { closeHandle, type Handle } from '../../lib/run/handles.ts'
import { HeldSockets } from '../../lib/run/sockets-held.ts'
import { tempDir } from '../helpers/temp.ts'

for (const undone of ['what comes after fails', 'another place of it cannot be opened']) {
  test(`connections of a new socket are given up: ${undone}`, { timeout: 60_000 }, async () => {
    await using dir = await tempDir()
    const path = dir.socket('new.sock')
    const forgotten: string[] = []
    const taken: Handle[] = []
    let came = (): void => {}
    const arrival = new Promise<void>(resolve => { came = resolve })
    const sockets = new HeldSockets((_key, connection) => {
      taken.push(connection)
      came()
    }, key => {
      forgotten.push(key)
      for (const connection of taken.splice(0)) closeHandle(connection)
    })
    const place = { path, backlog: 5, mode: undefined, gid: undefined }
    if (undone.startsWith('another')) {
      await assert.rejects(sockets.open([place, { path: dir.file('none/b.sock'), backlog: 5, mode: undefined, gid: undefined }]), /its directory does not exist/)
    } else {
      const undo = await sockets.open([place])
      const client = connect(path)
      await arrival
      const closed = once(client, 'close')
      await undo()
      await closed
    }
    assert.ok(forgotten.some(key => key.includes(path)), forgotten.join())
    sockets.kill()
  })
}

test('what was changed is undone where the file of a socket is gone meanwhile', { timeout: 60_000 }, async () => {
  await using dir = await tempDir()
  const [first, second, third] = ['a', 'b', 'c'].map(name => ({ path: dir.socket(name), backlog: 5, mode: 0o600, gid: undefined }))
  assert.ok(first !== undefined && second !== undefined && third !== undefined)
  const forgotten: string[] = []
  const sockets = new HeldSockets((_key, connection) => closeHandle(connection), key => forgotten.push(key))
  try {
    await sockets.open([first, second])
    const undo = await sockets.open([{ ...first, mode: 0o666, backlog: 9 }, { ...second, mode: 0o666 }, third])
    rmSync(first.path)
    await undo()
    assert.equal(statSync(second.path).mode & 0o777, 0o600)
    assert.equal(existsSync(third.path), false)
    assert.equal(forgotten.length, 1)
    // All is closed before it is undone.
    const late = await sockets.open([{ ...second, mode: 0o640, backlog: 9 }])
    await sockets.keep([])
    await late()
    assert.equal(existsSync(second.path), false)
  } finally {
    sockets.kill()
  }
})

for (const where of ['a directory', 'a directory that passes its group on']) {
  test(`mode and group that are no longer said are those of a new socket of ${where}, and come back if that is undone`, async t => {
    await using dir = await tempDir()
    const root = process.getuid?.() === 0
    if (where !== 'a directory') {
      if (!root) {
        t.skip('only root may give a directory to any group')
        return
      }
      chownSync(dir.path, -1, 12)
      chmodSync(dir.path, 0o2755)
    }
    const said = { path: dir.socket('a.sock'), backlog: 5, mode: 0o600, gid: root ? 13 : process.getegid?.() }
    const unsaid = { ...said, mode: undefined, gid: undefined }
    const look = (path = said.path): object => {
      const { mode, gid } = statSync(path)
      return { mode: mode & 0o777, gid }
    }
    const sockets = new HeldSockets((_key, connection) => closeHandle(connection))
    const fresh = new HeldSockets((_key, connection) => closeHandle(connection))
    t.after(() => {
      sockets.kill()
      fresh.kill()
    })
    const other = dir.socket('fresh.sock')
    await fresh.open([{ ...unsaid, path: other }])
    await sockets.open([said])
    assert.deepEqual(look(), { mode: 0o600, gid: said.gid })
    const undo = await sockets.open([unsaid])
    assert.deepEqual(look(), look(other))
    await undo()
    assert.deepEqual(look(), { mode: 0o600, gid: said.gid })
    // Nobody has ever said anything of it: what an administrator has set stays.
    chmodSync(other, 0o640)
    await fresh.open([{ ...unsaid, path: other }])
    assert.deepEqual(look(other), { ...look(other), mode: 0o640 })
  })
}
