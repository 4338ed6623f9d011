// The ways to a 101, and what ends a tunnel.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import accel from '../../lib/accel/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { SWITCH, ask, connect, startPeer } from '../helpers/upgrades.ts'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Peer } from '../helpers/upgrades.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const SIZE = 20 * 2 ** 20

async function turns (): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await new Promise(resolve => setImmediate(resolve))
}

async function until (check: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(10_000)
  while (!check()) {
    signal.throwIfAborted()
    await new Promise(resolve => setImmediate(resolve))
  }
}

function first (peers: readonly Peer[]): Peer {
  const [peer] = peers
  assert.ok(peer)
  return peer
}

test('a client that writes faster than the server reads is not read', async () => {
  await using peer = await startPeer(({ socket }) => {
    socket.pause()
    socket.write(SWITCH)
  })
  await using gateway = await startGateway({ upstreams: peer.address })
  using client = await connect(gateway)
  client.socket.write(ask())
  await client.until(/\r\n\r\n$/)
  client.socket.write(Buffer.alloc(SIZE, 'x'))
  let before = -1
  while (before !== client.socket.bytesWritten - client.socket.writableLength) {
    before = client.socket.bytesWritten - client.socket.writableLength
    await turns()
  }
  assert.ok(client.socket.writableLength > SIZE / 4, String(client.socket.writableLength))
  const app = first(peer.peers)
  app.socket.resume()
  client.socket.end()
  await once(app.socket, 'end', { signal: AbortSignal.timeout(10_000) })
  assert.equal(app.received.length, SIZE)
  app.socket.end()
})

// Who takes nothing, and the option that ends it.
const SLOW: Record<string, { options: Partial<FastifyScgiOptions>, message: RegExp, server: (peer: Peer) => void, bytes: number }> = {
  'a server that takes nothing, sendTimeout': {
    options: { sendTimeout: 80 },
    message: /sendTimeout/,
    server: ({ socket }) => socket.pause(),
    bytes: SIZE,
  },
  'a server that takes nothing and says nothing, sendTimeout without readTimeout': {
    options: { sendTimeout: 80, readTimeout: 0 },
    message: /sendTimeout/,
    server: ({ socket }) => socket.pause(),
    bytes: SIZE,
  },
  'a client that takes nothing, clientSendTimeout': {
    options: { clientSendTimeout: 80 },
    message: /client timed out/,
    server: ({ socket }) => { socket.write(Buffer.alloc(SIZE, 'x')) },
    bytes: 0,
  },
}
for (const [what, { options, message, server, bytes }] of Object.entries(SLOW)) {
  test(`time limits of a tunnel: ${what}`, async () => {
    await using peer = await startPeer(connection => {
      connection.socket.write(SWITCH)
      server(connection)
    })
    await using gateway = await startGateway({ upstreams: peer.address, ...options })
    using client = await connect(gateway)
    client.socket.write(ask())
    await client.until(/\r\n\r\n/)
    client.socket.pause()
    if (bytes > 0) client.socket.write(Buffer.alloc(bytes, 'x'))
    await until(() => gateway.log.some(({ msg }) => message.test(msg)))
    client.socket.on('end', () => client.socket.destroy())
    client.socket.resume()
    await once(client.socket, 'close', { signal: AbortSignal.timeout(10_000) })
  })
}

test('reply.scgi(), a named location, X-Accel-Redirect and error pages lead to a 101', async () => {
  await using peer = await startPeer(({ socket, params }) => {
    const path = params.get('REQUEST_URI') ?? ''
    const upgrade = params.get('HTTP_UPGRADE')
    if (params.get('SCRIPT_NAME') !== '/app' && upgrade === undefined) socket.end('Status: 200 OK\r\n\r\nplain')
    else if (params.get('SCRIPT_NAME') !== '/app') socket.write(`${SWITCH}${upgrade}`)
    else if (path === '/app/redirect') socket.end('Status: 200 OK\r\nX-Accel-Redirect: /ws/\r\n\r\n')
    else if (path === '/app/location') socket.end('Status: 200 OK\r\nX-Accel-Redirect: @ws\r\n\r\n')
    else socket.end(`Status: ${path === '/app/named' ? 404 : path === '/app/kept' ? 410 : 503} Oh\r\n\r\n`)
  })
  await using gateway = await startGateway((app: FastifyInstance) => {
    app.register(scgi, { prefix: '/ws', upstreams: peer.address })
    app.register(scgi, { prefix: '/app', upstreams: peer.address, interceptErrors: true, errorPages: { 404: { to: '@ws', status: 'target' }, 503: { to: '/ws/', status: 'target' }, 410: '/ws/' } })
    app.get('/reply', (_request, reply) => reply.scgi({ upstreams: peer.address }))
    app.after(() => app.scgi.location('@ws', (_request, reply) => reply.scgi({ upstreams: peer.address })))
  })
  for (const target of ['/reply', '/app/redirect', '/app/location', '/app/named', '/app/error']) {
    using client = await connect(gateway)
    client.socket.write(ask(target))
    await client.until(/\r\n\r\necho$/)
    assert.match(client.received(), /^HTTP\/1\.1 101 /, target)
    const app = peer.peers.at(-1)
    assert.ok(app)
    client.socket.write('ping')
    await app.until(/^ping$/)
    const over = once(client.socket, 'end')
    app.socket.end('bye')
    await over
    assert.match(client.received(), /bye$/)
  }
  // A page that keeps the status of the error cannot say 101.
  const kept = await rawRequest(gateway, ask('/app/kept'))
  assert.deepEqual([kept.statusCode, kept.body.toString()], [410, 'plain'])
})

