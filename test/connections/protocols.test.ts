// What servers are spoken to in: one value for each protocol, in one table.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import net from 'node:net'
import { test, type TestContext } from 'node:test'
import Fastify from 'fastify'
import plugin from '../../lib/index.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_READ, upstreamError } from '../../lib/errors.ts'
import { literalAddress, parseAddress } from '../../lib/connections/address.ts'
import { http, https } from '../../lib/connections/http/protocol.ts'
import { PROTOCOLS, protocolOf } from '../../lib/connections/protocols.ts'
import { scgi } from '../../lib/connections/scgi/protocol.ts'
import { checkFor, readHealth, requireCheck } from '../../lib/group/health-options.ts'
import { readServer } from '../../lib/group/group-options.ts'
import type { Endpoint, EndpointOptions, Protocol } from '../../lib/connections/protocol.ts'
import type { ExchangeControl, ExchangeHandler, ExchangeRequest, ServerAddress } from '../../lib/index.ts'

const OPTIONS: EndpointOptions = { keepalive: 0, preconnect: 0 }

test('the protocol of an address is that of its scheme', () => {
  const rows: [string, Protocol, number][] = [
    ['127.0.0.1', scgi, 4000], ['scgi://127.0.0.1', scgi, 4000], ['unix:/a', scgi, 0], ['http://127.0.0.1', http, 80], ['https://127.0.0.1', https, 443],
  ]
  for (const [text, protocol, port] of rows) {
    const address = literalAddress(parseAddress('address', text, true))
    assert.equal(protocolOf(address), protocol, text)
    assert.equal(address.port, port, text)
    const endpoint = protocol.connect(address, OPTIONS)
    assert.equal(endpoint.protocol, protocol, text)
    assert.equal(endpoint.address, address)
  }
  assert.equal(protocolOf({}), scgi)
})

test('a request is encoded in the form of the protocol', () => {
  const asked: string[] = []
  const request = {
    encode () {
      asked.push('scgi')
      return Buffer.from('head')
    },
    encodeHttp () {
      asked.push('http')
      return { path: '/', host: 'a', headers: [] }
    },
  }
  for (const [protocol, text, form] of [[scgi, '127.0.0.1:1', 'scgi'], [http, 'http://127.0.0.1:1', 'http'], [https, 'https://127.0.0.1:1', 'http']] as const) {
    const encoded = protocol.encode(request, protocol.connect(literalAddress(parseAddress('address', text, true)), OPTIONS))
    assert.deepEqual(asked.splice(0), [form])
    assert.equal(encoded.http !== undefined, form === 'http')
    assert.equal(encoded.head.length > 0, form === 'scgi')
  }
})

/** Answers a request with what a server says to its head until it closes. */
class LineEndpoint implements Endpoint {
  readonly protocol = line
  readonly keepalive = false
  readonly address: ServerAddress

  constructor (address: ServerAddress) {
    this.address = address
  }

  get name (): string {
    return this.address.name
  }

  get pathPrefix (): string {
    return this.address.pathPrefix
  }

  exchange (request: ExchangeRequest, handler: ExchangeHandler): ExchangeControl {
    return new LineExchange(this.address, request, handler)
  }

  closeIdle (): void {}
}

class LineExchange implements ExchangeControl {
  readonly #address: ServerAddress
  readonly #request: ExchangeRequest
  readonly #handler: ExchangeHandler
  #socket: net.Socket | undefined
  readonly reused = false
  bytesSent = 0
  bytesReceived = 0
  bodyReceived = 0

  constructor (address: ServerAddress, request: ExchangeRequest, handler: ExchangeHandler) {
    this.#address = address
    this.#request = request
    this.#handler = handler
  }

