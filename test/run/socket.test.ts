import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { runCli } from '../helpers/cli.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

const ANSWER = 'Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'

test('serves on a unix socket, and removes it', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: ANSWER })
  const path = dir.socket()
  await using gateway = runCli('--listen', `unix:${path}`, recorder.address)
  await gateway.printed(/Server listening/)
  await using client = await RawClient.connect({ path })
  assert.equal((await client.request('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).body.toString(), 'hello')
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
  assert.ok(!existsSync(path))
})

test('takes over the socket file of a dead process only', async () => {
  await using dir = await tempDir()
  const path = dir.socket()
  const dead = spawn(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(dead.stdout, 'data')
  dead.kill('SIGKILL')
  await once(dead, 'close')
  assert.ok(existsSync(path), 'it left its socket behind')

  await using recorder = await startRecorder({ answer: ANSWER })
  await using first = runCli('--listen', `unix:${path}`, recorder.address)
  await first.printed(/Server listening/)

  await using second = runCli('--log-level', 'error', '--listen', `unix:${path}`, recorder.address)
  assert.deepEqual(await second.ended, { code: 1, signal: null })
  assert.match(second.stderr, /^fastify-scgi: cannot listen on unix:\S+: the address is in use; [^\n]+\n$/)
  await using client = await RawClient.connect({ path })
  assert.equal((await client.request('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).statusCode, 200, 'the first still serves')

  const file = dir.file('notes')
  await writeFile(file, 'keep me')
  await using third = runCli('--log-level', 'error', '--listen', `unix:${file}`, recorder.address)
  assert.deepEqual(await third.ended, { code: 1, signal: null })
  assert.match(third.stderr, /no socket\n$/)
  assert.equal(await readFile(file, 'utf8'), 'keep me')
})
