// Whose request is it: with an AsyncLocalStorage for each request, as @fastify/request-context and OpenTelemetry have one, every function of
// the user's runs in the context of its own request, wherever it is entered from.
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import scgi, { createCache, createUpstreams, ScgiClient } from '../../lib/index.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { createScgiServer } from '../../lib/server/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import type { Answer, Script } from '../helpers/recorder.ts'
import type { FastifyRequest } from 'fastify'
import type { BalanceContext, FastifyScgiOptions, GroupOptions } from '../../types/index.ts'

const users = new AsyncLocalStorage<string>()

const OK = 'Status: 200\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'
const KEPT = `SCGI-Keepalive: 1\r\n${OK}`
const keeps: Script = async x => { await x.body(); await x.write(KEPT) }

/** What was called, and for whom it should have been, and in whose context it was. */
class Watch {
  readonly calls: { name: string, user: string, context: string | undefined }[] = []

  /** A function that notes whose call it is. */
  of<Value> (name: string, value: Value): (request: FastifyRequest) => Value {
    return request => {
      this.note(name, request)
      return value
    }
  }

  note (name: string, request: FastifyRequest): void {
    this.calls.push({ name, user: String(request.headers['x-user']), context: users.getStore() })
  }

  /** Nobody's function was called as another's, and each of these was called. */
  check (...names: string[]): void {
    assert.deepEqual(this.calls.filter(({ user, context }) => user !== context), [])
    for (const name of names) assert.ok(this.calls.some(call => call.name === name), `${name} was called`)
  }
}

/** Every function that a mount takes. */
function functions (watch: Watch): Partial<FastifyScgiOptions> {
  return {
    params: {
      REMOTE_USER: request => {
        watch.note('params', request)
        return users.getStore() ?? 'nobody'
      }
    },
    bind: watch.of('bind', undefined),
    limitRate: watch.of('limitRate', 0),
    clientLimitRate: watch.of('clientLimitRate', 0),
    rewriteRequestHeaders: (request, headers) => {
      watch.note('rewriteRequestHeaders', request)
      return headers
    },
    rewriteHeaders: (headers, request) => {
      watch.note('rewriteHeaders', request)
      return headers
    },
  }
}

const OF_A_MOUNT = ['params', 'bind', 'limitRate', 'clientLimitRate', 'rewriteRequestHeaders', 'rewriteHeaders', 'onSend', 'onResponse']

/** Every function that a group takes. */
function groupFunctions (watch: Watch): Pick<GroupOptions, 'balance' | 'sticky'> {
  return {
    balance: {
      select: ({ request }: BalanceContext) => {
        if (request !== undefined) watch.note('select', request)
        return undefined
      }
    },
    sticky: {
      learn: {
        create: request => {
          watch.note('create', request)
          return undefined
        },
        lookup: watch.of('lookup', undefined),
      }
    },
  }
}

const OF_A_GROUP = ['select', 'create', 'lookup']

/** A gateway whose requests have a context each, by their header X-User, and whose log tells it. */
async function start (watch: Watch, options: Omit<FastifyScgiOptions, 'logLevel'>): Promise<Gateway> {
  return startGateway(async app => {
    app.addHook('onRequest', (request, _reply, done) => users.run(String(request.headers['x-user']), done))
    app.addHook('onSend', (request, _reply, _payload, done) => {
      watch.note('onSend', request)
      done()
    })
    app.addHook('onResponse', (request, _reply, done) => {
      watch.note('onResponse', request)
      done()
    })
    app.setErrorHandler((_error, request, reply) => {
      watch.note('error handler', request)
      reply.code(502).send('failed')
    })
    await app.register(scgi, options)
  })
}

async function ask (gateway: Gateway, user: string, path = '/', init: RequestInit = {}): Promise<string> {
  const response = await fetch(`${gateway.url}${path}`, { ...init, headers: { 'x-user': user } })
  return `${response.status} ${await response.text()}`
}

