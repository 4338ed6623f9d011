import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { errors } from 'undici'
import type { Dispatcher } from 'undici'
import { createUpstreams, ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'

type Options = Partial<Dispatcher.DispatchOptions>

/** Dispatches with a handler of the new dialect that writes down its calls. */
function dispatch (dispatcher: Dispatcher, options: Options = {}): { events: unknown[][], done: Promise<void>, accepted: boolean } {
  const events: unknown[][] = []
  let accepted = false
  const done = new Promise<void>(resolve => {
    accepted = dispatcher.dispatch({ origin: 'http://app.test', path: '/', method: 'GET', ...options }, {
      onRequestStart: () => { events.push(['start']) },
      onResponseStart: (_controller, status, headers, message) => { events.push(['head', status, { ...headers }, message]) },
      onResponseData: (_controller, chunk) => { events.push(['data', chunk.toString()]) },
      onResponseEnd: (_controller, trailers) => { events.push(['end', trailers]); resolve() },
      onResponseError: (_controller, error) => { events.push(['error', error]); resolve() },
    })
  })
  return { events, done, accepted }
}

const ANSWER = 'Status: 203 Fine\r\nContent-Type: text/plain\r\nset-cookie: a=1\r\nContent-Type: text/html\r\nSet-Cookie: b=2\r\n' +
  'Connection: x\r\nSCGI-Keepalive: 0\r\nX-Accel-Redirect: /y\r\n\r\nabc'

test('the new dialect', async () => {
  await using server = await startRecorder({ answer: ANSWER })
  const dispatcher = new ScgiDispatcher(server.address)
  const { events, done, accepted } = dispatch(dispatcher)
  assert.equal(accepted, true)
  await done
  assert.deepEqual(events, [
    ['start'],
    ['head', 203, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'], 'x-accel-redirect': '/y' }, 'Fine'],
    ['data', 'abc'],
    ['end', {}],
  ])
})

test('the old dialect', async () => {
  await using server = await startRecorder({ answer: ANSWER })
  const dispatcher = new ScgiDispatcher(server.address)
  const events: unknown[][] = []
  await new Promise<void>((resolve, reject) => {
    dispatcher.dispatch({ path: '/', method: 'GET' }, {
      onConnect: abort => { events.push(['connect', typeof abort]) },
      onResponseStarted: () => { events.push(['started']) },
      onHeaders: (status, headers, resume, message) => {
        events.push(['headers', status, headers.map(String), typeof resume, message])
        return true
      },
      onData: chunk => events.push(['data', chunk.toString()]) > 0,
      onComplete: trailers => {
        events.push(['complete', trailers])
        resolve()
      },
      onError: reject,
    })
  })
  assert.deepEqual(events, [
    ['connect', 'function'],
    ['started'],
    ['headers', 203, ['Content-Type', 'text/plain', 'set-cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-Accel-Redirect', '/y'], 'function', 'Fine'],
    ['data', 'abc'],
    ['complete', []],
  ])
})

test('what Connection names stays on the connection of the application, in both dialects', async () => {
  const rest = { 'x-end': '1' }
  for (const connection of ['Connection: close, X-Hop\r\n', 'Connection: close\r\nX-Hop: 1\r\nconnection: x-other , x-hop\r\nX-Other: 1\r\n']) {
    await using server = await startRecorder({ answer: `Status: 200\r\nX-HOP: secret\r\n${connection}X-End: 1\r\n\r\n` })
    const dispatcher = new ScgiDispatcher(server.address)
    const { events, done } = dispatch(dispatcher)
    await done
    assert.deepEqual(events[1]?.[2], rest)
    const lines = await new Promise<string[]>((resolve, reject) => {
      dispatcher.dispatch({ path: '/', method: 'GET' }, {
        onConnect () {},
        onHeaders: (_status, headers) => {
          resolve(headers.map(String))
          return true
        },
        onData: () => true,
        onComplete () {},
        onError: reject,
      })
    })
    assert.deepEqual(lines, ['X-End', '1'])
  }
})

test('a body whose request ends before it is read is given up, with the reason', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address)
  const reason = new Error('enough')
  const no = (): never => assert.fail('not called')
  const rest = { onHeaders: no, onData: no, onComplete: no }
  const ways: [string, (told: (error: Error) => void) => Dispatcher.DispatchHandler][] = [
    ['new dialect, abort', onError => ({ onRequestStart: controller => controller.abort(reason), onResponseError: (_controller, error) => onError(error) })],
    ['new dialect, throw', onError => ({ onRequestStart: () => { throw reason }, onResponseError: (_controller, error) => onError(error) })],
    ['old dialect, abort', onError => ({ onConnect: abort => abort(reason), ...rest, onError })],
    ['old dialect, throw', onError => ({ onConnect: () => { throw reason }, ...rest, onError })],
  ]
  for (const [way, handler] of ways) {
    const body = new PassThrough()
    const told = await new Promise<Error>(resolve => {
      dispatcher.dispatch({ path: '/', method: 'PUT', body }, handler(resolve))
    })
    assert.equal(told, reason, way)
    assert.equal(body.destroyed, true, way)
    assert.equal(body.errored, reason, way)
  }
  assert.equal(server.accepted, 0)
})

