import assert from 'node:assert/strict'
import { writeFileSync, createReadStream, readdirSync } from 'node:fs'
import { EventEmitter } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { FormData as UndiciFormData } from 'undici'
import type { Dispatcher } from 'undici'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { startRecorder, type RecordedRequest } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

type Options = Partial<Dispatcher.RequestOptions>

/** Sends one request and gives what the application got. */
async function sent (dispatcher: Dispatcher, requests: RecordedRequest[], options: Options): Promise<RecordedRequest> {
  const { body } = await dispatcher.request({ origin: 'http://app.test', path: '/', method: 'GET', ...options })
  await body.dump()
  const request = requests.at(-1)
  assert.ok(request !== undefined)
  return request
}

test('the parameters of a request', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address, { params: { X_TAG: options => String(options.path), REMOTE_PORT: '7' } })
  const request = await sent(dispatcher, server.requests, {
    origin: 'https://App.Test:8443',
    path: '/a%20b/./%2e/c?x=%zz',
    method: 'PURGE',
    headers: { 'X-Foo': ['1', '2'], 'content-type': 'text/x', Connection: 'keep-alive, x-bar', 'x-bar': 'no', x_y: 'no', proxy: 'no', forwarded: 'for=a' },
  })
  assert.deepEqual(request.params, [
    ['CONTENT_LENGTH', '0'], ['SCGI', '1'], ['SERVER_SOFTWARE', 'fastify-scgi'], ['SERVER_NAME', 'app.test'], ['SERVER_ADDR', '127.0.0.1'],
    ['SERVER_PORT', '8443'], ['SERVER_PROTOCOL', 'HTTP/1.1'], ['GATEWAY_INTERFACE', 'CGI/1.1'], ['REQUEST_METHOD', 'PURGE'],
    ['REQUEST_URI', '/a%20b/./%2e/c?x=%zz'], ['REQUEST_SCHEME', 'https'], ['HTTPS', 'on'], ['QUERY_STRING', 'x=%zz'], ['SCRIPT_NAME', ''],
    ['PATH_INFO', '/a b/c'], ['DOCUMENT_URI', '/a b/c'], ['DOCUMENT_ROOT', ''], ['REMOTE_ADDR', '127.0.0.1'], ['REMOTE_PORT', '7'],
    ['CONTENT_TYPE', 'text/x'], ['X_TAG', '/a%20b/./%2e/c?x=%zz'], ['HTTP_HOST', 'app.test:8443'], ['HTTP_X_FOO', '1, 2'], ['HTTP_FORWARDED', 'for=a'],
  ])
})

test('Host from the headers, from the origin, or none', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address, { forwarded: 'drop' })
  const given = await sent(dispatcher, server.requests, { headers: { Host: 'Other.Test:81', 'x-forwarded-for': '1.2.3.4' } })
  assert.equal(given.param('HTTP_HOST'), 'other.test:81')
  assert.equal(given.param('SERVER_PORT'), '81')
  assert.equal(given.param('SERVER_NAME'), 'other.test')
  assert.equal(given.param('HTTP_X_FORWARDED_FOR'), undefined)
  const origin = await sent(dispatcher, server.requests, { origin: new URL('http://[::1]:5000') })
  assert.equal(origin.param('HTTP_HOST'), '[::1]:5000')
  assert.equal(origin.param('SERVER_PORT'), '5000')
  const { body } = await dispatcher.request({ path: '/', method: 'GET' })
  await body.dump()
  assert.equal(server.requests.at(-1)?.param('HTTP_HOST'), undefined)
  assert.equal(server.requests.at(-1)?.param('SERVER_PORT'), '80')
})

