import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import fc from 'fast-check'
import Fastify from 'fastify'
import scgi from '../lib/index.ts'
import { startDemo } from '../lib/demo/index.ts'
import { showDemo } from '../lib/run/banner.ts'
import { tempDir } from './helpers/temp.ts'
import { boundaryOf, MultipartReader, type PartHead } from '../lib/demo/multipart.ts'

/** The demo behind a gateway. */
async function startSite (prefix = '/'): Promise<{ url: string } & AsyncDisposable> {
  const demo = await startDemo(prefix)
  const app = Fastify()
  app.register(scgi, { upstreams: demo.address, prefix })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    url: url + prefix.replace(/\/$/, ''),
    async [Symbol.asyncDispose] () {
      await Promise.all([app.close(), demo.close()])
    },
  }
}

test('shows the request as the application sees it', async () => {
  await using site = await startSite('/demo')
  const response = await fetch(`${site.url}/?q=1`, { headers: { 'x-note': '<b>&"\'</b>', connection: 'close' } })
  const page = await response.text()
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.match(page, /<th scope="row">QUERY_STRING<\/th><td>q=1<\/td>/)
  assert.match(page, /<th scope="row">SCRIPT_NAME<\/th><td>\/demo<\/td>/)
  assert.match(page, /<td>&lt;b&gt;&amp;&quot;&#39;&lt;\/b&gt;<\/td>/)
  assert.ok(!page.includes('<b>&"'), 'what the client sends is no markup')
  assert.match(page, /action="\/demo\/form"/)

  // The policy names exactly the style and the script of the page.
  const policy = response.headers.get('content-security-policy') ?? ''
  for (const tag of ['style', 'script']) {
    const text = new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(page)?.[1] ?? ''
    assert.ok(policy.includes(`${tag}-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`), tag)
  }
  assert.ok(!/(?:src|href)="(?!data:)/.test(page), 'nothing comes from elsewhere')

  const params = await fetch(`${site.url}/params`, { headers: { connection: 'close' } })
  assert.match(await params.text(), /^CONTENT_LENGTH=0\nSCGI=1\n.*^PATH_INFO=\/params$/ms)
})

test('the lines that it prints work as they are, in an empty directory', async () => {
  await using site = await startSite('/demo')
  await using dir = await tempDir()
  const lines = showDemo({ url: site.url, socket: undefined, prefix: '/' }).split('\n').filter(line => line.startsWith('  curl '))
  assert.equal(lines.length, 4)
  for (const [i, expected] of [/^PATH_INFO=\/params$/m, /Ada/, /hello\.txt/, /event: tick/].entries()) {
    const curl = spawn('sh', ['-c', `exec ${lines[i]?.trim().replace('curl ', 'curl -s ')}`], { cwd: dir.path })
    const ended = once(curl, 'close')
    let output = ''
    curl.stdout.setEncoding('utf8').on('data', text => {
      output += text
      if (expected.test(output)) curl.kill()
    })
    await ended
    assert.match(output, expected, lines[i])
  }
})

test('takes a form and an upload', async () => {
  await using site = await startSite()
  const close = { connection: 'close' }
  const form = await fetch(`${site.url}/form`, { method: 'POST', headers: close, body: new URLSearchParams({ name: 'Ada & Lovelace', topic: 'ü' }) })
  assert.deepEqual(await form.json(), { received: { name: 'Ada & Lovelace', topic: 'ü' } })

  const bytes = randomBytes(500_000)
  const data = new FormData()
  data.set('note', 'not a file')
  data.set('file', new Blob([bytes], { type: 'image/png' }), 'a "b" é.png')
  const file = { field: 'file', name: 'a "b" é.png', type: 'image/png', bytes: 500_000, sha256: createHash('sha256').update(bytes).digest('hex') }
  const upload = await fetch(`${site.url}/upload`, { method: 'POST', headers: close, body: data })
  assert.deepEqual(await upload.json(), { files: [file] })

  // Without script the browser shows what comes back.
  const page = await fetch(`${site.url}/upload`, { method: 'POST', headers: { ...close, accept: 'text/html' }, body: data })
  assert.ok((await page.text()).includes(file.sha256))
})

test('says what is wrong with a request', async () => {
  await using site = await startSite()
  const headers = { connection: 'close', 'content-type': 'multipart/form-data; boundary=x' }
  for (const [path, init, status] of [
    ['/nothing', {}, 404],
    ['/form', {}, 405],
    ['/clock', { method: 'POST', body: 'a' }, 405],
    ['/form', { method: 'POST', body: 'text' }, 415],
    ['/form', { method: 'POST', body: new URLSearchParams({ name: 'x'.repeat(100_000) }) }, 413],
    ['/upload', { method: 'POST', body: new URLSearchParams() }, 415],
    ['/upload', { method: 'POST', headers, body: '--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nbreaks off' }, 400],
    ['/upload', { method: 'POST', headers, body: '--x\r\nContent-Type: text/plain\r\n\r\nno name\r\n--x--' }, 400],
    ['/upload', { method: 'POST', headers, body: '--xyz' + 'y'.repeat(200_000) }, 400],
  ] as const) {
    const response = await fetch(site.url + path, { ...init, headers: 'headers' in init ? init.headers : { connection: 'close' } })
    assert.equal(response.status, status, path)
    const answer: unknown = await response.json()
    assert.ok(typeof answer === 'object' && answer !== null && 'error' in answer, path)
  }
})

test('sends the time as server-sent events, and ends them when it closes', async () => {
  const demo = await startDemo('/')
  const app = Fastify()
  app.register(scgi, demo.address)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const response = await fetch(`${url}/clock`, { headers: { connection: 'close' } })
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  let text = ''
  let closing: Promise<void> | undefined
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    if (text.split('event: tick\ndata: ').length === 3) closing ??= demo.close()
  }
  assert.match(text, /^(?:event: tick\ndata: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n\n){2,3}$/)
  await Promise.all([closing, app.close()])
})

test('reads multipart bodies in any pieces', () => {
  assert.equal(boundaryOf('multipart/form-data; boundary=abc'), 'abc')
  assert.equal(boundaryOf('Multipart/Form-Data; charset=utf-8; boundary="a b"'), 'a b')
  assert.equal(boundaryOf('multipart/mixed; boundary=abc'), undefined)

  const contents = fc.oneof(fc.string(), fc.constantFrom('', '\r\n', '\r\n--', '\r\n--b', '--bound', '\r\n--boun\r\n--bound-'))
  const parts = fc.array(fc.record({ name: fc.constantFrom('a', 'b c', 'ü'), filename: fc.option(fc.constantFrom('f.txt', 'x;y"z\\'), { nil: undefined }), content: contents }), { minLength: 1, maxLength: 4 })
  fc.assert(fc.property(parts, fc.array(fc.nat(40), { maxLength: 30 }), (given, sizes) => {
    const boundary = 'boundary'
    fc.pre(given.every(({ content }) => !`\r\n${content}\r\n`.includes(`\r\n--${boundary}`)))
    const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
    const body = Buffer.from(given.map(({ name, filename, content }) =>
      `--${boundary}\r\nContent-Disposition: form-data; name=${quote(name)}${filename === undefined ? '' : `; filename=${quote(filename)}`}\r\n\r\n${content}\r\n`).join('') +
      `--${boundary}--\r\n`)

    const read: { head: PartHead, content: Buffer, ended: boolean }[] = []
    const reader = new MultipartReader(boundary, head => {
      const part = { head, content: Buffer.alloc(0), ended: false }
      read.push(part)
      return {
        data (piece) { part.content = Buffer.concat([part.content, piece]) },
        end () { part.ended = true },
      }
    })
    let at = 0
    for (const size of [...sizes, body.length]) {
      assert.equal(reader.write(body.subarray(at, at + size)), undefined)
      at += size
    }
    assert.ok(reader.complete)
    assert.deepEqual(
      read.map(({ head, content, ended }) => ({ name: head.name, filename: head.filename, content: content.toString(), ended })),
      given.map(part => ({ ...part, content: Buffer.from(part.content).toString(), ended: true })))
  }), { numRuns: 300 })
})

test('multipart bodies in single bytes cost in proportion to their length', t => {
  const head = `Content-Disposition: form-data; name="a"\r\nX-Long: ${'x'.repeat(2000)}`
  const body = Buffer.from(`--b\r\n${head}\r\n\r\none\r\n--b\r\n${head}\r\n\r\n${'y'.repeat(2000)}\r\n--b--\r\n`)
  let copied = 0
  const { concat } = Buffer
  const { copy, indexOf } = Buffer.prototype
  t.mock.method(Buffer, 'concat', (list: Uint8Array[]) => {
    copied += list.reduce((sum, { length }) => sum + length, 0)
    return concat(list)
  })
  t.mock.method(Buffer.prototype, 'copy', function (this: Buffer, target: Uint8Array, at?: number) {
    copied += this.length
    return copy.call(this, target, at)
  })
  t.mock.method(Buffer.prototype, 'indexOf', function (this: Buffer, value: Uint8Array, from = 0) {
    copied += this.length - from
    return indexOf.call(this, value, from)
  })
  const read: string[] = []
  const reader = new MultipartReader('b', () => {
    const pieces: string[] = []
    return { data (piece) { pieces.push(piece.toString()) }, end () { read.push(pieces.join('')) } }
  })
  for (let at = 0; at < body.length; at++) assert.equal(reader.write(body.subarray(at, at + 1)), undefined)
  assert.deepEqual(read, ['one', 'y'.repeat(2000)])
  assert.ok(copied < body.length * 40, `${copied} bytes copied and searched of ${body.length}`)
})
