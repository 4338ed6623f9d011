// Every option that is a function: where its value is needed at once an async function is refused at register by name, and a promise that
// comes all the same is an error of that request, whose rejection nobody else hears. node:test fails for a rejection that is unhandled.
import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, test } from 'node:test'
import Fastify from 'fastify'
import accel from '../../lib/accel/index.ts'
import scgi, { createCache } from '../../lib/index.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

/** Where a function is put; objects of no type, for one in JavaScript gives what it likes. */
interface Row {
  /** As the error names it. */
  option: string
  /** Options of the mount. */
  mount?: (given: unknown) => object
  /** Options of its group. */
  group?: (given: unknown) => object
  /** What the client gets; 200 is a reply that is passed on, and not kept. */
  status?: number
  /** What the application says. Default: 200. */
  answer?: string
}

const SECRET = '0123456789abcdef'
const zone = (): object => createCache({ name: 'functions' })
await using dir = await tempDir()

const MISSING = 'Status: 404\r\nContent-Length: 0\r\n\r\n'

const ROWS: readonly Row[] = [
  { option: 'params.X_VALUE', mount: given => ({ params: { X_VALUE: given } }) },
  { option: 'params.X_VALUE', mount: given => ({ params: { X_VALUE: { value: given, ifNotEmpty: true } } }) },
  { option: 'bind', mount: given => ({ bind: given }) },
  { option: 'limitRate', mount: given => ({ limitRate: given }) },
  { option: 'clientLimitRate', mount: given => ({ clientLimitRate: given }) },
  { option: 'rewriteRequestHeaders', mount: given => ({ rewriteRequestHeaders: given }) },
  { option: 'rewriteHeaders', mount: given => ({ rewriteHeaders: given }) },
  { option: "errorPages['404']", mount: given => ({ interceptErrors: true, errorPages: { 404: given } }), answer: MISSING },
  { option: "errorPages['404']", mount: given => ({ interceptErrors: true, errorPages: { 404: { to: given, status: 'target' } } }), answer: MISSING },
  { option: "errorPages['502 504']", mount: given => ({ errorPages: { '502 504': given } }), answer: 'no head\r\n\r\n' },
  { option: 'store.path', mount: given => ({ store: { root: dir.path, path: given } }), status: 200 },
  { option: 'cache.zone', mount: given => ({ cache: { zone: given } }) },
  { option: 'cache.key', mount: given => ({ cache: { zone: zone(), key: given } }) },
  { option: 'cache.bypass', mount: given => ({ cache: { zone: zone(), bypass: given } }) },
  { option: 'cache.bypass', mount: given => ({ cache: { zone: zone(), bypass: [() => false, given] } }) },
  { option: 'cache.noCache', mount: given => ({ cache: { zone: zone(), noCache: given } }), status: 200 },
  { option: 'upstreams.balance.hash', group: given => ({ balance: { hash: given } }) },
  { option: 'upstreams.balance.hash', group: given => ({ balance: { hash: given, consistent: true } }) },
  { option: 'upstreams.balance.select', group: given => ({ balance: { select: given } }) },
  { option: 'upstreams.sticky.route', group: given => ({ sticky: { route: [given] } }) },
  { option: 'upstreams.sticky.learn.create', group: given => ({ sticky: { learn: { create: given, lookup: 'id' } } }) },
  { option: 'upstreams.sticky.learn.lookup', group: given => ({ sticky: { learn: { create: 'id', lookup: given } } }) },
  { option: 'upstreams.sticky.cookie.domain', group: given => ({ sticky: { cookie: { name: 'id', secret: SECRET, domain: given } } }) },
  { option: 'upstreams.sticky.cookie.sameSite', group: given => ({ sticky: { cookie: { name: 'id', secret: SECRET, sameSite: given } } }) },
]

const asynchronous = async (): Promise<never> => { throw new Error('too late') }
const PROMISES: Readonly<Record<string, () => unknown>> = {
  'a promise': () => Promise.reject(new Error('too late')),
  'a thenable': () => ({ then: (_done: unknown, fail: (error: Error) => void) => fail(new Error('too late')) }),
  'a bound async function': asynchronous.bind(null),
}

