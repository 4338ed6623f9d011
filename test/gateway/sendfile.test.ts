// Files below a root: X-Sendfile, and directories that only an internal redirect gets at.
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir, type TempDir } from '../helpers/temp.ts'
import { bytes, eventually, get, startHttp2 } from './kit.ts'

const TIME = new Date('2024-05-06T07:08:09Z')
const DATE = 'Mon, 06 May 2024 07:08:09 GMT'

async function files (): Promise<TempDir & { root: string }> {
  const dir = await tempDir()
  const root = join(dir.path, 'files')
  await mkdir(join(root, 'sub'), { recursive: true })
  await mkdir(join(dir.path, 'files-secret'))
  await writeFile(join(root, 'a.txt'), '0123456789')
  await writeFile(join(root, 'sub', 'b c%41.html'), '<b>')
  await writeFile(join(dir.path, 'files-secret', 'x'), 'secret')
  await writeFile(join(dir.path, 'outside'), 'secret')
  await symlink(join(dir.path, 'outside'), join(root, 'link'))
  await utimes(join(root, 'a.txt'), TIME, TIME)
  return Object.assign(dir, { root })
}

test('the file answers, with its own validators, the application\'s status, type and other headers', async () => {
  await using dir = await files()
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, sendfile: { root: dir.root } })
  recorder.answer = 'Status: 200 Here\r\nX-Sendfile: a.txt\r\nContent-Type: text/x-own\r\nETag: "app"\r\nContent-Length: 3\r\nX-Own: 1\r\nContent-Encoding: gzip\r\n\r\nabc'
  const whole = await rawRequest(gateway, get('/'))
  assert.deepEqual([whole.statusCode, whole.reason, whole.framing, whole.body.toString()], [200, 'Here', 'length', '0123456789'])
  const value = (name: string): string | undefined => headerValue(whole, name)
  const etag = value('etag')
  assert.deepEqual(['content-type', 'x-own', 'content-encoding', 'last-modified', 'accept-ranges', 'x-sendfile'].map(value),
    ['text/x-own', '1', undefined, DATE, 'bytes', undefined])
  assert.match(etag ?? '', /^"[0-9a-f]+-a"$/)
  for (const [headers, status, body] of [
    [['Range: bytes=2-4'], 206, '234'],
    [['Range: bytes=-2', `If-Range: ${etag}`], 206, '89'],
    [['Range: bytes=-2', 'If-Range: "x"'], 200, '0123456789'],
    [['Range: bytes=99-'], 416, ''],
    [[`If-None-Match: ${etag}`], 304, ''],
    [[`If-Modified-Since: ${DATE}`], 304, ''],
    [['If-Match: "x"'], 412, undefined],
  ] as const) {
    const response = await rawRequest(gateway, get('/', ...headers))
    assert.equal(response.statusCode, status, String(headers))
    if (body !== undefined) assert.equal(response.body.toString(), body, String(headers))
  }
  const several = await rawRequest(gateway, get('/', 'Range: bytes=0-1,4-5'))
  assert.equal(several.statusCode, 206)
  assert.match(several.body.toString(), /Content-Range: bytes 0-1\/10\r\n\r\n01\r\n.*Content-Range: bytes 4-5\/10\r\n\r\n45\r\n/s)
  const head = await rawRequest(gateway, bytes(['HEAD / HTTP/1.1', 'Host: a']))
  assert.deepEqual([head.statusCode, headerValue(head, 'content-length'), head.body.length], [200, '10', 0])
  recorder.answer = 'X-Sendfile: a.txt\r\n\r\n'
  assert.equal(headerValue(await rawRequest(gateway, get('/')), 'content-type'), 'text/plain')
  recorder.answer = 'Status: 404 No\r\nX-Sendfile: a.txt\r\n\r\n'
  assert.equal((await rawRequest(gateway, get('/', 'Range: bytes=0-1'))).statusCode, 404)
})