/** Requests of several users over the same connections of the gateway's. */
async function askInTurn (gateway: Gateway, expected = '200 ok'): Promise<void> {
  for (const user of ['anna', 'bert', 'carl', 'anna']) assert.equal(await ask(gateway, user), expected)
}

describe('connections', () => {
  const cases: Readonly<Record<string, { answer: Answer, server: object }>> = {
    'opened for each request, with their objects used again': { answer: OK, server: {} },
    'that are kept': { answer: keeps, server: { keepalive: 2 } },
    'that were opened ahead': { answer: OK, server: { preconnect: 2 } },
  }
  for (const [kind, { answer, server }] of Object.entries(cases)) {
    test(`${kind}`, async () => {
      const watch = new Watch()
      await using recorder = await startRecorder({ answer })
      await using gateway = await start(watch, {
        upstreams: {
          servers: [{ address: recorder.address, ...server }, { address: await refusedAddress(), ...server, backup: true }],
          ...groupFunctions(watch),
        },
        ...functions(watch),
      })
      await askInTurn(gateway)
      watch.check(...OF_A_MOUNT, ...OF_A_GROUP)
      assert.deepEqual(recorder.requests.map(request => request.param('REMOTE_USER')), ['anna', 'bert', 'carl', 'anna'])
    })

    test(`${kind}: the page of an error`, async () => {
      const watch = new Watch()
      const missing = 'Status: 404\r\nContent-Length: 0\r\n\r\n'
      await using recorder = await startRecorder({
        answer: answer === keeps ? async x => { await x.body(); await x.write(`SCGI-Keepalive: 1\r\n${missing}`) } : missing
      })
      await using gateway = await start(watch, {
        upstreams: [{ address: recorder.address, ...server }],
        interceptErrors: true,
        errorPages: {
          404: request => {
            watch.note('errorPages', request)
            return `http://other.test/${users.getStore()}`
          }
        },
      })
      for (const user of ['anna', 'bert', 'carl', 'anna']) {
        const { headers } = await fetch(gateway.url, { headers: { 'x-user': user }, redirect: 'manual' })
        assert.equal(headers.get('location'), `http://other.test/${user}`)
      }
      watch.check('errorPages', 'onSend')
    })

    test(`${kind}: a reply that comes in pieces, and goes to onResponse`, async () => {
      const watch = new Watch()
      const head = answer === keeps ? 'SCGI-Keepalive: 1\r\nContent-Length: 200000\r\n' : 'Content-Length: 200000\r\n'
      await using recorder = await startRecorder({
        answer: async x => {
          await x.body()
          await x.write(`${head}\r\n`)
          await x.write('a'.repeat(100_000))
          await x.write('a'.repeat(100_000))
          if (answer !== keeps) await x.end()
        }
      })
      await using gateway = await start(watch, {
        upstreams: [{ address: recorder.address, ...server }],
        onResponse: (request, reply, { body }) => {
          watch.note('hook', request)
          body.on('end', () => watch.note('end of the body', request))
          reply.send(body)
        },
      })
      await askInTurn(gateway, `200 ${'a'.repeat(200_000)}`)
      watch.check('hook', 'end of the body', 'onSend')
    })
  }

  test('of an HTTP server', async () => {
    const watch = new Watch()
    const server = createServer((_request, response) => { response.setHeader('content-type', 'text/plain').end('ok') })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    try {
      await using gateway = await start(watch, {
        upstreams: { servers: [`http://127.0.0.1:${port}`, { address: await refusedAddress(), backup: true }], ...groupFunctions(watch) },
        ...functions(watch),
      })
      await askInTurn(gateway)
      await Promise.all([ask(gateway, 'anna'), ask(gateway, 'bert'), ask(gateway, 'carl')])
      await askInTurn(gateway)
      watch.check(...OF_A_MOUNT.filter(name => name !== 'params'), ...OF_A_GROUP)
    } finally {
      server.close()
    }
  })
})

