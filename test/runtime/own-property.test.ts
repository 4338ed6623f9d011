// Names that objects have of their own, chosen by a client or an application.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normaliseHeaders, selectVariant, variantKey } from '../../lib/cache/vary.ts'
import { entryKey } from '../../lib/cache/stores/key.ts'
import { varyMatches } from '../../lib/cache/stores/vary.ts'
import { HeadParser } from '../../lib/scgi/head.ts'
import { setOwn } from '../../lib/runtime/own-property.ts'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { headerValues } from '../helpers/http-response.ts'
import { startLiar } from '../connections/kit.ts'
import type { FastifyInstance } from 'fastify'
import type { RequestHeaders } from '../../types/index.ts'

const NAMES = ['__proto__', 'constructor', 'prototype', '__defineGetter__', ...Object.getOwnPropertyNames(Object.prototype)]

/** Functions that make an object of names which they are given. */
const MAPS: readonly [what: string, make: (names: Record<string, string>) => object][] = [
  ['setOwn', names => {
    const map: Record<string, string> = {}
    for (const [name, value] of Object.entries(names)) setOwn(map, name, value)
    return map
  }],
  ['selectVariant', names => selectVariant(Object.keys(names), names)],
  ['normaliseHeaders', normaliseHeaders],
  ['entryKey', names => entryKey('', 'GET', '/', names).headers ?? {}],
  ['HeadParser', names => {
    const bytes = Buffer.from(Object.entries(names).map(([name, value]) => `${name}: ${value}\r\n`).join('') + '\r\n')
    const parser = new HeadParser(65_536)
    parser.write(bytes, 0, bytes.length)
    return parser.head?.headers ?? {}
  }],
]

for (const [what, make] of MAPS) {
  test(`a name is a name: ${what}`, () => {
    for (const name of NAMES) {
      const given: Record<string, string> = {}
      Object.defineProperty(given, name, { value: 'x', enumerable: true })
      const made = make(given)
      assert.deepEqual(Object.keys(made), [what === 'HeadParser' ? name.toLowerCase() : name])
      assert.equal(Object.getOwnPropertyDescriptor(made, what === 'HeadParser' ? name.toLowerCase() : name)?.value, 'x')
    }
  })
}

test('Vary that names what every object has finds nothing', () => {
  for (const name of NAMES) {
    assert.equal(variantKey('k', [name], {}), `k\0${name}`)
    assert.equal(Object.getOwnPropertyDescriptor(selectVariant([name], {}), name)?.value, null)
    assert.equal(varyMatches(selectVariant([name], {}), {}), true)
  }
})

test('headers of such names go from the client to the application and back, and harm nothing', async () => {
  const lines = NAMES.map(name => `${name}: 1\r\n${name}: 2\r\n`).join('')
  await using recorder = await startRecorder({ answer: `Status: 200 OK\r\nContent-Type: a/b\r\n${lines}\r\nok` })
  await using gateway = await startGateway({ upstreams: recorder.address, underscoresInHeaders: true })
  const response = await rawRequest(gateway, `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines}\r\n`)
  assert.equal(response.statusCode, 200)
  assert.equal(response.body.toString(), 'ok')
  for (const name of new Set(NAMES.map(name => name.toLowerCase()))) {
    if (name !== '__proto__') assert.ok(headerValues(response, name).every(value => value === '1' || value === '2') && headerValues(response, name).length > 0, name)
  }
  // No name of an element of a list has become a header's.
  assert.deepEqual(response.headers.filter(([name]) => /^\d+$/.test(name)), [])
})

for (const [what, rewriteRequestHeaders] of [['as they came', undefined], ['through a hook', (_request: unknown, headers: RequestHeaders) => ({ ...headers })]] as const) {
  test(`the application gets headers of such names, ${what}: SCGI and HTTP`, async () => {
    const names = [...new Set(NAMES)]
    await using recorder = await startRecorder()
    await using http = await startLiar((socket, all) => { if (all.endsWith('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') })
    await using gateway = await startGateway((app: FastifyInstance) => {
      const options = { underscoresInHeaders: true, ...(rewriteRequestHeaders && { rewriteRequestHeaders }) }
      app.register(scgi, { prefix: '/scgi', upstreams: recorder.address, ...options })
      app.register(scgi, { prefix: '/http', upstreams: http.url, ...options })
    })
    for (const name of names) {
      const lines = `${name}: 1\r\n${name}: 2\r\n`
      recorder.clear()
      for (const path of ['/scgi/', '/http/']) await rawRequest(gateway, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines}\r\n`)
      const [request] = recorder.requests
      assert.deepEqual(request?.params.filter(([param]) => param === `HTTP_${name.toUpperCase()}`), [[`HTTP_${name.toUpperCase()}`, '1, 2']])
      const sent = http.received.at(-1)?.split('\r\n').filter(line => line.toLowerCase().startsWith(`${name.toLowerCase()}:`)).map(line => line.replace(/^.*: */, '')).join(', ')
      assert.equal(sent, '1, 2', name)
    }
  })
}