test('what is no request goes to the handler as an error, and no connection is made', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address, { scriptName: '/app' })
  const wrong: [Options, string][] = [
    [{ path: 'x' }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/a b' }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app?a', query: { b: 1 } }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/apple' }, 'FST_SCGI_BAD_REQUEST'],
    [{ path: '/app/%zz' }, 'FST_SCGI_BAD_REQUEST'],
    [{ path: '/app/../..' }, 'FST_SCGI_BAD_REQUEST'],
    [{ path: '/app', method: 'G T' }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', origin: 'nonsense' }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', method: 'CONNECT' }, 'UND_ERR_NOT_SUPPORTED'],
    [{ path: '/app', upgrade: 'websocket' }, 'UND_ERR_NOT_SUPPORTED'],
    [{ path: '/app', headersTimeout: -1 }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', bodyTimeout: NaN }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', throwOnError: true }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', headers: ['a'] }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', headers: { 'a b': '1' } }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', headers: { a: 'x\r\ny' } }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', headers: { a: 'x\0y' } }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', headers: ['host', 'a', 'host', 'b'] }, 'UND_ERR_INVALID_ARG'],
    [{ path: '/app', headers: { 'content-length': 'x' } }, 'UND_ERR_INVALID_ARG'],
  ]
  for (const [options, code] of wrong) {
    const { events, done, accepted } = dispatch(dispatcher, options)
    await done
    assert.equal(accepted, false)
    assert.equal(events.length, 1)
    const error = events[0]?.[1]
    assert.ok(error instanceof Error && 'code' in error)
    assert.equal(error.code, code, `${JSON.stringify(options)}: ${error.message}`)
  }
  // These are seen when the request is on its way already.
  const late: [Options, string][] = [
    [{ path: '/app', headers: ['authorization', 'a', 'authorization', 'b'] }, 'FST_SCGI_BAD_REQUEST'],
    [{ path: '/app', method: 'POST', body: 'abc', headers: { 'content-length': '4' } }, 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'],
  ]
  for (const [options, code] of late) {
    const { events, done } = dispatch(dispatcher, options)
    await done
    const error = events.at(-1)?.[1]
    assert.ok(error instanceof Error && 'code' in error)
    assert.equal(error.code, code)
  }
  assert.equal(server.accepted, 0)
  // @ts-expect-error no handler
  assert.throws(() => dispatcher.dispatch({ path: '/', method: 'GET' }, null), errors.InvalidArgumentError)
  assert.throws(() => dispatcher.dispatch({ path: '/', method: 'GET' }, {}), errors.InvalidArgumentError)
})

test('options that cannot be are refused by name', () => {
  const at = '127.0.0.1:4000'
  const throws = (make: () => unknown, pattern: RegExp): void => assert.throws(make, pattern)
  throws(() => new ScgiDispatcher('ftp://x'), /'upstreams\[0\]' cannot be used/)
  // @ts-expect-error no upstreams
  throws(() => new ScgiDispatcher(5), /option 'upstreams' is 5/)
  throws(() => new ScgiDispatcher([]), /upstreams.servers/)
  throws(() => new ScgiDispatcher(at, { scriptName: 'app' }), /scriptName/)
  throws(() => new ScgiDispatcher(at, { scriptName: '/app/' }), /scriptName/)
  throws(() => new ScgiDispatcher(at, { bind: 'x' }), /option 'bind' is "x"/)
  throws(() => new ScgiDispatcher(at, { readTimeout: 'x' }), /option 'readTimeout' is "x"/)
  throws(() => new ScgiDispatcher(at, { bufferSize: 1 }), /option 'bufferSize' is 1/)
  throws(() => new ScgiDispatcher(at, { params: { SCGI: '2' } }), /SCGI is always/)
  // @ts-expect-error a set that there is not
  throws(() => new ScgiDispatcher(at, { defaultParams: 'x' }), /defaultParams/)
  // @ts-expect-error what a dispatcher cannot know
  throws(() => new ScgiDispatcher(at, { forwarded: 'set' }), /forwarded/)
  // @ts-expect-error an option of the plugin
  throws(() => new ScgiDispatcher(at, { hideHeaders: [] }), /there is no option 'hideHeaders'/)
  // @ts-expect-error a part that there is not
  throws(() => new ScgiDispatcher(at, { requestBuffering: { size: 1 } }), /requestBuffering.size/)
  // @ts-expect-error a part that there is not
  throws(() => new ScgiDispatcher(at, { socketKeepalive: { delay: 1 } }), /socketKeepalive.delay/)
  // @ts-expect-error no condition
  throws(() => new ScgiDispatcher(at, { nextUpstream: ['http_501'] }), /nextUpstream/)
})