/** As one in JavaScript gives it. */
function loose (value: object): object {
  return value
}

function register (address: string, { mount, group }: Row, given: unknown): Promise<Gateway> {
  const servers = group === undefined ? [address] : [address, { address: address.replace('127.0.0.1', 'localhost'), backup: false }]
  return startGateway(async app => {
    const upstreams = Object.assign({ servers: servers.slice(0, group === undefined ? 1 : 2) }, group?.(given))
    await app.register(scgi, Object.assign({ upstreams }, mount?.(given)))
  })
}

describe('where the value is needed at once', () => {
  for (const row of ROWS) {
    const { option, status = 500, answer } = row

    test(`${option}: an async function is refused at register`, async () => {
      await assert.rejects(register('127.0.0.1:1', row, asynchronous), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'FST_SCGI_OPT_INVALID')
        assert.ok(error.message.includes(`'${option}' is the async function asynchronous, expected`), error.message)
        return true
      })
    })

    for (const [kind, given] of Object.entries(PROMISES)) {
      test(`${option}: ${kind} is an error of the request`, async () => {
        await using recorder = await startRecorder(answer === undefined ? {} : { answer })
        await using gateway = await register(recorder.address, row, given)
        const response = await fetch(gateway.url)
        await response.text()
        await nextTurn()
        assert.equal(response.status, status)
        const told = JSON.stringify(gateway.log.filter(({ level }) => level >= 50))
        assert.match(told, /The function '[^ ]+(?: \d+'\])?' gave a promise/)
        assert.ok(told.includes(`'${option}'`), told)
      })
    }
  }
})

describe('accel', () => {
  test('trust: an async function is refused', async () => {
    const app = Fastify()
    await assert.rejects(async () => { await app.register(accel, Object.assign({ trust: () => true }, { trust: asynchronous })) },
      { code: 'FST_SCGI_OPT_INVALID', message: /'trust' is the async function/ })
  })

  for (const [kind, given] of Object.entries(PROMISES)) {
    test(`trust: ${kind} trusts nobody`, async () => {
      await using gateway = await startGateway(async app => {
        await app.register(accel, Object.assign({ trust: () => true, redirectTo: ['/there'] }, { trust: given }))
        app.get('/', (_request, reply) => { reply.header('x-accel-redirect', '/there').send() })
        app.get('/there', (_request, reply) => { reply.send('there') })
      })
      const response = await fetch(gateway.url)
      assert.equal(response.status, 500)
      assert.match(await response.text(), /FST_SCGI_PROMISE/)
    })
  }
})

describe('a dispatcher', () => {
  test('bind: an async function is refused', () => {
    assert.throws(() => new ScgiDispatcher('127.0.0.1:1', Object.assign({}, loose({ bind: asynchronous }))),
      { code: 'FST_SCGI_OPT_INVALID', message: /'bind' is the async function/ })
  })

  for (const [kind, given] of Object.entries(PROMISES)) {
    test(`bind: ${kind} fails the request`, async () => {
      await using recorder = await startRecorder()
      const dispatcher = new ScgiDispatcher(recorder.address, Object.assign({}, loose({ bind: given })))
      await assert.rejects(dispatcher.request({ origin: 'http://x', path: '/', method: 'GET' }), { code: 'FST_SCGI_PROMISE' })
      await dispatcher.close()
    })
  }
})

describe('the functions of a cache store', () => {
  const store = { get: () => undefined, delete: () => undefined }

  for (const method of ['createWriteStream', 'stats']) {
    test(`${method}: an async function is refused`, () => {
      const given = Object.assign({ createWriteStream: () => undefined }, store, loose({ [method]: asynchronous }))
      assert.throws(() => createCache({ name: 'own', store: given }),
        { code: 'FST_SCGI_OPT_INVALID', message: new RegExp(`'createCache\\.store\\.${method}' is the async function`) })
    })
  }

  for (const [kind, given] of Object.entries(PROMISES)) {
    test(`createWriteStream and stats: ${kind} is a failure of the store`, async () => {
      await using recorder = await startRecorder({ answer: 'Content-Type: text/plain\r\nCache-Control: max-age=60\r\n\r\nok' })
      const cache = createCache({ name: 'own', store: Object.assign({ createWriteStream: () => undefined }, store, loose({ createWriteStream: given, stats: given })) })
      await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone: cache } })
      const response = await fetch(gateway.url)
      assert.equal(await response.text(), 'ok')
      const { entries, storeFailures } = cache.stats()
      assert.deepEqual({ entries, storeFailures }, { entries: undefined, storeFailures: 2 })
    })
  }
})

