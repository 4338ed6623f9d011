// The option `upstreams` in all its forms, as registrations and requests meet it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createUpstreams } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { get, only } from './kit.ts'
import type { RawResponse } from '../helpers/http-response.ts'
import type { Upstreams } from '../../types/index.ts'

function code (response: RawResponse): unknown {
  return JSON.parse(response.body.toString()).code
}

test('addresses: host and port, localhost, IPv6, scgi://, unix sockets, Apache style', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ listen: ['tcp', { host: '::1' }, { path: dir.socket('s') }] })
  const [four = '', six = '', unix = ''] = recorder.addresses
  const port = four.split(':')[1]
  for (const [address, at] of [
    [four, four], [`localhost:${port}`, four], [`scgi://${four}`, four], [six, six], [`scgi://${six}/`, six], [unix, unix], [`${unix}|scgi://any/`, unix],
  ] as const) {
    for (const form of [address, [address], [{ address }], { servers: [address] }] as const) {
      await using gateway = await startGateway({ upstreams: typeof form === 'string' ? form : 'servers' in form ? { servers: [...form.servers] } : [...form] })
      // localhost may stand for ::1 too, where nobody listens on this port.
      assert.equal((await rawRequest(gateway, get('/'))).statusCode, 200, address)
      assert.equal(only(recorder).address, at)
    }
  }
})

test('a name that does not resolve rejects the registration', async () => {
  for (const upstreams of ['no-such-host.invalid:4000', ['127.0.0.1:1', 'no-such-host.invalid'], createUpstreams(['no-such-host.invalid'])]) {
    const app = Fastify()
    app.register(scgi, { upstreams })
    await assert.rejects(async () => { await app.ready() }, { code: 'FST_SCGI_RESOLVE', message: /no-such-host\.invalid/ })
    await app.close()
  }
})

test('functions: names, addresses, groups, promises of them; what is not configured is refused', async () => {
  await using recorder = await startRecorder()
  await using other = await startRecorder()
  const shared = createUpstreams({ name: 'shared', servers: [recorder.address] })
  const choices: Record<string, () => unknown> = {
    name: () => 'group',
    upper: () => 'GROUP',
    balancer: () => 'balancer://group',
    address: () => recorder.address,
    shared: () => shared,
    promise: () => Promise.resolve(recorder.address),
    'promised-group': () => Promise.resolve(shared),
    unknown: () => other.address,
    nothing: () => undefined,
    empty: () => '',
    number: () => 5,
    promised: () => Promise.resolve(undefined),
    throws: () => { throw Object.assign(new Error('chosen'), { statusCode: 418 }) },
    rejects: () => Promise.reject(Object.assign(new Error('chosen'), { statusCode: 418 })),
    'throws-nothing': () => { throw undefined }, // eslint-disable-line no-throw-literal
  }
  const choose = (request: { url: string }): unknown => choices[request.url.split('/')[2] ?? '']?.()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/group', upstreams: { name: 'group', servers: [recorder.address] } })
    // JavaScript gives what it likes.
    Reflect.apply(app.register, app, [scgi, { prefix: '/by', upstreams: choose }])
    Reflect.apply(app.register, app, [scgi, { prefix: '/any', upstreams: choose, allowAnyUpstream: true }])
  })
  for (const choice of ['name', 'upper', 'balancer', 'address', 'shared', 'promise', 'promised-group']) {
    assert.equal((await rawRequest(gateway, get(`/by/${choice}`))).statusCode, 200, choice)
    only(recorder)
  }
  for (const choice of ['unknown', 'nothing', 'empty', 'number', 'promised']) {
    const response = await rawRequest(gateway, get(`/by/${choice}`))
    assert.deepEqual([response.statusCode, code(response)], [500, 'FST_SCGI_UPSTREAM_NOT_ALLOWED'], choice)
    if (choice === 'unknown') continue
    assert.equal(code(await rawRequest(gateway, get(`/any/${choice}`))), 'FST_SCGI_UPSTREAM_NOT_ALLOWED', choice)
  }
  for (const choice of ['throws', 'rejects']) assert.equal((await rawRequest(gateway, get(`/by/${choice}`))).statusCode, 418)
  assert.equal((await rawRequest(gateway, get('/by/throws-nothing'))).statusCode, 500)
  assert.equal(other.accepted, 0)
  assert.equal((await rawRequest(gateway, get('/any/unknown'))).statusCode, 200)
  assert.equal(other.accepted, 1)
})

test('allowAnyUpstream: what is no address, or does not resolve, is an error of the request only', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: request => decodeURIComponent(request.url.slice(1)), allowAnyUpstream: true })
  for (const [address, expected] of [['a b', /^FST_SCGI_/], ['no-such-host.invalid:1', /^FST_SCGI_RESOLVE$/], ['127.0.0.1:0', /^FST_SCGI_/]] as const) {
    for (let i = 0; i < 2; i++) assert.match(String(code(await rawRequest(gateway, get(`/${encodeURIComponent(address)}`)))), expected)
  }
  assert.equal((await rawRequest(gateway, get(`/${recorder.address}`))).statusCode, 200)
})

test('balancer:// of a group that is registered before; mounts that share a group share what it knows', async () => {
  const refused = await refusedAddress()
  await using recorder = await startRecorder()
  const shared = createUpstreams({ name: 'shared', servers: [refused, recorder.address] })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/a', upstreams: shared })
    app.register(scgi, { prefix: '/b', upstreams: shared })
    app.register(scgi, { prefix: '/c', upstreams: 'balancer://shared' })
  })
  for (const path of ['/a/', '/b/', '/c/', '/a/']) assert.equal((await rawRequest(gateway, get(path))).statusCode, 200)
  assert.deepEqual(shared.servers.map(({ fails, active }) => [fails, active]), [[1, 0], [0, 0]])
  assert.equal(gateway.app.scgi.groups.get('shared'), shared)
})

test('registered twice, in a child scope, in siblings; one name for two groups is refused', async () => {
  await using recorder = await startRecorder()
  const register = (prefix: string, upstreams: Upstreams = recorder.address) => ({ prefix, upstreams })
  await using gateway = await startGateway(app => {
    app.register(scgi, register('/one'))
    app.register(scgi, register('/two'))
    app.register(async scope => {
      scope.register(scgi, register('/three'))
      scope.register(async inner => { inner.register(scgi, register('/four')) }, { prefix: '/deep' })
    })
  })
  await using siblings = await startGateway(app => {
    app.register(async scope => { scope.register(scgi, register('/one')) })
    app.register(async scope => { scope.register(scgi, register('/two')) })
    app.get('/plain', async request => String(Reflect.get(request, 'scgi')))
  })
  for (const [at, path] of [[gateway, '/one/'], [gateway, '/two/'], [gateway, '/three/'], [gateway, '/deep/four/'], [siblings, '/one/'], [siblings, '/two/']] as const) {
    assert.equal((await rawRequest(at, get(path))).statusCode, 200, path)
  }
  assert.equal((await rawRequest(siblings, get('/plain'))).body.toString(), 'undefined')

  const app = Fastify()
  app.register(scgi, register('/one', { name: 'same', servers: [recorder.address] }))
  app.register(scgi, register('/two', { name: 'same', servers: [recorder.address] }))
  await assert.rejects(async () => { await app.ready() }, { code: /^FST_SCGI_OPT_/, message: /same/ })
  await app.close()
})