describe('failures', () => {
  const never: Script = async x => { await x.closed }
  for (const kind of ['error handler', 'onError', 'errorPages'] as const) {
    test(`on a kept connection that is silent: ${kind}`, async () => {
      const watch = new Watch()
      await using recorder = await startRecorder({ answer: keeps })
      await using gateway = await start(watch, {
        upstreams: [{ address: recorder.address, keepalive: 1 }],
        readTimeout: 100,
        ...functions(watch),
        ...(kind === 'onError' && {
          onError: (reply, { error }) => {
            watch.note('onError', reply.request)
            reply.code(502).send(error.message)
          }
        }),
        ...(kind === 'errorPages' && { errorPages: { 504: { to: watch.of('errorPages', 'http://other.test/') } } }),
      })
      await askInTurn(gateway)
      recorder.answer = never
      assert.match(await ask(gateway, 'dora', '/', { redirect: 'manual' }), kind === 'errorPages' ? /^302/ : /^502/)
      watch.check(kind, ...OF_A_MOUNT)
    })
  }

  test('of one server, and the next one on a kept connection', async () => {
    const watch = new Watch()
    await using bad = await startRecorder({ answer: keeps })
    await using good = await startRecorder({ answer: keeps })
    await using gateway = await start(watch, {
      upstreams: [{ address: bad.address, keepalive: 1, maxFails: 0 }, { address: good.address, keepalive: 1, maxFails: 0 }],
      ...functions(watch),
    })
    await askInTurn(gateway)
    bad.answer = async x => { await x.body(); await x.end() }
    await askInTurn(gateway)
    watch.check(...OF_A_MOUNT)
  })
})

describe('the queue', () => {
  for (const keepalive of [0, 1]) {
    test(`of a server with maxConns, keepalive ${keepalive}`, async () => {
      const watch = new Watch()
      await using recorder = await startRecorder({ answer: keepalive > 0 ? keeps : OK })
      await using gateway = await start(watch, {
        upstreams: {
          servers: [{ address: recorder.address, maxConns: 1, keepalive }], queue: { size: 10, timeout: '5s' }, ...groupFunctions(watch),
        },
        ...functions(watch),
      })
      const names = ['anna', 'bert', 'carl', 'dora', 'emil']
      await Promise.all(names.map(name => ask(gateway, name)))
      watch.check(...OF_A_MOUNT, ...OF_A_GROUP)
      // Each was sent with its own name.
      assert.deepEqual(recorder.requests.map(request => request.param('REMOTE_USER')), recorder.requests.map(request => request.param('HTTP_X_USER')))
      assert.equal(recorder.requests.length, names.length)
    })
  }

  test('that is waited in in vain', async () => {
    const watch = new Watch()
    await using recorder = await startRecorder({ answer: async x => { await x.closed } })
    await using gateway = await start(watch, {
      upstreams: { servers: [{ address: recorder.address, maxConns: 1 }], queue: { size: 10, timeout: 100 } },
      readTimeout: 1000,
    })
    await Promise.all(['anna', 'bert', 'carl'].map(name => ask(gateway, name)))
    watch.check('error handler')
  })
})

