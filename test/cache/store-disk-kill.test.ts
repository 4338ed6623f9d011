import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, utimesSync } from 'node:fs'
import { test } from 'node:test'
import { DiskStore } from '../../lib/cache/stores/disk.ts'
import { compiled } from '../helpers/compiled.ts'
import { KEYS, originBody } from '../helpers/disk-writer.ts'
import { tempDir } from '../helpers/temp.ts'
import { alive, bodyOf, keyOf } from './store-kit.ts'

const KILLS = 32
/** Processes that write into the directory at the same time. */
const TOGETHER = 4

/** Starts a writer and kills it at some moment of its work. */
async function killOne (writer: string, path: string, seed: number): Promise<void> {
  const child = spawn(process.execPath, [writer, path, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const early = once(child, 'exit').then(([code]) => { throw new Error(`the writer has ended with ${code}`) })
  await Promise.race([once(child.stdout, 'data'), early])
  early.catch(() => {})
  // A random moment is what is tried here.
  await new Promise(resolve => setTimeout(resolve, Math.random() * 120))
  child.kill('SIGKILL')
  const [code, signal] = await once(child, 'exit')
  assert.deepEqual([code, signal], [null, 'SIGKILL'])
}

test(`what processes leave behind that share a directory and are killed, ${KILLS} times, is whole and the origin's`, { timeout: 120_000 }, async () => {
  await using dir = await tempDir()
  const writer = compiled('test/helpers/disk-writer.ts')
  let entries = 0
  let seed = 1
  const store = new DiskStore({ path: dir.path, levels: '1', loader: { delay: '1h' } })
  const check = async (): Promise<void> => {
    for await (const key of store.keys('scgi:zone')) {
      const found = await store.get(key)
      if (found === undefined) continue
      const number = Number(key.path.slice(1))
      const version = Number(found.etag?.slice(1, -1))
      const body = await bodyOf(found.body)
      assert.ok(body.equals(originBody(number, version)), `${key.path} in version ${version}, ${body.length} bytes`)
      if (number % 2 === 1) assert.equal(key.headers?.['accept-encoding'], version % 3 === 0 ? 'br' : 'gzip')
      entries++
    }
  }
  for (let kills = 0; kills < KILLS; kills += TOGETHER) {
    await Promise.all(Array.from({ length: TOGETHER }, () => killOne(writer, dir.path, seed++)))
    await check()
  }
  assert.ok(entries > KILLS, `${entries} entries were read`)
  await store.close()

  // The torn files are temporary ones, and go when they are old.
  const torn = readdirSync(dir.file('temp'))
  for (const name of torn) utimesSync(dir.file(`temp/${name}`), 0, 0)
  const fresh = new DiskStore({ path: dir.path, levels: '1', loader: { delay: 0 } })
  await alive(fresh.loaded)
  assert.deepEqual(readdirSync(dir.file('temp')), [])
  assert.ok(fresh.stats().entries > 0 && fresh.stats().entries <= 2 * KEYS)
  let fewer = 0
  for (let key = 0; key < KEYS; key++) if (await fresh.get(keyOf(`/${key}`, { 'accept-encoding': 'gzip' })) === undefined) fewer++
  assert.ok(fewer < KEYS)
  await fresh.close()
})