test('a handler that throws ends the request and hears of it', async () => {
  await using server = await startRecorder({ answer: 'Status: 200 OK\r\n\r\nabc' })
  const dispatcher = new ScgiDispatcher(server.address)
  const thrown = new Error('of the handler')
  for (const name of ['onRequestStart', 'onResponseStart', 'onResponseData', 'onResponseEnd'] as const) {
    const error = await new Promise(resolve => {
      dispatcher.dispatch({ path: '/', method: 'GET' }, {
        onRequestStart () {},
        onResponseError: (_controller, given) => resolve(given),
        [name]: () => { throw thrown },
      })
    })
    assert.equal(error, thrown, name)
  }
  await server.idle()
  await dispatcher.close()
})

test('pause and resume, in both dialects', async () => {
  const total = 8 * 1024 * 1024
  await using server = await startRecorder()
  server.answer = async exchange => {
    await exchange.write(`Content-Length: ${total}\r\n\r\n`)
    await exchange.end(Buffer.alloc(total))
  }
  const dispatcher = new ScgiDispatcher(server.address)
  for (const dialect of ['new', 'old', 'paused before the head']) {
    let received = 0
    let resume = (): void => {}
    const ended = new Promise<void>((resolve, reject) => {
      if (dialect === 'old') {
        dispatcher.dispatch({ path: '/', method: 'GET' }, {
          onConnect () {},
          onHeaders: (_status, _headers, given) => {
            resume = given
            return false
          },
          onData: chunk => {
            received += chunk.length
            return false
          },
          onComplete: () => resolve(),
          onError: reject,
        })
      } else {
        dispatcher.dispatch({ path: '/', method: 'GET' }, {
          onRequestStart: controller => {
            resume = () => controller.resume()
            if (dialect !== 'new') controller.pause()
          },
          onResponseStart: controller => {
            if (dialect === 'new') controller.pause()
            assert.equal(controller.paused, true)
          },
          onResponseData: (controller, chunk) => {
            received += chunk.length
            controller.pause()
          },
          onResponseEnd: () => resolve(),
          onResponseError: (_controller, error) => reject(error),
        })
      }
    })
    let most = 0
    const all = (): boolean => received === total
    while (!all()) {
      const before = received
      for (let turns = 0; turns < 3; turns++) await new Promise(resolve => setImmediate(resolve))
      most = Math.max(most, received - before)
      resume()
    }
    await ended
    assert.equal(received, total)
    // What one read of a socket holds, and the first bytes beside the head.
    assert.ok(most <= 2 * 65536, `${most} bytes came while the handler had paused (${dialect})`)
  }
})

test('headersTimeout and bodyTimeout, each for itself, and readTimeout where they are not given', async () => {
  await using server = await startRecorder()
  const code = async (dispatcher: Dispatcher, options: Options): Promise<unknown> => {
    const { events, done } = dispatch(dispatcher, options)
    await done
    const last = events.at(-1)?.[1]
    return last instanceof Error && 'code' in last ? last.code : 'end'
  }
  const patient = new ScgiDispatcher(server.address)
  const hasty = new ScgiDispatcher(server.address, { readTimeout: 40 })
  server.answer = async () => {}
  assert.equal(await code(patient, { headersTimeout: 40 }), 'UND_ERR_HEADERS_TIMEOUT')
  assert.equal(await code(hasty, {}), 'UND_ERR_HEADERS_TIMEOUT')
  server.answer = exchange => exchange.write('Status: 200 OK\r\n\r\nabc')
  assert.equal(await code(patient, { bodyTimeout: 40 }), 'UND_ERR_BODY_TIMEOUT')
  assert.equal(await code(patient, { headersTimeout: 0, bodyTimeout: 40 }), 'UND_ERR_BODY_TIMEOUT')
  assert.equal(await code(hasty, {}), 'UND_ERR_BODY_TIMEOUT')
  // The limit for the head has no say in the body.
  server.answer = async exchange => {
    await exchange.write('Status: 200 OK\r\n\r\nabc')
    await new Promise(resolve => setTimeout(resolve, 120))
    await exchange.end()
  }
  assert.equal(await code(patient, { headersTimeout: 60 }), 'end')
  assert.equal(await code(patient, { headersTimeout: 60, bodyTimeout: 0 }), 'end')
  assert.equal(await code(hasty, { bodyTimeout: 5000 }), 'end')
})