test('nothing outside the root: 403; nothing there: 404; the client learns no path', async () => {
  await using dir = await files()
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, sendfile: { root: [dir.root, join(dir.path, 'nowhere')] } })
  for (const [name, status] of [
    [join(dir.root, 'a.txt'), 200], ['sub/../a.txt', 200], ['missing', 404], ['sub', 404], ['', 404], ['a.txt/x', 404],
    ['link', 403], ['../outside', 403], ['../files-secret/x', 403], ['/etc/passwd', 403], [join(dir.path, 'files-secret/x'), 403], ['sub/../../outside', 403],
    ['%2e%2e/outside', 404], ['a.txt%00', 404],
  ] as const) {
    recorder.answer = `X-Sendfile: ${name}\r\n\r\n`
    const response = await rawRequest(gateway, get('/'))
    assert.equal(response.statusCode, status, name)
    assert.ok(!response.body.toString().includes(dir.path))
  }
  assert.ok(gateway.log.some(line => line.level === 40 && JSON.stringify(line).includes('files-secret')), 'the log says which file')
})

test('another header, an error page in the place of a missing file, HTTP/2', async () => {
  await using dir = await files()
  await using recorder = await startRecorder({ answer: 'X-LIGHTTPD-send-file: a.txt\r\nX-Sendfile: kept\r\n\r\n' })
  const options = { upstreams: recorder.address, sendfile: { header: 'X-LIGHTTPD-send-file', root: dir.root } }
  await using http2 = await startHttp2(options)
  const response = await http2.client.request({ ':path': '/', range: 'bytes=1-2' })
  assert.deepEqual([response.statusCode, response.body.toString(), response.headers['x-sendfile']], [206, '12', 'kept'])
})

test('internal directories: X-Accel-Redirect gets at them, a client does not', async () => {
  await using dir = await files()
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ prefix: '/app', upstreams: recorder.address, internal: { '/protected/': dir.root } })
  assert.equal((await rawRequest(gateway, get('/protected/a.txt'))).statusCode, 404)
  const ask = async (target: string, ...headers: string[]): Promise<[number, string, string | undefined]> => {
    recorder.answer = `X-Accel-Redirect: ${target}\r\n\r\n`
    const response = await rawRequest(gateway, get('/app', ...headers))
    return [response.statusCode, response.body.toString(), headerValue(response, 'content-type')]
  }
  assert.deepEqual(await ask('/protected/a.txt'), [200, '0123456789', 'text/plain'])
  assert.deepEqual((await ask('/protected/a.txt', 'Range: bytes=0-0'))[1], '0')
  assert.deepEqual((await ask('/protected/a.txt', `If-Modified-Since: ${DATE}`))[0], 304)
  assert.deepEqual(await ask('/protected/sub/b%20c%2541.html?x'), [200, '<b>', 'text/html'])
  for (const target of ['/protected/', '/protected/sub', '/protected/none', '/protected/sub%2fx', '/protected']) assert.equal((await ask(target))[0], 404, target)
  assert.equal((await ask('/protected/link'))[0], 403)
})

test('a client that leaves in the middle of a file leaves no descriptor', async () => {
  await using dir = await files()
  await writeFile(join(dir.root, 'big'), Buffer.alloc(8_000_000))
  await using recorder = await startRecorder({ answer: 'X-Sendfile: big\r\n\r\n' })
  await using gateway = await startGateway({ upstreams: recorder.address, sendfile: { root: dir.root } })
  const open = (): number => readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).endsWith('/big')
    } catch {
      return false
    }
  }).length
  for (let i = 0; i < 20; i++) {
    await using client = await RawClient.connect(gateway, { keepBodies: false })
    client.socket.write(get('/'))
    await client.until(({ bodyLength }) => bodyLength > 100_000)
    client.socket.destroy()
  }
  await eventually(() => open() === 0, 'all descriptors closed')
})