describe('the cache', () => {
  test('requests that wait for a lock, and get nothing that is kept', async () => {
    const watch = new Watch()
    await using recorder = await startRecorder({ answer: OK })
    await using gateway = await start(watch, {
      upstreams: recorder.address,
      cache: {
        zone: watch.of('zone', createCache({ name: 'context' })),
        key: watch.of('key', 'one'),
        bypass: watch.of('bypass', false),
        noCache: watch.of('noCache', true),
        valid: '1m',
        lock: true,
      },
      ...functions(watch),
    })
    await Promise.all(['anna', 'bert', 'carl', 'dora'].map(name => ask(gateway, name)))
    watch.check(...OF_A_MOUNT, 'zone', 'key', 'bypass', 'noCache')
    assert.equal(recorder.requests.length, 4)
    for (const request of recorder.requests) assert.equal(request.param('REMOTE_USER'), request.param('HTTP_X_USER'))
  })

  for (const [kind, lock] of Object.entries({ 'that is there then': true, 'for too long': { age: '10s', timeout: 50 } })) {
    test(`requests that wait for a reply ${kind}`, async () => {
      const watch = new Watch()
      let answer = (): void => {}
      const answered = new Promise<void>(resolve => { answer = resolve })
      await using recorder = await startRecorder({
        answer: async x => {
          if (x.index === 0) await answered
          await x.end(OK)
        }
      })
      await using gateway = await start(watch, {
        upstreams: recorder.address,
        cache: { zone: createCache({ name: 'context' }), key: () => 'one', valid: '1m', lock },
        ...functions(watch),
      })
      const first = ask(gateway, 'anna')
      const others = ['bert', 'carl', 'dora'].map(name => ask(gateway, name))
      if (lock !== true) await Promise.all(others)
      answer()
      await Promise.all([first, ...others])
      watch.check(...OF_A_MOUNT)
    })
  }

  test('a background update', async () => {
    const watch = new Watch()
    await using recorder = await startRecorder({ answer: keeps })
    const cache = createCache({ name: 'context' })
    await using gateway = await start(watch, {
      upstreams: {
        servers: [{ address: recorder.address, keepalive: 1 }, { address: await refusedAddress(), down: true }], balance: { hash: watch.of('hash', 'x') },
      },
      cache: {
        zone: cache, key: () => 'one', valid: '1m', useStale: ['updating'], backgroundUpdate: true, noCache: watch.of('noCache', false),
      },
      ...functions(watch),
    })
    for (const user of ['anna', 'bert', 'carl']) {
      assert.equal(await ask(gateway, user), '200 ok')
      await recorder.received(['anna', 'bert', 'carl'].indexOf(user) + 1)
      await cache.purge({ key: 'one' }, { soft: true })
    }
    watch.check(...OF_A_MOUNT, 'noCache', 'hash')
    assert.deepEqual(recorder.requests.map(request => request.param('REMOTE_USER')), ['anna', 'bert', 'carl'])
  })
})

describe('a request body', () => {
  for (const [kind, options] of Object.entries<Partial<FastifyScgiOptions>>({
    'that is collected': {}, 'that is passed on as it comes': { requestBuffering: false }, 'that is not passed': { passRequestBody: false },
  })) {
    test(`in several pieces, ${kind}`, async () => {
      const watch = new Watch()
      await using recorder = await startRecorder({ answer: keeps })
      await using gateway = await start(watch, {
        upstreams: { servers: [{ address: recorder.address, keepalive: 1 }], ...groupFunctions(watch) }, ...functions(watch), ...options,
      })
      await using client = await RawClient.connect({ port: gateway.port })
      for (const user of ['anna', 'bert']) {
        client.expect('POST')
        const response = client.response()
        for (const piece of [`POST / HTTP/1.1\r\nHost: x\r\nX-User: ${user}\r\nContent-Length: 90000\r\n\r\n`, 'a'.repeat(45_000), 'b'.repeat(45_000)]) {
          await client.write(piece)
          await nextTurn()
        }
        assert.equal((await response).body.toString(), 'ok')
      }
      watch.check(...OF_A_MOUNT, ...OF_A_GROUP)
    })
  }

  test('that is late', async () => {
    const watch = new Watch()
    await using recorder = await startRecorder()
    await using gateway = await start(watch, { upstreams: recorder.address, clientBodyTimeout: 50 })
    await using client = await RawClient.connect({ port: gateway.port })
    client.expect('POST')
    const response = client.response()
    await client.write('POST / HTTP/1.1\r\nHost: x\r\nX-User: anna\r\nContent-Length: 9\r\n\r\nab')
    assert.equal((await response).statusCode, 502)
    watch.check('error handler', 'onSend')
  })
})