describe('where the value may come later', () => {
  for (const [kind, given] of Object.entries(PROMISES)) {
    for (const option of ['onResponse', 'onError']) {
      test(`${option}: the rejection of ${kind} is the reply`, async () => {
        await using recorder = await startRecorder()
        const address = option === 'onResponse' ? recorder.address : 'unix:/nowhere'
        await using gateway = await startGateway(async app => {
          await app.register(scgi, Object.assign({ upstreams: address }, { [option]: given }))
        })
        const response = await fetch(gateway.url)
        assert.equal(response.status, 500)
        assert.match(await response.text(), /too late/)
      })
    }

    test(`upstreams: the rejection of ${kind} is the reply`, async () => {
      await using gateway = await startGateway(async app => {
        await app.register(scgi, Object.assign({ upstreams: '' }, { upstreams: given }))
      })
      const response = await fetch(gateway.url)
      assert.equal(response.status, 500)
      assert.match(await response.text(), /too late/)
    })
  }

  test('upstreams: a thenable of any library', async () => {
    await using recorder = await startRecorder()
    const upstreams = (): unknown => ({ then: (done: (address: string) => void) => done(recorder.address) })
    await using gateway = await startGateway(async app => {
      await app.register(scgi, Object.assign({ upstreams: '', allowAnyUpstream: true }, loose({ upstreams })))
    })
    const response = await fetch(gateway.url)
    assert.equal(await response.text(), 'ok')
  })

  test('a hook that answers and gives the reply is not waited for', async () => {
    await using recorder = await startRecorder()
    await using gateway = await startGateway({
      upstreams: recorder.address,
      onResponse: (_request, reply, { body }) => { reply.send(body) },
    })
    const response = await fetch(gateway.url)
    assert.equal(await response.text(), 'ok')
  })
})

describe('reply.from()', () => {
  const failures: Readonly<Record<string, () => unknown>> = { ...PROMISES, 'what is thrown': () => { throw new Error('too late') } }
  for (const [kind, given] of Object.entries(failures)) {
    for (const option of ['rewriteRequestHeaders', 'rewriteHeaders', 'onResponse', 'onError', 'upstreams']) {
      test(`${option}: ${kind} is the reply`, async () => {
        await using recorder = await startRecorder()
        const address = option === 'onError' ? 'unix:/nowhere' : recorder.address
        await using gateway = await startGateway(async app => {
          const upstreams = { upstreams: address }
          await app.register(scgi, Object.assign({ prefix: '/x', replyFrom: true }, upstreams, option === 'upstreams' ? { upstreams: given } : {}))
          app.get('/', (_request, reply) => reply.from('/there', Object.assign({}, { [option]: given })))
        })
        const response = await fetch(gateway.url)
        assert.equal(response.status, 500)
        assert.match(await response.text(), /too late|FST_SCGI_PROMISE|Internal Server Error/)
      })
    }

    for (const option of ['rewriteHeaders', 'onError']) {
      test(`${option} of the registration: ${kind} is the reply`, async () => {
        await using recorder = await startRecorder()
        await using gateway = await startGateway(async app => {
          const upstreams = option === 'onError' ? 'unix:/nowhere' : recorder.address
          await app.register(scgi, Object.assign({ prefix: '/x', replyFrom: true, upstreams }, { [option]: given }))
          app.get('/', (_request, reply) => reply.from('/there'))
        })
        const response = await fetch(gateway.url)
        assert.equal(response.status, 500)
        await response.text()
      })
    }
  }
})
