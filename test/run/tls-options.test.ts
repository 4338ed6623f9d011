// The options of `listen.tls`: each has an effect, for the server's own name and for those with a certificate of their own, or is refused.
import assert from 'node:assert/strict'
import { constants } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import tls from 'node:tls'
import { readFastify } from '../../lib/run/read-fastify.ts'
import { readTls } from '../../lib/run/read-tls.ts'
import { serverOf } from '../../lib/run/servers.ts'
import { otherCertificate, partialChain, testCertificate } from '../helpers/tls-cert.ts'

const { cert, key } = testCertificate
const NAMES = ['localhost', 'example.org']

async function start (options: object, http2: boolean): Promise<{ port: number } & AsyncDisposable> {
  const settings = readTls('listen.tls', { cert, key, sni: { 'example.org': { cert, key } }, ...options })
  const server = serverOf({ place: { host: '127.0.0.1', port: 0, backlog: 5 }, tls: settings, http2 }, (_request, response) => { response.end('ok') }, {})
  // Of a client whose handshake fails.
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert(typeof address === 'object' && address !== null)
  return {
    port: address.port,
    async [Symbol.asyncDispose] () {
      server.close()
      await once(server, 'close')
    },
  }
}

interface Seen {
  readonly protocol: string | null
  readonly cipher: string
  readonly reused: boolean
  readonly session: Buffer | undefined
}

/** What a client has agreed on that got a reply; `undefined` if it got none. */
async function ask (port: number, servername: string, options: tls.ConnectionOptions): Promise<Seen | undefined> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false, ...options })
  let text = ''
  let session: Buffer | undefined
  let seen: Omit<Seen, 'session'> | undefined
  socket.setEncoding('latin1').on('data', (piece: string) => { text += piece })
  socket.on('session', (given: Buffer) => { session = given }).on('error', () => {})
  socket.once('secureConnect', () => {
    seen = { protocol: socket.getProtocol(), cipher: socket.getCipher().name, reused: socket.isSessionReused() }
  })
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await new Promise(resolve => socket.once('close', resolve))
  return text.startsWith('HTTP/1.1 200') && seen !== undefined ? { ...seen, session } : undefined
}

const AES = 'ECDHE-ECDSA-AES128-GCM-SHA256'
const CHACHA = 'ECDHE-ECDSA-CHACHA20-POLY1305'
const OLD = { maxVersion: 'TLSv1.2' } as const
const psk = Buffer.from('d731ef57be09e5204f0b205b60627028', 'hex')
const isServed = (seen: Seen | undefined): boolean => seen !== undefined
const clientCertificate = { cert: partialChain.cert, key: partialChain.key }

/** What a client sees without the options, and with them. */
const EFFECTS: Record<string, [
  options: object, client: tls.ConnectionOptions, see: (seen: Seen | undefined) => unknown, without: unknown, expected: unknown
]> = {
  maxVersion: [OLD, {}, seen => seen?.protocol, 'TLSv1.3', 'TLSv1.2'],
  minVersion: [{ minVersion: 'TLSv1.3' }, OLD, isServed, true, false],
  secureProtocol: [{ secureProtocol: 'TLSv1_2_method' }, {}, seen => seen?.protocol, 'TLSv1.3', 'TLSv1.2'],
  secureOptions: [{ secureOptions: constants.SSL_OP_NO_TLSv1_3 }, {}, seen => seen?.protocol, 'TLSv1.3', 'TLSv1.2'],
  ciphers: [{ ciphers: CHACHA }, { ...OLD, ciphers: `${AES}:${CHACHA}` }, seen => seen?.cipher, AES, CHACHA],
  honorCipherOrder: [
    { honorCipherOrder: false }, { ...OLD, ciphers: `${CHACHA}:${AES}` }, seen => seen?.cipher, AES, CHACHA,
  ],
  ecdhCurve: [{ ecdhCurve: 'secp384r1' }, { ecdhCurve: 'prime256v1' }, isServed, true, false],
  sigalgs: [{ sigalgs: 'ecdsa_secp384r1_sha384' }, { sigalgs: 'ecdsa_secp256r1_sha256' }, isServed, true, false],
  'requestCert, rejectUnauthorized': [{ requestCert: true }, {}, isServed, true, false],
  'rejectUnauthorized: false': [{ requestCert: true, rejectUnauthorized: false }, {}, isServed, true, true],
  'ca without the root': [{ requestCert: true, ca: partialChain.ca }, clientCertificate, isServed, true, false],
  allowPartialTrustChain: [
    { requestCert: true, ca: partialChain.ca, allowPartialTrustChain: true }, clientCertificate, isServed, true, true,
  ],
  'allowPartialTrustChain: nobody else': [
    { requestCert: true, ca: partialChain.ca, allowPartialTrustChain: true }, otherCertificate, isServed, true, false,
  ],
  ALPNCallback: [{ ALPNCallback: () => undefined }, { ALPNProtocols: ['http/1.1'] }, isServed, true, false],
  pskCallback: [
    { pskCallback: () => psk, pskIdentityHint: 'hint', ciphers: 'PSK+HIGH', ...OLD },
    { pskCallback: () => ({ psk, identity: 'me' }), ciphers: 'PSK+HIGH', checkServerIdentity: () => undefined, ...OLD }, isServed, false, true,
  ],
}

