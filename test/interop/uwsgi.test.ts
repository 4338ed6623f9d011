import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { after, before, describe, test } from 'node:test'
import { withLogs } from '../helpers/child.ts'
import { startGateway } from '../helpers/gateway.ts'
import type { Gateway } from '../helpers/gateway.ts'
import { headerValue, headerValues } from '../helpers/http-response.ts'
import { missingPackage } from '../helpers/packages.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { UWSGI, startUwsgi } from '../helpers/uwsgi.ts'
import type { Uwsgi } from '../helpers/uwsgi.ts'

const app = fileURLToPath(new URL('apps/wsgi_app.py', import.meta.url))
const missing = missingPackage('uwsgi uwsgi-plugin-python3', ...UWSGI)

function text (method: string, path: string, headers: string[] = [], body = ''): string {
  return [`${method} ${path} HTTP/1.1`, 'Host: gateway.test', ...headers, '', body].join('\r\n')
}

const isStrings = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every((entry) => typeof entry === 'string')

for (const nph of [false, true]) {
  describe(`uWSGI, ${nph ? '--scgi-nph-socket' : '--scgi-socket'}`, { skip: missing }, () => {
    let uwsgi: Uwsgi
    let gateway: Gateway
    before(async () => {
      uwsgi = await startUwsgi({ app, nph })
      gateway = await startGateway({ prefix: '/app', upstreams: uwsgi.address, bodyLimit: 8 * 1024 * 1024 })
    })
    after(async () => {
      await gateway.close()
      await uwsgi.stop()
    })
    const ask = (request: string) => withLogs(uwsgi, () => rawRequest(gateway, request))

    test('the application sees the request as WSGI wants it', async () => {
      const response = await ask(text('GET', '/app/env/a%20b/%C3%A9?x=1&y=%20', ['X-Custom: yes']))
      assert.equal(response.statusCode, 200)
      assert.equal(headerValue(response, 'content-type'), 'application/json')
      const env: unknown = JSON.parse(response.body.toString())
      assert.ok(isStrings(env))
      const want = {
        SCRIPT_NAME: '/app',
        // WSGI's text is latin1: each byte of the UTF-8 path is one character.
        PATH_INFO: '/env/a b/\xc3\xa9',
        QUERY_STRING: 'x=1&y=%20',
        REQUEST_METHOD: 'GET',
        REQUEST_URI: '/app/env/a%20b/%C3%A9?x=1&y=%20',
        SERVER_PROTOCOL: 'HTTP/1.1',
        HTTP_HOST: 'gateway.test',
        HTTP_X_CUSTOM: 'yes',
        REMOTE_ADDR: '127.0.0.1',
      }
      assert.deepEqual(Object.fromEntries(Object.keys(want).map((name) => [name, env[name]])), want)
      assert.equal(env['wsgi.url_scheme'], 'http')
    })

    test('an upload of 5 MB arrives byte for byte, with its length and chunked', async () => {
      const body = Buffer.alloc(5 * 1024 * 1024)
      for (let i = 0; i < body.length; i += 4) body.writeUInt32LE((i * 2654435761) >>> 0, i)
      const sha256 = createHash('sha256').update(body).digest('hex')
      const head = (framing: string): Buffer => Buffer.from(text('PUT', '/app/upload', ['Content-Type: application/x-test', framing]))
      const want = { length: body.length, sha256, type: 'application/x-test', method: 'PUT' }

      const known = await withLogs(uwsgi, () => rawRequest(gateway, Buffer.concat([head(`Content-Length: ${body.length}`), body])))
      assert.deepEqual(JSON.parse(known.body.toString()), want)

      const chunks = [head('Transfer-Encoding: chunked')]
      for (let at = 0; at < body.length; at += 100_000) {
        const piece = body.subarray(at, at + 100_000)
        chunks.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
      }
      const chunked = await withLogs(uwsgi, () => rawRequest(gateway, Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')])))
      assert.deepEqual(JSON.parse(chunked.body.toString()), want)
    })

    test('a streamed reply of unknown length', async () => {
      const response = await ask(text('GET', '/app/stream'))
      const want = Array.from({ length: 100 }, (_, i) => `piece ${i}\n`.repeat(100)).join('')
      assert.equal(response.body.toString(), want)
      assert.equal(response.cut, false)
    })

    test('the first event reaches the client while the second is not made yet', async () => {
      await withLogs(uwsgi, async () => {
        await using client = await RawClient.connect(gateway)
        client.expect('GET')
        await client.write(text('GET', '/app/events'))
        const want = Buffer.byteLength('data: first\n\n')
        await client.until(({ bodyLength }) => bodyLength >= want)
        assert.equal(client.head?.statusCode, 200)
        const released = await rawRequest(gateway, text('GET', '/app/release'))
        assert.equal(released.statusCode, 204)
        const response = await client.response()
        assert.equal(response.body.toString(), 'data: first\n\ndata: second\n\n')
      })
    })

    test('ten megabytes with Content-Length', async () => {
      const response = await ask(text('GET', '/app/large'))
      assert.equal(headerValue(response, 'content-length'), String(10 * 1024 * 1024))
      const want = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      assert.equal(response.body.length, 10 * 1024 * 1024)
      for (let at = 0; at < response.body.length; at += 256) {
        if (!response.body.subarray(at, at + 256).equals(want)) assert.fail(`wrong bytes at ${at}`)
      }
    })

    test('cookies, both ways', async () => {
      const response = await ask(text('GET', '/app/cookies', ['Cookie: a=1', 'Cookie: b=2']))
      assert.equal(response.body.toString(), 'a=1; b=2')
      assert.deepEqual(headerValues(response, 'set-cookie'), ['session=abc; Path=/; HttpOnly', 'theme=dark; Path=/'])
    })

    test('HEAD has the headers of GET, and the connection goes on', async () => {
      await withLogs(uwsgi, async () => {
        await using client = await RawClient.connect(gateway)
        const head = await client.request(text('HEAD', '/app/head'))
        assert.equal(head.statusCode, 200)
        assert.equal(headerValue(head, 'content-length'), '1234')
        assert.equal(headerValue(head, 'x-method'), 'HEAD')
        const get = await client.request(text('GET', '/app/head'))
        assert.equal(headerValue(get, 'x-method'), 'GET')
        assert.equal(get.body.toString(), 'x'.repeat(1234))
      })
    })

    test('a redirect', async () => {
      const response = await ask(text('GET', '/app/redirect'))
      assert.equal(response.statusCode, 302)
      assert.equal(headerValue(response, 'location'), '/app/env')
    })

    test('status codes and their phrases', async () => {
      for (const [code, phrase] of [[201, 'Created'], [204, 'No Content'], [304, 'Not Modified'], [404, 'Nowhere'], [418, 'I am a teapot'], [500, 'Oops'], [503, 'Later']] as const) {
        const response = await ask(text('GET', `/app/status/${code}/${encodeURIComponent(phrase)}`))
        assert.equal(response.statusCode, code)
        assert.equal(response.reason, phrase)
        assert.equal(headerValue(response, 'x-app'), 'yes')
        assert.equal(response.body.toString(), code === 204 || code === 304 ? '' : `status ${code}`)
      }
    })

    test('a reply shorter than its Content-Length cuts the client', async () => {
      const response = await ask(text('GET', '/app/short'))
      assert.equal(response.statusCode, 200)
      assert.equal(response.cut, true)
    })

    test('an application that breaks down before its head is no 200', async () => {
      const response = await ask(text('GET', '/app/error'))
      assert.ok(response.statusCode === 500 || response.statusCode === 502, String(response.statusCode))
      const again = await ask(text('GET', '/app/env'))
      assert.equal(again.statusCode, 200)
    })

    test('a header block over buffer-size is closed upon, and the error says so', async () => {
      const response = await ask(text('GET', '/app/env', [`X-Long: ${'a'.repeat(5000)}`]))
      assert.equal(response.statusCode, 502)
      const line = gateway.log.find(({ err }) => /buffer-size/.test(JSON.stringify(err ?? '')))
      assert.ok(line !== undefined, 'a line that names buffer-size')
    })
  })
}

test('uWSGI at --socket with a large buffer-size waits for more, and the error says so', { skip: missing }, async () => {
  await using uwsgi = await startUwsgi({ app, native: true, args: ['--buffer-size', '16384', '--socket-timeout', '30'] })
  await using gateway = await startGateway({ upstreams: uwsgi.address, readTimeout: 100 })
  assert.equal((await rawRequest(gateway, text('GET', '/'))).statusCode, 504)
  const line = gateway.log.find(({ err }) => /sent nothing within 100 ms \(readTimeout\)\. If .*--scgi-socket/.test(JSON.stringify(err ?? '')))
  assert.ok(line !== undefined, 'a line that names --scgi-socket')
})
