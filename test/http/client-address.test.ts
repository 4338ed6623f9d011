// Who the client is, where a trusted proxy says it: an address, or what the connection tells.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkOf } from '../../lib/balancer/ip-hash.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { get, only, pick } from '../gateway/kit.ts'

const PEER = '127.0.0.1'
/** X-Forwarded-For, REMOTE_ADDR, REMOTE_PORT (of the peer: 'own'), what is sent as X-Forwarded-For. */
const CASES: readonly [string, string, string | undefined, string][] = [
  ['192.0.2.1', '192.0.2.1', undefined, '192.0.2.1, 127.0.0.1'],
  ['192.0.2.1:5678', '192.0.2.1', '5678', '192.0.2.1, 127.0.0.1'],
  ['[2001:db8::1]:5678', '2001:db8::1', '5678', '2001:db8::1, 127.0.0.1'],
  ['[2001:db8::1]', '2001:db8::1', undefined, '2001:db8::1, 127.0.0.1'],
  ['2001:db8::1', '2001:db8::1', undefined, '2001:db8::1, 127.0.0.1'],
  ['::ffff:192.0.2.9', '192.0.2.9', undefined, '192.0.2.9, 127.0.0.1'],
  ['[::ffff:192.0.2.9]:1', '192.0.2.9', '1', '192.0.2.9, 127.0.0.1'],
  ['127.0.0.1', '127.0.0.1', undefined, '127.0.0.1, 127.0.0.1'],
  ['192.0.2.1:5678, 198.51.100.2:99', '192.0.2.1', '5678', '192.0.2.1, 198.51.100.2, 127.0.0.1'],
  ['unknown, 198.51.100.2', '198.51.100.2', undefined, '198.51.100.2, 127.0.0.1'],
  ['192.0.2.1, unknown', '192.0.2.1', undefined, '192.0.2.1, 127.0.0.1'],
  ...['unknown', '_hidden', 'for=192.0.2.1', '192.0.2.1:99999', '192.0.2.300', '192.0.2', '::ffff:evil.test', 'fe80::1%evil', '[192.0.2.1]x', "' or 1", '""', 'a.b']
    .map((junk): [string, string, string, string] => [junk, PEER, 'own', PEER]),
]

test('X-Forwarded-For of a trusted proxy: addresses count, with or without a port, and nothing else does', async () => {
  await using recorder = await startRecorder()
  const seen: unknown[] = []
  await using gateway = await startGateway({
    upstreams: { name: 'app', servers: [recorder.address, { address: '127.0.0.1:1', down: true }], balance: { select: ({ clientAddress, servers }) => { seen.push(clientAddress); return servers[0] } } },
    params: { SEEN: request => request.scgi?.clientAddress },
  }, { trustProxy: true })
  for (const [sent, address, port, chain] of CASES) {
    await rawRequest(gateway, get('/', `X-Forwarded-For: ${sent}`))
    const request = only(recorder)
    assert.deepEqual(pick(request, 'REMOTE_ADDR', 'HTTP_X_FORWARDED_FOR', 'SEEN'), [address, chain, address], sent)
    assert.equal(seen.pop(), address)
    const own = request.param('REMOTE_PORT')
    if (port === 'own') assert.match(own ?? '', /^\d+$/, sent)
    else assert.equal(own, port, sent)
    assert.notDeepEqual(networkOf(address), [0, 0, 0], sent)
  }
})

test('X-Forwarded-Proto and -Host of a trusted proxy: what is no scheme and no host is passed over', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address }, { trustProxy: true })
  for (const [proto, host, ...expected] of [
    ['https', 'real.test:1', 'https', 'on', 'real.test:1', 'real.test'],
    ['HTTPS', 'Real.Test', 'https', 'on', 'real.test', 'real.test'],
    ['javascript', 'a b', 'http', undefined, 'gateway.test', 'gateway.test'],
    ['https://', 'evil.test/path', 'http', undefined, 'gateway.test', 'gateway.test'],
    ['on', '<script>', 'http', undefined, 'gateway.test', 'gateway.test'],
  ] as const) {
    const { statusCode } = await rawRequest(gateway, get('/', `X-Forwarded-Proto: ${proto}`, `X-Forwarded-Host: ${host}`))
    assert.equal(statusCode, 200, host)
    assert.deepEqual(pick(only(recorder), 'REQUEST_SCHEME', 'HTTPS', 'HTTP_HOST', 'SERVER_NAME'), expected, host)
  }
})