for (const [name, [options, client, see, without, expected]] of Object.entries(EFFECTS)) {
  test(`${name} has its effect`, { timeout: 60_000 }, async () => {
    for (const http2 of [false, true]) {
      for (const [given, result] of [[{}, without], [options, expected]] as const) {
        await using server = await start(given, http2)
        for (const servername of NAMES) {
          assert.deepEqual(see(await ask(server.port, servername, client)), result, `${servername} ${JSON.stringify(given)} http2 ${http2}`)
        }
      }
    }
  })
}

test('ticketKeys: a session of one process is one of another', { timeout: 60_000 }, async () => {
  for (const [options, reused] of [[{ ticketKeys: Buffer.alloc(48, 7), sessionIdContext: 'gateway' }, true], [{}, false]] as const) {
    await using one = await start(options, false)
    await using other = await start(options, false)
    for (const servername of NAMES) {
      const session = (await ask(one.port, servername, OLD))?.session
      assert(session)
      assert.equal((await ask(other.port, servername, { ...OLD, session }))?.reused, reused, servername)
    }
  }
})

test('handshakeTimeout: a client that does not begin is cut off', { timeout: 60_000 }, async () => {
  await using server = await start({ handshakeTimeout: 20 }, false)
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'close')
})

const secureContext = tls.createSecureContext(otherCertificate)
const WRONG: [options: object, code: string, message: RegExp][] = [
  [{ secureContext }, 'UNSUPPORTED', /'listen\.tls\.secureContext' cannot be used: .*give 'cert', 'key'/],
  [{ highWaterMark: 1024 }, 'UNSUPPORTED', /highWaterMark/],
  [{ pauseOnConnect: true }, 'UNSUPPORTED', /pauseOnConnect/],
  [{ allowHalfOpen: true }, 'UNSUPPORTED', /allowHalfOpen/],
  [{ clientCertEngine: 'pkcs11' }, 'UNSUPPORTED', /it is for clients/],
  [{ privateKeyEngine: 'pkcs11' }, 'UNSUPPORTED', /give the key/],
  [{ privateKeyIdentifier: 'k', privateKeyEngine: 'pkcs11' }, 'UNSUPPORTED', /give the key/],
  [{ SNICallback: () => {} }, 'UNSUPPORTED', /'sni'/],
  [{ ALPNProtocols: ['h2'] }, 'UNSUPPORTED', /'http2'/],
  ...['allowPartialTrustChain', 'enableTrace', 'honorCipherOrder', 'keepAlive', 'noDelay', 'rejectUnauthorized', 'requestCert'].flatMap(
    (name): [object, string, RegExp][] => ['on', 1, 0, null].map(value => [{ [name]: value }, 'INVALID', new RegExp(`tls\\.${name}' is .*true or false`)])),
  ...['handshakeTimeout', 'keepAliveInitialDelay', 'sessionTimeout'].flatMap(
    (name): [object, string, RegExp][] => ['10s', 0, -1, NaN].filter(value => name !== 'keepAliveInitialDelay' || value !== 0).map(
      value => [{ [name]: value }, 'INVALID', new RegExp(`tls\\.${name}' is .*a number from`)])),
  // Longer than a timer, or the system, can count.
  ...['handshakeTimeout', 'keepAliveInitialDelay', 'sessionTimeout'].flatMap(
    (name): [object, string, RegExp][] => [Infinity, 2 ** 31].map(value => [{ [name]: value }, 'INVALID', new RegExp(`tls\\.${name}' is .*a number from`)])),
  [{ keepAliveInitialDelay: 32_767_001 }, 'INVALID', /from 0 to 32767000/],
  [{ ALPNCallback: 'h2' }, 'INVALID', /ALPNCallback' is "h2", expected a function/],
  [{ pskCallback: 'x' }, 'INVALID', /pskCallback/],
  [{ pskIdentityHint: 5 }, 'INVALID', /pskIdentityHint/],
  [{ ticketKeys: Buffer.alloc(5) }, 'INVALID', /ticketKeys/],
  [{ sessionTimeout: 1.5 }, 'INVALID', /sessionTimeout/],
]

test('what has no effect, or not the one that is meant, is refused', () => {
  for (const [options, code, message] of WRONG) {
    assert.throws(() => readTls('listen.tls', { cert, key, ...options }), { code: `FST_SCGI_OPT_${code}`, message }, Object.keys(options).join())
  }
})

test('keepAliveInitialDelay is rounded up to seconds, also where Fastify takes it: what is less is not the delay of the system', () => {
  for (const [given, read] of [[1, 1000], [500, 1000], [1000, 1000], [1001, 2000], [32_767_000, 32_767_000]] as const) {
    assert.equal(readTls('listen.tls', { cert, key, keepAlive: true, keepAliveInitialDelay: given })?.keepAliveInitialDelay, read)
    assert.deepEqual(readFastify({ http: { keepAliveInitialDelay: given } }), { http: { keepAliveInitialDelay: read } })
  }
  assert.deepEqual(readFastify({ http: { keepAliveInitialDelay: 0 } }), { http: { keepAliveInitialDelay: 0 } })
  assert.equal(readTls('listen.tls', { cert, key, keepAliveInitialDelay: 0 })?.keepAliveInitialDelay, 0)
  for (const keepAliveInitialDelay of ['1s', -1, NaN, Infinity, 32_767_001, null]) {
    assert.throws(() => readFastify({ http: { keepAliveInitialDelay } }), { code: 'FST_SCGI_OPT_INVALID', message: /fastify\.http\.keepAliveInitialDelay/ })
  }
})
