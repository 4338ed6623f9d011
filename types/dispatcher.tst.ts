import type { Readable } from 'node:stream'
import { expect, test } from 'tstyche'
import { fetch, interceptors, request, setGlobalDispatcher, type Dispatcher } from 'undici'
import { createUpstreams, ScgiDispatcher, type DispatchContext, type ScgiDispatcherOptions } from '../lib/dispatcher/index.ts'
import { ScgiClient, type ScgiClientResponse } from '../lib/index.ts'

test('a dispatcher is one of undici', () => {
  const dispatcher = new ScgiDispatcher('127.0.0.1:4000')
  expect(dispatcher).type.toBeAssignableTo<Dispatcher>()
  expect(setGlobalDispatcher).type.toBeCallableWith(dispatcher)
  expect(request).type.toBeCallableWith('http://app/', { dispatcher })
  expect(fetch).type.toBeCallableWith('http://app/', { dispatcher })
  expect(dispatcher.compose(interceptors.retry())).type.toBe<Dispatcher.ComposedDispatcher>()
  expect(dispatcher.close()).type.toBe<Promise<void>>()
  expect(dispatcher.destroy()).type.toBe<Promise<void>>()
  expect<DispatchContext>().type.toHaveProperty('attempts')
})

test('every form of upstreams', () => {
  expect(ScgiDispatcher).type.toBeConstructableWith(['127.0.0.1:4000', { address: 'unix:/run/app.sock', weight: 2 }])
  expect(ScgiDispatcher).type.toBeConstructableWith({ name: 'app', servers: ['127.0.0.1:4000'] })
  expect(ScgiDispatcher).type.toBeConstructableWith(createUpstreams(['127.0.0.1:4000']))
  expect(ScgiDispatcher).type.toBeConstructableWith(async () => createUpstreams(['127.0.0.1:4000']))
  expect(ScgiDispatcher).type.not.toBeConstructableWith(4000)
  expect(ScgiDispatcher).type.not.toBeConstructableWith(() => '127.0.0.1:4000')
})

test('options', () => {
  const options: ScgiDispatcherOptions = {
    params: {
      X: '1',
      Y: ({ path }) => path,
      Z: { value: ({ origin }) => String(origin), ifNotEmpty: true },
    },
    bind: ({ path }) => path === '/x' && '127.0.0.2',
    nextUpstream: ['error', 'http_503'],
  }
  expect(ScgiDispatcher).type.toBeConstructableWith('127.0.0.1:4000', options)
  expect<{ readTimeOut: 1 }>().type.not.toBeAssignableTo<ScgiDispatcherOptions>()
  expect<{ forwarded: 'set' }>().type.not.toBeAssignableTo<ScgiDispatcherOptions>()
})

test('the client', () => {
  const client = new ScgiClient('127.0.0.1:4000', { keepalive: 2, readTimeout: '5s' })
  expect(client.request({ params: { PATH_INFO: '/' }, signal: new AbortController().signal })).type.toBe<Promise<ScgiClientResponse>>()
  expect(client.request({ params: [['PATH_INFO', '/']], body: Buffer.from('x') })).type.toBe<Promise<ScgiClientResponse>>()
  expect<ScgiClientResponse['body']>().type.toBe<Readable>()
  expect(client.close()).type.toBe<Promise<void>>()
  expect(ScgiClient).type.not.toBeConstructableWith('127.0.0.1:4000', { timeout: 1 })
})