test('a 101 has what hooks have set, the cookie of a sticky group, and what rewriteHeaders makes of it; not what is hidden', async () => {
  await using peer = await startPeer(({ socket }) => {
    socket.end('Status: 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\nX-Accel-Expires: 5\r\nX-Hide: 1\r\nX-App: 1\r\nSet-Cookie: a=b\r\n\r\n')
  })
  const seen: string[] = []
  await using gateway = await startGateway((app: FastifyInstance) => {
    app.addHook('onRequest', async (_request, reply) => { reply.header('x-hook', 'yes') })
    app.addHook('onSend', async () => { seen.push('onSend') })
    app.addHook('onResponse', async (_request, reply) => { seen.push(`onResponse ${reply.raw.statusCode}`) })
    app.register(accel, { trust: () => true })
    app.register(scgi, {
      upstreams: { name: 'g', servers: [peer.address], sticky: { cookie: { name: 'srv', secret: 'sixteen bytes or more' } } },
      hideHeaders: ['X-Hide'],
      rewriteHeaders: headers => ({ ...headers, 'x-rewritten': String(headers['x-app']) }),
    })
  })
  using client = await connect(gateway)
  client.socket.write(ask())
  await once(client.socket, 'end', { signal: AbortSignal.timeout(10_000) })
  const lines = client.received().toLowerCase().split('\r\n')
  for (const line of ['http/1.1 101 switching protocols', 'upgrade: echo', 'connection: upgrade', 'x-hook: yes', 'x-rewritten: 1', 'x-app: 1', 'set-cookie: a=b']) {
    assert.equal(lines.filter(one => one === line).length, 1, line)
  }
  assert.equal(lines.filter(line => line.startsWith('set-cookie: srv=')).length, 1)
  assert.deepEqual(lines.filter(line => /^(x-accel|x-hide|content-length|transfer-encoding)/.test(line)), [])
  await until(() => seen.length > 0 && gateway.log.some(({ msg }) => msg === 'request completed'))
  assert.deepEqual(seen, ['onResponse 101'])
})

test('rewriteRequestHeaders says what is asked for', async () => {
  await using peer = await startPeer(({ socket, params }) => {
    socket.end(`Status: 200 OK\r\n\r\n${[...params.entries()].filter(([name]) => /^HTTP_(?:UPGRADE|CONNECTION|X)$/.test(name)).map(pair => pair.join('=')).join(' ')}`)
  })
  const hooks: Record<string, [FastifyScgiOptions['rewriteRequestHeaders'], Partial<FastifyScgiOptions>, string]> = {
    none: [undefined, {}, 'HTTP_UPGRADE=echo HTTP_CONNECTION=Upgrade'],
    same: [(_request, headers) => headers, {}, 'HTTP_UPGRADE=echo HTTP_CONNECTION=Upgrade'],
    copy: [(_request, headers) => ({ ...headers, x: '1' }), {}, 'HTTP_UPGRADE=echo HTTP_CONNECTION=Upgrade HTTP_X=1'],
    own: [(_request, headers) => ({ ...headers, upgrade: 'other' }), {}, 'HTTP_UPGRADE=other HTTP_CONNECTION=Upgrade'],
    cased: [(_request, headers) => ({ ...headers, Upgrade: 'other', Connection: 'close' }), {}, 'HTTP_UPGRADE=other HTTP_CONNECTION=Upgrade'],
    left: [(_request, { upgrade, ...headers }) => headers, {}, ''],
    new: [() => ({ x: '1' }), {}, 'HTTP_X=1'],
    hidden: [undefined, { params: { HTTP_UPGRADE: '' } }, ''],
    param: [undefined, { params: { HTTP_UPGRADE: 'fixed' } }, 'HTTP_UPGRADE=fixed HTTP_CONNECTION=Upgrade'],
    both: [(_request, headers) => ({ ...headers, upgrade: 'other' }), { params: { HTTP_UPGRADE: 'fixed' } }, 'HTTP_UPGRADE=fixed HTTP_CONNECTION=Upgrade'],
    nothing: [undefined, { passRequestHeaders: false }, ''],
    off: [(_request, headers) => ({ ...headers, upgrade: 'other' }), { upgrade: false }, ''],
  }
  await using gateway = await startGateway((app: FastifyInstance) => {
    for (const [name, [rewriteRequestHeaders, options]] of Object.entries(hooks)) {
      app.register(scgi, { prefix: `/${name}`, upstreams: peer.address, ...(rewriteRequestHeaders && { rewriteRequestHeaders }), ...options })
    }
  })
  for (const [name, [, , expected]] of Object.entries(hooks)) {
    const { body } = await rawRequest(gateway, ask(`/${name}/`, 'Connection: close\r\n'))
    assert.equal(body.toString(), expected, name)
  }
})