test('headers in every form', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address, { passRequestHeaders: ['a', 'b'] })
  const pairs = new Map([['A', '1'], ['b', '2']])
  const forms: Options['headers'][] = [
    { A: '1', b: '2' },
    { A: ['1'], b: '2', c: '3' },
    ['A', '1', 'b', '2'],
    pairs,
    new Headers([['a', '1'], ['b', '2']]),
  ]
  // JavaScript gives what the types do not: numbers, and values that are not set.
  const loose: unknown[] = [{ A: 1, b: 2, c: undefined }, [['A', '1'], ['b', '2']], ['A', Buffer.from('1'), Buffer.from('b'), '2']]
  for (const headers of [...forms, ...loose]) {
    const options = Object.assign<Options, object>({}, { headers })
    const request = await sent(dispatcher, server.requests, options)
    assert.equal(request.param('HTTP_A'), '1')
    assert.equal(request.param('HTTP_B'), '2')
    assert.equal(request.param('HTTP_C'), undefined)
  }
  assert.equal((await sent(dispatcher, server.requests, { headers: null })).param('HTTP_A'), undefined)
})

test('scriptName and query', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address, { scriptName: '/my äpp/x' })
  const request = await sent(dispatcher, server.requests, { path: '/my%20%C3%A4pp/x/y', query: { a: [1, 2], b: 'ü' } })
  assert.equal(request.param('SCRIPT_NAME'), '/my \xc3\xa4pp/x')
  assert.equal(request.param('PATH_INFO'), '/y')
  assert.equal(request.param('QUERY_STRING'), 'a=1&a=2&b=%C3%BC')
  assert.equal(request.param('REQUEST_URI'), '/my%20%C3%A4pp/x/y?a=1&a=2&b=%C3%BC')
  assert.equal((await sent(dispatcher, server.requests, { path: '/my%20%C3%A4pp/x' })).param('PATH_INFO'), '')
})

test('bodies in every form, byte for byte', async () => {
  await using server = await startRecorder()
  for (const requestBuffering of [true, false, { memory: 0 }]) {
    const dispatcher = new ScgiDispatcher(server.address, { requestBuffering })
    const bytes = Buffer.from('a\xff\0b', 'latin1')
    const both = (body: unknown): [unknown, string | undefined][] => [[body, undefined], [body, '4']]
    const bodies: [unknown, string | undefined][] = [
      ...both(bytes),
      ...both(new Uint8Array(bytes)),
      ...both(new Uint16Array(new Uint8Array(bytes).buffer)),
      ...both(new Uint8Array(bytes).buffer),
      [Readable.from([bytes], { objectMode: false }), undefined],
      [Readable.from([bytes], { objectMode: false }), '4'],
      [Readable.from([bytes.subarray(0, 1), bytes.subarray(1)]), '4'],
      ...both(new Blob([bytes])),
      [[bytes.subarray(0, 2), bytes.subarray(2)], '4'],
      [(async function * () { yield bytes })(), undefined],
      [new Blob([bytes]).stream(), '4'],
    ]
    for (const [body, length] of bodies) {
      const options = Object.assign<Options, object>({ method: 'POST', headers: length === undefined ? {} : { 'content-length': length } }, { body })
      const request = await sent(dispatcher, server.requests, options)
      assert.deepEqual(request.body, bytes, `${Object.prototype.toString.call(body)} ${length ?? ''}`)
      assert.equal(request.param('CONTENT_LENGTH'), '4')
      assert.equal(request.params.filter(([name]) => name.endsWith('CONTENT_LENGTH')).length, 1)
    }
    for (const body of ['', null, undefined, Buffer.alloc(0), Readable.from([]), new Blob([])]) {
      const request = await sent(dispatcher, server.requests, Object.assign<Options, object>({ method: 'POST' }, { body }))
      assert.equal(request.param('CONTENT_LENGTH'), '0')
    }
    const text = await sent(dispatcher, server.requests, { method: 'POST', body: 'hé' })
    assert.equal(text.body.toString(), 'hé')
  }
})

