// A slow disk under a reply that is being stored: it is waited for as long as it takes something.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { test } from 'node:test'
import Fastify from 'fastify'
import { MirrorTap, type MirrorCopy } from '../../lib/exchange/mirror-tap.ts'
import { compileStore } from '../../lib/mirror/store.ts'
import { tempDir } from '../helpers/temp.ts'
import type { FastifyRequest } from 'fastify'

const MIB = 1_048_576

async function aRequest (): Promise<FastifyRequest> {
  const app = Fastify()
  let found: FastifyRequest | undefined
  app.get('/', async request => { found = request })
  await app.inject('/')
  await app.close()
  assert.ok(found !== undefined)
  return found
}

test('the copy is given up when the disk has taken nothing for 5 s, and not before', async t => {
  const request = await aRequest()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const calls: string[] = []
  const disk = { queued: 0 }
  const file: MirrorCopy = {
    path: 'a',
    length: 5 * MIB,
    get queued () { return disk.queued },
    write: () => { disk.queued = 5 * MIB },
    commit: () => {},
    abort: () => { calls.push('abort') },
  }
  const tell = (what: string) => (): void => { calls.push(what) }
  const tap = new MirrorTap(file, -1, {
    storeFull: tell('full'), storeDrained: tell('drained'), storing: tell('storing'), stored: tell('stored'),
  }, request)
  tap.write(Buffer.alloc(1))
  assert.deepEqual(calls, ['full'])
  for (let taken = 0; taken < 3; taken++) {
    disk.queued -= 1000
    t.mock.timers.tick(5000)
    assert.ok(tap.wanted)
  }
  assert.deepEqual(calls, ['full'])
  t.mock.timers.tick(5000)
  assert.equal(tap.wanted, false)
  assert.deepEqual(calls, ['full', 'abort', 'drained'])
})

test('a file is written by pieces of which it is known soon whether the disk has taken them', async () => {
  await using dir = await tempDir()
  const own = await open(dir.file('own'), 'w')
  const handles: object = Object.getPrototypeOf(own)
  const write: unknown = Reflect.get(handles, 'write')
  assert.ok(typeof write === 'function')
  const sizes: number[] = []
  Reflect.set(handles, 'write', function (this: unknown, ...given: unknown[]): unknown {
    sizes.push(Number(given[2]))
    return Reflect.apply(write, this, given)
  })
  try {
    const store = compileStore<undefined>({ root: dir.path })
    const file = store.begin(undefined, '/big', { statusCode: 200, headers: {} })
    assert.ok(file !== undefined)
    const chunks = Array.from({ length: 5 }, (_none, index) => Buffer.alloc(MIB + 7, index))
    for (const chunk of chunks) file.write(chunk, error => assert.equal(error, undefined))
    await new Promise<void>((resolve, reject) => file.commit(-1, error => { if (error === undefined) resolve(); else reject(error) }))
    assert.ok(readFileSync(dir.file('big')).equals(Buffer.concat(chunks)))
    assert.ok(sizes.length >= 6 && sizes.every(size => size <= MIB), sizes.join())
  } finally {
    Reflect.set(handles, 'write', write)
    await own.close()
  }
})