test('an upgrade that was not asked of the server is not given to the client', async () => {
  await using peer = await startPeer(({ socket }) => socket.end(`${SWITCH}Status: 200 OK\r\nContent-Length: 2\r\n\r\nno`))
  await using gateway = await startGateway({ upstreams: peer.address, rewriteRequestHeaders: () => ({}) })
  const { statusCode, body } = await rawRequest(gateway, ask())
  assert.deepEqual([statusCode, body.toString()], [200, 'no'])
})

test('both servers that Fastify makes for localhost carry upgrades', async () => {
  await using peer = await startPeer(({ socket, params }) => {
    if (params.has('HTTP_UPGRADE')) socket.write(`${SWITCH}first`)
    else socket.end('Status: 200 OK\r\n\r\nplain')
  })
  const app = Fastify()
  await app.register(scgi, { upstreams: peer.address })
  await app.listen({ port: 0, host: 'localhost' })
  try {
    for (const place of app.addresses()) {
      assert.ok(typeof place === 'object')
      const { address, port } = place
      using client = await connect({ port, host: address })
      client.socket.write(ask())
      await client.until(/first$/)
      // And plain requests on the same server.
      const plain = await rawRequest({ port, host: address }, 'POST / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nab')
      assert.deepEqual([plain.statusCode, plain.body.toString()], [200, 'plain'])
    }
  } finally {
    for (const { socket } of peer.peers) socket.destroy()
    await app.close()
  }
})

// How a tunnel ends; a request is completed with each of them, once.
interface Ending {
  options?: Partial<FastifyScgiOptions>
  end (client: Socket, peer: Peer, close: () => Promise<void>): unknown
}

const ENDS: Record<string, Ending> = {
  'the server ends it': { end: (_client, { socket }) => socket.end() },
  'the server resets it': { end: (_client, { socket }) => socket.resetAndDestroy() },
  'the client ends it, and then the server': {
    end: (client, { socket }) => {
      socket.on('end', () => socket.end())
      client.end()
    },
  },
  'the client leaves': {
    end: (client, { socket }) => {
      socket.on('end', () => socket.end())
      client.destroy()
    },
  },
  'the client resets it': { end: client => client.resetAndDestroy() },
  'it is silent': { options: { readTimeout: 50 }, end: () => {} },
  'the application closes': { options: { closeTimeout: 50 }, end: (_client, _peer, close) => close() },
}
for (const [what, { options = {}, end }] of Object.entries(ENDS)) {
  test(`onResponse and the log tell of a tunnel once: ${what}`, async () => {
    await using peer = await startPeer(({ socket }) => { socket.write(SWITCH) })
    const done = new EventEmitter()
    const responses: string[] = []
    const closes: number[] = []
    await using gateway = await startGateway((app: FastifyInstance) => {
      app.addHook('onRequest', async (_request, reply) => { reply.raw.once('close', () => closes.push(reply.raw.statusCode)) })
      app.addHook('onResponse', async (request, reply) => {
        responses.push(`${reply.statusCode} ${request.scgi?.upstreamStatus}`)
        setImmediate(() => done.emit('response'))
      })
      app.register(scgi, { upstreams: peer.address, ...options })
    })
    using client = await connect(gateway)
    const completed = once(done, 'response', { signal: AbortSignal.timeout(10_000) })
    client.socket.write(ask())
    await client.until(/\r\n\r\n$/)
    assert.deepEqual(responses, [])
    const { socket } = client
    await end(socket, first(peer.peers), () => gateway.close())
    await completed
    await turns()
    assert.deepEqual([responses, closes], [['101 101'], [101]])
    assert.equal(gateway.log.filter(({ msg }) => msg === 'request completed').length, 1)
  })
}
