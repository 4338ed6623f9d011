// The bytes of an open file: all of them, parts, or an error; and its descriptor, closed once.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, rmSync, truncateSync, writeFileSync, appendFileSync } from 'node:fs'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { Root } from '../../lib/files/root.ts'
import { openFile, type OpenFile } from '../../lib/filters/file.ts'
import { assertNoGrowth } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'

const LINUX = { skip: existsSync('/proc/self/fd') ? false : 'counts in /proc' }

function opened (directory: string, name: string): Promise<OpenFile> {
  return new Promise((resolve, reject) => {
    openFile([new Root(directory)], name, (error, file) => error === undefined ? resolve(file) : reject(error))
  })
}

test('the whole, parts, nothing, many at once', async () => {
  await using dir = await tempDir()
  const bytes = randomBytes(1_000_003)
  writeFileSync(dir.file('f'), bytes)
  const file = await opened(dir.path, 'f')
  const parts: Array<[number?, number?]> = [
    [], [0, 1], [5, 5], [1, 131_073], [131_072, 262_144], [999_999], [1_000_003], [10, 2_000_000], [700, 400_000],
  ]
  const read = await Promise.all(parts.map(part => buffer(file.open(...part))))
  for (const [i, part] of parts.entries()) assert.deepEqual(read[i], bytes.subarray(part[0], part[1]), String(part))
  file.close()
  file.close()
})

test('an empty file', async () => {
  await using dir = await tempDir()
  writeFileSync(dir.file('f'), '')
  const file = await opened(dir.path, 'f')
  assert.equal((await buffer(file.open())).length, 0)
  file.close()
})

test('a file that is removed is sent whole, one that grows up to its first length', async () => {
  await using dir = await tempDir()
  const bytes = randomBytes(300_000)
  writeFileSync(dir.file('f'), bytes)
  const file = await opened(dir.path, 'f')
  appendFileSync(dir.file('f'), 'more')
  rmSync(dir.file('f'))
  assert.deepEqual(await buffer(file.open()), bytes)
  file.close()
})

test('a file that became shorter: what there is, then an error, never filling', async () => {
  await using dir = await tempDir()
  const bytes = randomBytes(300_000)
  writeFileSync(dir.file('f'), bytes)
  const file = await opened(dir.path, 'f')
  truncateSync(dir.file('f'), 200_000)
  const stream = file.open()
  const got: Buffer[] = []
  stream.on('data', (chunk: Buffer) => got.push(chunk))
  const [error] = await once(stream, 'error')
  assert.equal(error.code, 'FST_SCGI_FILE')
  assert.match(error.message, /ends at byte 200000 of 300000/)
  assert.deepEqual(Buffer.concat(got), bytes.subarray(0, 200_000))
  file.close()
})

test('a closed file gives no bytes: its descriptor may be somebody else\'s', async () => {
  await using dir = await tempDir()
  writeFileSync(dir.file('f'), 'x')
  const file = await opened(dir.path, 'f')
  file.close()
  await assert.rejects(buffer(file.open()), { code: 'FST_SCGI_FILE' })
})

test('closed while it is being read: the descriptor goes after the last read', LINUX, async () => {
  await using dir = await tempDir()
  writeFileSync(dir.file('f'), randomBytes(500_000))
  await assertNoGrowth(async n => {
    const file = await opened(dir.path, 'f')
    const streams = [file.open(), file.open(1000)]
    const closed = streams.map(stream => new Promise(resolve => stream.once('close', resolve)))
    const [first] = streams
    if (n % 4 !== 0) first?.read()
    if (n % 4 === 2) await once(streams[0] ?? file.open(), 'readable')
    if (n % 4 === 3) first?.destroy()
    file.close()
    await Promise.all(closed)
  })
})

test('clients that read all of it, leave in its midst, or leave at once; a file that becomes shorter under them', LINUX, async () => {
  await using dir = await tempDir()
  const bytes = randomBytes(1_000_000)
  writeFileSync(dir.file('f'), bytes)
  const server = createServer((request, response) => {
    openFile([new Root(dir.path)], 'f', (error, file) => {
      if (error !== undefined) {
        response.writeHead(error.statusCode ?? 500).end()
        return
      }
      // A client that left while the file was opened: 'close' has been.
      if (response.destroyed) {
        file.close()
        return
      }
      const stream = file.open()
      // As Fastify does: a payload that fails breaks the connection off.
      stream.once('error', () => response.destroy())
      response.once('close', () => file.close())
      response.writeHead(200, { 'content-length': file.size })
      if (request.url === '/shrink') truncateSync(dir.file('f'), 10)
      stream.pipe(response)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const ask = (path: string): Promise<{ length: number, complete: boolean }> => new Promise(resolve => {
    let length = 0
    const request = get({ port, path, agent: false }, response => {
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (path === '/leave') response.destroy()
      })
      response.once('error', () => {})
      response.once('close', () => resolve({ length, complete: response.complete }))
    })
    request.once('error', () => resolve({ length, complete: false }))
    if (path === '/never') request.once('socket', socket => socket.once('connect', () => setImmediate(() => request.destroy())))
  })
  assert.deepEqual(await ask('/all'), { length: bytes.length, complete: true })
  const cut = await ask('/shrink')
  assert.equal(cut.complete, false)
  assert.ok(cut.length <= bytes.length)
  writeFileSync(dir.file('f'), bytes)
  await assertNoGrowth(async n => { await ask(['/all', '/leave', '/never', '/leave'][n % 4] ?? '/') }, { rounds: 1000, warmup: 50 })
  server.close()
})