describe('elsewhere', () => {
  test('reply.scgi(), upstreams that answer later, a client that leaves', async () => {
    const watch = new Watch()
    await using recorder = await startRecorder({ answer: keeps })
    await using gateway = await startGateway(async app => {
      app.addHook('onRequest', (request, _reply, done) => users.run(String(request.headers['x-user']), done))
      await app.register(scgi, { prefix: '/scgi', upstreams: [{ address: recorder.address, keepalive: 1 }] })
      const options = {
        upstreams: (request: FastifyRequest) => {
          watch.note('upstreams', request)
          return Promise.resolve(recorder.address)
        },
        ...functions(watch),
      }
      app.get('/', (_request, reply) => reply.scgi(options))
    })
    for (const user of ['anna', 'bert', 'carl']) assert.equal(await ask(gateway, user), '200 ok')
    watch.check('upstreams', 'params', 'rewriteHeaders')
  })

  test('the log line of a client that has left', async () => {
    const lines: { msg: string, user?: string }[] = []
    await using recorder = await startRecorder({ answer: async x => { await x.closed } })
    await using gateway = await startGateway(async app => {
      app.addHook('onRequest', (request, _reply, done) => users.run(String(request.headers['x-user']), done))
      await app.register(scgi, { upstreams: recorder.address })
    }, { logger: { level: 'debug', mixin: () => ({ user: users.getStore() }), stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
    const client = await RawClient.connect({ port: gateway.port })
    await client.write('GET / HTTP/1.1\r\nHost: x\r\nX-User: anna\r\n\r\n')
    await recorder.received(1)
    client.destroy()
    await recorder.idle()
    await gateway.close()
    const told = lines.filter(({ msg }) => /^upstream |client closed/.test(msg))
    assert.deepEqual(told.map(({ user }) => user), ['anna', 'anna'])
  })

  test('handlers of a dispatcher, and bodies that it is given', async () => {
    const contexts: string[] = []
    await using recorder = await startRecorder({ answer: keeps })
    const dispatcher = new ScgiDispatcher(createUpstreams([{ address: recorder.address, keepalive: 1 }]))
    const dispatch = (user: string): Promise<void> => new Promise((resolve, reject) => users.run(user, () => {
      const note = (name: string): void => { contexts.push(`${name} ${user} ${users.getStore() ?? 'nobody'}`) }
      dispatcher.dispatch({ origin: 'http://x', path: '/', method: 'POST', body: Readable.from(['a', 'b']) }, {
        onRequestStart: () => note('start'),
        onResponseStart: () => note('head'),
        onResponseData: () => note('data'),
        onResponseEnd: () => {
          note('end')
          resolve()
        },
        onResponseError: (_controller, error) => reject(error),
      })
    }))
    for (const user of ['anna', 'bert', 'carl']) await dispatch(user)
    await dispatcher.close()
    const expected = ['anna', 'bert', 'carl'].flatMap(user => ['start', 'head', 'data', 'end'].map(name => `${name} ${user} ${user}`))
    assert.deepEqual(contexts, expected)
  })

  test('a client', async () => {
    const contexts: string[] = []
    await using recorder = await startRecorder({ answer: keeps })
    const client = new ScgiClient(recorder.address, { keepalive: 1 })
    for (const user of ['anna', 'bert']) {
      await users.run(user, async () => {
        const { body } = await client.request({ params: { REQUEST_URI: '/' } })
        for (const event of ['data', 'end']) body.on(event, () => { contexts.push(`${event} ${user} ${users.getStore() ?? 'nobody'}`) })
        await once(body, 'close')
      })
    }
    await client.close()
    assert.deepEqual(contexts, ['data anna anna', 'end anna anna', 'data bert bert', 'end bert bert'])
  })

  test('a server: a request sees nothing of the one before on its connection', async () => {
    const contexts: string[] = []
    const server = createScgiServer({ keepalive: true }, (request, response) => {
      contexts.push(`begun ${users.getStore() ?? 'nobody'}`)
      users.run(request.url ?? '', () => {
        request.on('data', () => { contexts.push(`data ${users.getStore() ?? 'nobody'}`) })
        request.on('end', () => {
          contexts.push(`end ${users.getStore() ?? 'nobody'}`)
          response.setHeader('content-length', 2).end('ok')
        })
      })
      users.enterWith('left behind')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const socket = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1')
    const block = (uri: string): string => {
      const head = `CONTENT_LENGTH\x002\0SCGI\x001\0SCGI_KEEPALIVE\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0${uri}\0`
      return `${head.length}:${head},`
    }
    let received = ''
    socket.on('data', chunk => { received += String(chunk) })
    // Two in one segment, then one whose body comes by and by.
    socket.write(`${block('/a')}xy${block('/b')}xy${block('/c')}x`)
    while (received.split('ok').length < 3) await once(socket, 'data')
    socket.write('y')
    while (received.split('ok').length < 4) await once(socket, 'data')
    socket.destroy()
    server.close()
    const pieces = (uri: string, count: number): string[] => ['begun nobody', ...Array.from({ length: count }, () => `data ${uri}`), `end ${uri}`]
    assert.deepEqual(contexts, [...pieces('/a', 1), ...pieces('/b', 1), ...pieces('/c', 2)])
  })
})

describe('what belongs to no request', () => {
  test('health checks of a group that a request has opened', async () => {
    const contexts: (string | undefined)[] = []
    await using recorder = await startRecorder({ answer: keeps })
    const group = createUpstreams({
      servers: [{ address: recorder.address, keepalive: 1 }], health: { type: 'scgi', interval: 100, timeout: 100, fails: 1, passes: 1 },
    })
    const changed = new Promise<void>(resolve => {
      group.on('state', () => {
        contexts.push(users.getStore())
        resolve()
      })
    })
    await using gateway = await startGateway(async app => {
      app.addHook('onRequest', (_request, _reply, done) => users.run('anna', done))
      await app.register(scgi, { prefix: '/scgi', upstreams: recorder.address })
      app.get('/', (_request, reply) => reply.scgi({ upstreams: group }))
    })
    assert.equal(await ask(gateway, 'anna'), '200 ok')
    recorder.answer = 'Status: 500\r\n\r\n'
    await changed
    assert.deepEqual(contexts, [undefined])
  })

  for (const [kind, server] of Object.entries({ 'that are kept': { keepalive: 2 }, 'opened ahead': { preconnect: 2 } })) {
    test(`connections ${kind} hold on to no request`, async () => {
      setFlagsFromString('--expose-gc')
      const collect: unknown = runInNewContext('gc')
      assert.ok(typeof collect === 'function')
      const stores = new AsyncLocalStorage<object>()
      const kept: WeakRef<object>[] = []
      await using recorder = await startRecorder({ answer: keeps })
      await using gateway = await startGateway(async app => {
        app.addHook('onRequest', (_request, _reply, done) => {
          const store = {}
          kept.push(new WeakRef(store))
          stores.run(store, done)
        })
        await app.register(scgi, { upstreams: { servers: [{ address: recorder.address, maxConns: 1, ...server }], queue: { size: 9, timeout: '60s' } } })
      })
      await using client = await RawClient.connect({ port: gateway.port })
      for (let n = 0; n < 3; n++) {
        const response = await client.request('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        assert.equal(response.statusCode, 200)
      }
      for (let round = 0; round < 200 && kept.slice(0, 2).some(store => store.deref() !== undefined); round++) {
        await nextTurn()
        Reflect.apply(collect, undefined, [])
      }
      // The client's connection keeps its last request, in Node.js.
      assert.deepEqual(kept.slice(0, 2).map(store => store.deref()), [undefined, undefined])
    })
  }
})