test('next upstream as in the plugin, with the attempts in the context', async () => {
  await using server = await startRecorder()
  const refused = await refusedAddress()
  const group = createUpstreams([refused, server.address])
  const dispatcher = new ScgiDispatcher(group)
  const { body, context } = await dispatcher.request({ origin: 'http://app.test', path: '/', method: 'GET' })
  assert.equal(await body.text(), 'ok')
  assert.ok('attempts' in context && Array.isArray(context.attempts))
  assert.deepEqual(context.attempts.map(({ address, status }) => [address, status]), [[refused, 502], [server.address, 200]])
  assert.equal(group.servers[0]?.fails, 1)
  const strict = new ScgiDispatcher({ servers: [refused, server.address] }, { nextUpstream: false })
  const { events, done } = dispatch(strict)
  await done
  assert.equal(events.at(-1)?.[0], 'error')
})

test('a function chooses the group', async () => {
  await using first = await startRecorder({ answer: 'X: 1\r\n\r\nfirst' })
  await using second = await startRecorder({ answer: 'X: 1\r\n\r\nsecond' })
  const groups = new Map([['http://one.test', createUpstreams([first.address])], ['http://two.test', createUpstreams([second.address])]])
  const dispatcher = new ScgiDispatcher(async ({ origin }) => {
    const group = groups.get(String(origin))
    if (group === undefined) throw new Error(`nothing for ${String(origin)}`)
    return group
  })
  const get = async (origin: string): Promise<string> => (await dispatcher.request({ origin, path: '/', method: 'GET' })).body.text()
  assert.equal(await get('http://two.test'), 'second')
  assert.equal(await get('http://one.test'), 'first')
  await assert.rejects(get('http://three.test'), /nothing for http:\/\/three.test/)
  // @ts-expect-error addresses are not for requests to choose
  const open = new ScgiDispatcher(() => first.address)
  await assert.rejects(open.request({ path: '/', method: 'GET' }), /gives a group of createUpstreams/)
})

test('close() waits and refuses, destroy() ends; both also by callback and on a composed dispatcher', async () => {
  await using server = await startRecorder({ answer: exchange => exchange.write('Status: 200 OK\r\n\r\nabc') })
  const dispatcher = new ScgiDispatcher(server.address)
  const { body } = await dispatcher.request({ path: '/', method: 'GET' })
  let closed = false
  const closing = dispatcher.close().then(() => { closed = true })
  await assert.rejects(dispatcher.request({ path: '/', method: 'GET' }), errors.ClientClosedError)
  assert.equal(closed, false)
  assert.equal(dispatcher.closed, true)
  assert.equal(dispatcher.destroyed, false)
  body.on('error', () => {}).destroy()
  await closing
  assert.equal(dispatcher.destroyed, true)
  await assert.rejects(dispatcher.request({ path: '/', method: 'GET' }), errors.ClientDestroyedError)
  await dispatcher.close()

  const other = new ScgiDispatcher(server.address)
  const composed = other.compose(next => (options, handler) => next(options, handler))
  const running = await composed.request({ path: '/', method: 'GET' })
  const reason = new Error('stop')
  await new Promise<void>(resolve => composed.destroy(reason, resolve))
  await assert.rejects(running.body.text(), reason)
  await new Promise<void>(resolve => composed.close(resolve))
  await composed.destroy()
  await server.idle()
})

test('keepalive connections are reused, and closed with the dispatcher', async () => {
  await using server = await startRecorder()
  server.answer = async exchange => {
    await exchange.body()
    await exchange.write('SCGI-Keepalive: 1\r\nContent-Length: 2\r\n\r\nok')
  }
  const dispatcher = new ScgiDispatcher([{ address: server.address, keepalive: 2 }])
  for (let i = 0; i < 3; i++) {
    const { body } = await dispatcher.request({ path: '/', method: 'POST', body: 'x' })
    assert.equal(await body.text(), 'ok')
  }
  assert.equal(server.accepted, 1)
  assert.equal(server.open, 1)
  await dispatcher.close()
  await server.idle()
})