test('the type of a Blob and of a form, unless the headers have one', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address)
  const request = async (body: unknown, headers: Record<string, string> = {}): Promise<RecordedRequest> =>
    sent(dispatcher, server.requests, Object.assign<Options, object>({ method: 'POST', headers }, { body }))
  assert.equal((await request(new Blob(['x'], { type: 'text/x' }))).param('CONTENT_TYPE'), 'text/x')
  assert.equal((await request(new Blob(['x'], { type: 'text/x' }), { 'content-type': 'text/y' })).param('CONTENT_TYPE'), 'text/y')
  for (const form of [new FormData(), new UndiciFormData()]) {
    form.append('a', 'ü')
    form.append('f', new File(['content'], 'n.txt', { type: 'text/z' }))
    const { body, ...rest } = await request(form)
    const type = server.requests.at(-1)?.param('CONTENT_TYPE') ?? ''
    assert.match(type, /^multipart\/form-data; boundary=/)
    assert.ok(rest.contentLength > 0)
    const parsed = await new Response(server.requests.at(-1)?.body ?? body, { headers: { 'content-type': type } }).formData()
    assert.equal(parsed.get('a'), 'ü')
    const file = parsed.get('f')
    assert.ok(file instanceof File)
    assert.equal(file.name, 'n.txt')
    assert.equal(await file.text(), 'content')
  }
})

test('a large body of unknown length goes through a file, which is gone afterwards; a Blob is sent from where it is', async () => {
  await using dir = await tempDir()
  const bytes = Buffer.alloc(300_000, 'abcde')
  const file = dir.file('upload')
  writeFileSync(file, bytes)
  const spool = dir.file('')
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address, { requestBuffering: { memory: 1000, tempPath: spool } })
  assert.deepEqual((await sent(dispatcher, server.requests, { method: 'PUT', body: createReadStream(file) })).body, bytes)
  const blob = Object.assign<Options, object>({ method: 'PUT' }, { body: new Blob([bytes]) })
  assert.deepEqual((await sent(dispatcher, server.requests, blob)).body, bytes)
  assert.deepEqual(readdirSync(spool), ['upload'])
})

test('requestBuffering: a stream of known length is streamed only without it; a replay needs it', async () => {
  await using server = await startRecorder()
  const upload = (buffering: boolean, body: Readable): Promise<Dispatcher.ResponseData> =>
    new ScgiDispatcher(server.address, { requestBuffering: buffering }).request({ path: '/', method: 'PUT', body, headers: { 'content-length': '6' } })
  const live = new PassThrough()
  const reply = upload(false, live)
  live.write('abc')
  while (server.requests[0]?.bodyLength !== 3) await new Promise(resolve => setImmediate(resolve))
  live.end('def')
  await (await reply).body.dump()
  assert.equal(server.requests[0].body.toString(), 'abcdef')
  const held = new PassThrough()
  const second = upload(true, held)
  held.write('abc')
  for (let turns = 0; turns < 50; turns++) await new Promise(resolve => setImmediate(resolve))
  assert.equal(server.accepted, 1)
  held.end('def')
  await (await second).body.dump()
  assert.equal(server.requests[1]?.body.toString(), 'abcdef')

  // The first attempt fails after it has taken from the body.
  for (const [buffering, works] of [[true, true], [false, false]] as const) {
    server.clear()
    server.answer = async exchange => {
      await exchange.body()
      if (exchange.index === 0) await exchange.end()
      else await exchange.end('Status: 200 OK\r\n\r\nagain')
    }
    const dispatcher = new ScgiDispatcher([server.address, server.address], { requestBuffering: buffering })
    const body = Readable.from([Buffer.from('abcdef')], { objectMode: false })
    const answer = dispatcher.request({ path: '/', method: 'PUT', body, headers: { 'content-length': '6' } })
    if (works) assert.equal(await (await answer).body.text(), 'again')
    else await assert.rejects(answer, { code: 'UND_ERR_SOCKET' })
    assert.equal(server.requests.length, works ? 2 : 1)
  }
})