  start (): void {
    const socket = this.#socket = net.connect(this.#address.port, this.#address.host ?? '')
    socket.on('connect', () => {
      this.#handler.onConnect()
      socket.write(this.#request.head)
      this.bytesSent = this.#request.head.length
      this.#handler.onHead({
        statusCode: 200, statusMessage: '', headers: { 'content-type': 'text/plain' }, rawHeaders: [], contentLength: -1, chunked: false, nph: false,
      })
    })
    socket.on('data', chunk => {
      this.bytesReceived += chunk.length
      this.bodyReceived += chunk.length
      this.#handler.onData(chunk)
    })
    socket.on('end', () => this.#handler.onEnd())
    socket.on('error', error => this.#handler.onError(upstreamError(new FST_SCGI_READ(this.#address.name, error.message), this.#address.name, 'error', 'body', error)))
  }

  pause (): void { this.#socket?.pause() }
  resume (): void { this.#socket?.resume() }
  abort (): void { this.#socket?.removeAllListeners().on('error', () => {}).destroy() }
}

/** A protocol that nobody knows: the path in a line, and whatever comes is the body. */
const line: Protocol = {
  ...scgi,
  name: 'line',
  defaultPort: 79,
  form: "an address: 'line://host[:port]'",
  unix: false,
  keepalive: 7,
  noPreconnect: 'a line is short',
  probe: { type: 'line', option: 'params', head: (_address, { path }) => ({ head: Buffer.from(`${path}\n`) }) },
  parse (option, text, path) {
    if (path !== '') throw new FST_SCGI_OPT_INVALID(option, text, 'no path')
    return ''
  },
  encode: (request, endpoint) => ({ head: Buffer.from(`${/\0PATH_INFO\0([^\0]*)/.exec(request.encode(endpoint).toString('latin1'))?.[1] ?? ''}\n`) }),
  connect: address => new LineEndpoint(address),
}

async function lineServer (t: TestContext): Promise<string> {
  const server = net.createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', chunk => socket.end(`you asked for ${chunk.toString()}`))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  return `line://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

test('another protocol is one row of the table: addresses, options, checks and requests know it', async t => {
  assert.throws(() => parseAddress('upstreams', 'line://a', true), { message: /the schemes are scgi:\/\/, http:\/\/ and https:\/\// })
  PROTOCOLS.set(line.name, line)
  t.after(() => PROTOCOLS.delete(line.name))
  assert.throws(() => parseAddress('upstreams', 'none://a', true), { message: /the schemes are scgi:\/\/, http:\/\/, https:\/\/ and line:\/\// })
  assert.equal(parseAddress('upstreams', 'LINE://127.0.0.1', true).port, 79)
  assert.throws(() => parseAddress('upstreams', 'line://127.0.0.1/a', true), { message: /no path/ })
  assert.throws(() => parseAddress('upstreams', 'line://127.0.0.1:x', true), { message: /line:\/\/host\[:port\]/ })
  assert.throws(() => parseAddress('upstreams', 'unix:/a|line://x', true), { code: 'FST_SCGI_OPT_INVALID' })
  const server = readServer('line://127.0.0.1:1', 'server')
  assert.equal(server.keepalive, 7)
  assert.throws(() => readServer({ address: 'line://127.0.0.1:1', preconnect: 1 }, 'server'), { code: 'FST_SCGI_OPT_UNSUPPORTED', message: /a line is short/ })
  const checks = readHealth('health', [{ type: 'scgi' }, { type: 'line', params: { A: 'b' } }])
  assert.equal(checkFor(checks, line), checks[1])
  requireCheck(checks, server.address, 'health', server.given)
  assert.throws(() => readHealth('health', { type: 'line', headers: {} }), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
  assert.throws(() => readHealth('health', { type: 'none' }), { message: /'connect', 'scgi', 'http' or 'line'/ })

  const address = await lineServer(t)
  const [check] = readHealth('health', { type: 'line', path: '/health', expect: { body: 'for /health' } })
  const endpoint = line.connect(literalAddress(parseAddress('address', address, true)), OPTIONS)
  assert.equal(await new Promise(resolve => check?.probe(endpoint, resolve)), undefined)

  const app = Fastify()
  t.after(() => app.close())
  await app.register(plugin, { prefix: '/app', upstreams: ['127.0.0.1:1', address], nextUpstream: ['error'] })
  for (let i = 0; i < 4; i++) {
    const reply = await app.inject('/app/page')
    assert.equal(reply.statusCode, 200)
    assert.equal(reply.body, 'you asked for /page\n')
  }
})

test('nobody outside the room of connections asks which protocol it is', async () => {
  const files = (await readdir(new URL('../../lib/', import.meta.url), { recursive: true })).filter(file => /^(?:attempts|group|exchange|dispatcher)\/.*\.ts$/.test(file))
  assert.ok(files.length > 30)
  for (const file of files) {
    const text = await readFile(new URL(`../../lib/${file}`, import.meta.url), 'utf8')
    assert.doesNotMatch(text, /\bprotocol(?:\.name)? [!=]==? '(?:scgi|https?)'|instanceof (?:Scgi|Http)\w+|case 'scgi'/, file)
  }
})
