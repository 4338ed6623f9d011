// What a plain mount does not need is not loaded.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { compiled } from '../helpers/compiled.ts'
import { tempDir } from '../helpers/temp.ts'

/** Packages that only some options, or other doors, need. */
const HEAVY = ['undici', '@fastify/reply-from', '@fastify/send', 'iovalkey', 'pino-pretty', 'prom-client', '@opentelemetry/api', 'koffi']

/** Modules of Node.js of which the same is true. */
const OWN = ['zlib', 'worker_threads', 'readline', 'inspector']

async function load (...args: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [compiled('test/helpers/loaded.ts'), ...args])
  const { status, modules, own }: { status: number, modules: string[], own: string[] } = JSON.parse(stdout)
  assert.equal(status, 200)
  assert.ok(modules.some(path => path.includes('/node_modules/fastify/')), 'the list is one')
  assert.ok(own.includes('NativeModule net'), 'so is that of the modules of Node.js')
  assert.deepEqual(OWN.filter(name => own.includes(`NativeModule ${name}`)), [])
  return HEAVY.filter(name => modules.some(path => path.includes(`/node_modules/${name}/`)))
}

test('a plain mount that has answered a request has loaded no package that it does not need', async () => {
  assert.deepEqual(await load(), [])
})

test('media types are loaded when a directory of files is registered, before anybody asks for one', async () => {
  await using dir = await tempDir()
  assert.deepEqual(await load(dir.path), ['@fastify/send'])
})