test('a body that fails or ends short fails the request with its own error', async () => {
  await using server = await startRecorder()
  const broken = new Error('broken')
  for (const requestBuffering of [true, false]) {
    const dispatcher = new ScgiDispatcher(server.address, { requestBuffering })
    const upload = (body: Readable): Promise<Dispatcher.ResponseData> =>
      dispatcher.request({ path: '/', method: 'PUT', body, headers: { 'content-length': '6' } })
    await assert.rejects(upload(Readable.from((async function * () {
      yield Buffer.from('ab')
      throw broken
    })(), { objectMode: false })), broken)
    await assert.rejects(upload(Readable.from([Buffer.from('abc')], { objectMode: false })), { code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' })
    const iterable = Object.assign<Options, object>({ path: '/', method: 'PUT' }, { body: (async function * () { throw broken })() })
    await assert.rejects(sent(dispatcher, server.requests, iterable), broken)
  }
  const wrong = Object.assign<Options, object>({ method: 'PUT' }, { body: 5 })
  await assert.rejects(sent(new ScgiDispatcher(server.address), server.requests, wrong), { code: 'UND_ERR_INVALID_ARG' })
  await server.idle()
})

test('a Content-Length on a GET without a body does not make the application wait', async () => {
  await using server = await startRecorder()
  const request = await sent(new ScgiDispatcher(server.address), server.requests, { headers: { 'content-length': '5' } })
  assert.equal(request.param('CONTENT_LENGTH'), '0')
})

test('bind, fixed and by request', async () => {
  const seen: (string | undefined)[] = []
  await using server = await startRecorder()
  server.answer = async exchange => {
    seen.push(exchange.socket.remoteAddress)
    await exchange.end('Status: 200 OK\r\n\r\n')
  }
  await sent(new ScgiDispatcher(server.address, { bind: '127.0.0.5', socketKeepalive: true }), server.requests, {})
  const chosen = new ScgiDispatcher(server.address, { bind: ({ path }) => path === '/6' && '127.0.0.6' })
  await sent(chosen, server.requests, { path: '/6' })
  await sent(chosen, server.requests, { path: '/' })
  assert.deepEqual(seen, ['127.0.0.5', '127.0.0.6', '127.0.0.1'])
})

test('a function bind that gives no address: a warning, not more than one a second, and no bind', async t => {
  let now = 5000
  t.mock.method(performance, 'now', () => now)
  const warnings: string[] = []
  const { mock } = t.mock.method(process, 'emitWarning', (message: string, type: string) => { warnings.push(`${type}: ${message}`) })
  const seen: (string | undefined)[] = []
  await using server = await startRecorder()
  server.answer = async exchange => {
    seen.push(exchange.socket.remoteAddress)
    await exchange.end('Status: 200 OK\r\n\r\n')
  }
  const given: unknown[] = ['nonsense', 5, { address: 'x' }, { adress: '127.0.0.6' }, null, '127.0.0.6']
  const bind: object = { bind: () => given[seen.length] }
  const dispatcher = new ScgiDispatcher(server.address, bind)
  for (const [n] of given.entries()) {
    now = 5000 + n * 500
    await sent(dispatcher, server.requests, {})
  }
  mock.restore()
  assert.deepEqual(seen, ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.6'])
  const text = (value: string): string => `ScgiDispatcherWarning: the function 'bind' gave ${value}, which is no local address: ignored`
  assert.deepEqual(warnings, ['"nonsense"', '{"address":"x"}', 'null'].map(text))
})

test('abort by signal and by the body, in each phase, frees the connection', async () => {
  await using server = await startRecorder({ answer: async () => {} })
  const dispatcher = new ScgiDispatcher(server.address)
  const reason = new Error('enough')
  await assert.rejects(dispatcher.request({ path: '/', method: 'GET', signal: AbortSignal.abort(reason) }), reason)

  const collecting = new AbortController()
  const body = new PassThrough()
  const first = dispatcher.request({ path: '/', method: 'PUT', body, signal: collecting.signal })
  collecting.abort(reason)
  await assert.rejects(first, reason)
  assert.equal(body.destroyed, true)
  assert.equal(server.accepted, 0)

  const silent = new AbortController()
  const second = dispatcher.request({ path: '/', method: 'GET', signal: silent.signal })
  await server.received(1)
  silent.abort(reason)
  await assert.rejects(second, reason)
  await server.idle()

  server.answer = exchange => exchange.write('Status: 200 OK\r\n\r\nabc')
  const emitter = new EventEmitter()
  const third = await dispatcher.request({ path: '/', method: 'GET', signal: emitter })
  emitter.emit('abort')
  await assert.rejects(third.body.text(), { code: 'UND_ERR_ABORTED' })
  await server.idle()

  const fourth = await dispatcher.request({ path: '/', method: 'GET' })
  fourth.body.on('error', () => {}).destroy()
  await server.idle()
  await dispatcher.close()
})
