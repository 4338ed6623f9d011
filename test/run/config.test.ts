// A configuration is checked as a whole, and a mistake says its place.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { test } from 'node:test'
import { defineGateway } from '../../lib/run/index.ts'
import { printConfig, testConfig } from '../../lib/run/inspect.ts'
import { loadConfig } from '../../lib/run/load-config.ts'
import { readConfig } from '../../lib/run/read-config.ts'
import { passedBySystemd } from '../../lib/run/sockets.ts'
import { tempDir } from '../helpers/temp.ts'
import { testCertificate } from '../helpers/tls-cert.ts'
import type { GatewayConfig } from '../../types/config.ts'

const { cert, key } = testCertificate
const MOUNT = { prefix: '/', upstreams: '127.0.0.1:4000' }

const WRONG: [config: unknown, message: RegExp][] = [
  [null, /option 'config' is null/],
  [[], /option 'config' is \[\]/],
  [{ nonsense: 8080 }, /there is no option 'nonsense': a configuration has listen, workers/],
  [{ listne: 8080 }, /there is no option 'listne' \(is 'listen' meant\?\)/],
  [{ Workers: 2 }, /there is no option 'Workers' \(is 'workers' meant\?\)/],
  [{ listen: [] }, /option 'listen' is \[\]/],
  [{ listen: 65536 }, /option 'listen' is 65536, expected a port/],
  [{ listen: [8080, '8080'] }, /option 'listen\[1\]' is 127\.0\.0\.1:8080, expected another place than listen\[0\]/],
  [{ listen: '::1:80' }, /option 'listen' is "::1:80"/],
  [{ listen: [8080, { prot: 1 }] }, /there is no option 'listen\[1\]\.prot'/],
  [{ listen: { port: '8080' } }, /option 'listen\.port' is "8080"/],
  [{ listen: { port: 1, path: '/a' } }, /option 'listen\.path' cannot be used: it stands in the place of 'port'/],
  [{ listen: { path: '' } }, /option 'listen\.path' is empty/],
  [{ listen: { path: `/${'a'.repeat(200)}` } }, /at most \d+ bytes/],
  [{ listen: { path: '/a', mode: '999' } }, /option 'listen\.mode' is "999"/],
  [{ listen: { path: '/a', group: 'no such group' } }, /option 'listen\.group' is "no such group", expected a group of this system/],
  [{ listen: { port: 80, mode: 0o600 } }, /option 'listen\.mode' cannot be used/],
  [{ listen: { fd: 3, backlog: 5 } }, /option 'listen\.backlog' cannot be used/],
  [{ listen: { port: 1, backlog: 0 } }, /option 'listen\.backlog' is 0/],
  [{ listen: { port: 1, http2: 'yes' } }, /option 'listen\.http2' is "yes", expected true or false \(write true\)/],
  [{ listen: { port: 1, tls: true } }, /option 'listen\.tls' is true/],
  [{ listen: { port: 1, tls: { cert } } }, /option 'listen\.tls\.key' is missing/],
  [{ listen: { port: 1, tls: { key } } }, /option 'listen\.tls\.cert' is missing/],
  [{ listen: { port: 1, tls: { cert: '/none/such.crt', key } } }, /option 'listen\.tls\.cert' is "\/none\/such\.crt", expected a file that can be read \(ENOENT/],
  [{ listen: { port: 1, tls: { cert: key, key } } }, /option 'listen\.tls\.cert' is a text, expected PEM with a CERTIFICATE/],
  [{ listen: { port: 1, tls: { cert, key: key.replace('MIGH', 'AAAA') } } }, /option 'listen\.tls' is unusable/],
  [{ listen: { port: 1, tls: { cert, key, sni: { 'a b': { cert, key } } } } }, /option 'listen\.tls\.sni' is "a b"/],
  [{ listen: { port: 1, tls: { cert, key, sni: { 'a.b': { cert } } } } }, /option 'listen\.tls\.sni\['a\.b'\]\.key' is missing/],
  [{ listen: { port: 1, tls: { cert, key, sni: { 'a.b': { cert, key, ca: cert } } } } }, /there is no option 'listen\.tls\.sni\['a\.b'\]\.ca'/],
  [{ listen: { port: 1, tls: { cert, key, minVerion: 'TLSv1.3' } } }, /there is no option 'listen\.tls\.minVerion' \(is 'listen\.tls\.minVersion' meant\?\)/],
  [{ listen: { port: 1, tls: { cert, key, minVersion: 'TLSv9' } } }, /option 'listen\.tls\.minVersion' is "TLSv9", expected what Node\.js takes \(/],
  [{ listen: { port: 1, tls: { cert, key, ciphers: 'NOPE' } } }, /option 'listen\.tls\.ciphers' is "NOPE"/],
  [{ workers: 0 }, /option 'workers' is 0, expected 'auto'/],
  [{ workers: 'many' }, /option 'workers' is "many"/],
  [{ fastify: true }, /option 'fastify' is true/],
  [{ fastify: { trustProxi: true } }, /there is no option 'fastify\.trustProxi' \(is 'fastify\.trustProxy' meant\?\)/],
  [{ fastify: { trustProxy: 2 } }, /option 'fastify\.trustProxy' is 2, expected addresses or networks of the proxies/],
  [{ fastify: { trustProxy: '2' } }, /option 'fastify\.trustProxy' is "2"/],
  [{ fastify: { trustProxy: ['127.0.0.1', '2'] } }, /option 'fastify\.trustProxy' is /],
  [{ fastify: { https: {} } }, /option 'fastify\.https' cannot be used: TLS is said for each place/],
  [{ fastify: { logger: { transport: {} } } }, /option 'fastify\.logger\.transport' cannot be used/],
  [{ fastify: { logger: { levle: 'info' } } }, /there is no option 'fastify\.logger\.levle' \(is 'fastify\.logger\.level' meant\?\)/],
  [{ fastify: { logger: { level: 'inf' } } }, /option 'fastify\.logger\.level' is "inf", expected one of trace, debug, info/],
  [{ fastify: { http: { maxHeadersSize: 1 } } }, /there is no option 'fastify\.http\.maxHeadersSize' \(is 'fastify\.http\.maxHeaderSize' meant\?\)/],
  [{ fastify: { http: { requestTimeout: 1 } } }, /option 'fastify\.http\.requestTimeout' cannot be used: Fastify sets it: fastify\.requestTimeout/],
  [{ fastify: { routerOptions: { maxParamLenght: 1 } } }, /there is no option 'fastify\.routerOptions\.maxParamLenght' \(is 'fastify\.routerOptions\.maxParamLength' meant\?\)/],
  [{ fastify: { ajv: { customOption: {} } } }, /there is no option 'fastify\.ajv\.customOption' \(is 'fastify\.ajv\.customOptions' meant\?\)/],
  [{ mounts: {} }, /option 'mounts' is \{\}/],
  [{ mounts: [MOUNT, 5] }, /option 'mounts\[1\]' is 5/],
  [{ mounts: [MOUNT, { ...MOUNT, readTimeuot: 1 }] }, /there is no option 'mounts\[1\]\.readTimeuot' \(is 'mounts\[1\]\.readTimeout' meant\?\)/],
  [{ setup: 'a' }, /option 'setup' is "a"/],
  [{ log: { level: 'loud' } }, /option 'log\.level' is "loud"/],
  [{ log: { sumUp: '5' } }, /option 'log\.sumUp' is "5".*write 5000 or '5s'/],
  [{ accessLog: 'common' }, /option 'accessLog' is "common"/],
  [{ accessLog: { file: '' } }, /option 'accessLog\.file' is ""/],
  [{ pidFile: '' }, /option 'pidFile' is ""/],
  [{ drainTimeout: 'never' }, /option 'drainTimeout' is "never"/],
]

test('a mistake says its place', () => {
  for (const [config, message] of WRONG) assert.throws(() => readConfig(config), message, JSON.stringify(config))
})

test('what only the system knows is checked, too', async () => {
  await using dir = await tempDir()
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(typeof address === 'object' && address !== null)
  const wrong: [config: GatewayConfig, message: RegExp][] = [
    [{ listen: address.port, mounts: [MOUNT] }, /cannot listen on 127\.0\.0\.1:\d+: the address is in use/],
    [{ listen: '192.0.2.1:8080', mounts: [MOUNT] }, /cannot listen on 192\.0\.2\.1:8080: this machine has no such address/],
    [{ listen: 'unix:/none/such/a.sock' }, /cannot listen on unix:\/none\/such\/a\.sock: its directory does not exist/],
    [{ listen: 0, log: { file: '/none/such/a.log' } }, /cannot open the log file: ENOENT/],
    [{ listen: 0, mounts: [MOUNT, { ...MOUNT, prefix: '/b', readTimeout: 'soon' }] }, /option 'mounts\[1\]\.readTimeout' is "soon"/],
    [{ listen: 0, mounts: [MOUNT, { ...MOUNT, prefix: '/b', buffering: { bufferSize: '1x' } }] }, /option 'mounts\[1\]\.buffering\.bufferSize' is "1x"/],
    [{ listen: 0, pidFile: '/none/such/a.pid' }, /^pidFile: it cannot be written: ENOENT/],
    [{ listen: 0, pidFile: dir.path }, /^pidFile: it cannot be written: .* is a directory/],
    [{ mounts: [MOUNT, { ...MOUNT, prefix: '/b', sendfile: { root: ['/', '/none/such'] } }] }, /option 'mounts\[1\]\.sendfile\.root' is "\/none\/such", expected a directory that exists and can be read \(ENOENT\)/],
    [{ mounts: [{ ...MOUNT, internal: { '/files/': '/none/such' } }] }, /option 'mounts\[0\]\.internal\['\/files\/'\]' is "\/none\/such"/],
    [{ mounts: [{ ...MOUNT, buffering: { tempPath: { path: '/none/such' } } }] }, /option 'mounts\[0\]\.buffering\.tempPath' is .* can be written \(ENOENT\)/],
    [{ mounts: [{ ...MOUNT, requestBuffering: { tempPath: '/none/such' } }] }, /option 'mounts\[0\]\.requestBuffering\.tempPath' is/],
    [{ mounts: [{ ...MOUNT, store: { root: '/dev/null/a/b' } }] }, /option 'mounts\[0\]\.store\.root' is .* or made \(ENOTDIR\)/],
    [{ listen: 0, mounts: [MOUNT, MOUNT] }, /^mounts\[1\]: its path is taken already/],
    [{ listen: 0, mounts: ['no-such-host.invalid:4000'] }, /^mounts\[0\]: the name of the upstream server 'no-such-host\.invalid' does not resolve/],
    [{ listen: 0, setup: () => { throw new Error('no disk') } }, /^setup: no disk/],
    [{ listen: 0, setup: app => { app.register(async () => { throw new Error('no plugin') }) } }, /^setup: no plugin/],
    [{ listen: 0, fastify: { bodyLimit: -1 } }, /^fastify: /],
  ]
  try {
    for (const [config, message] of wrong) {
      await assert.rejects(testConfig(config), (error: Error) => {
        assert.match(error.message, message)
        return true
      })
    }
    const directories = { store: { root: dir.file('a/b') }, internal: { '/files/': dir.path }, buffering: { tempPath: dir.path } }
    assert.match(await testConfig({ listen: [0, `unix:${dir.socket()}`], mounts: [{ ...MOUNT, ...directories }] }), /is right/)
  } finally {
    taken.close()
  }
})

test('what is in force is printed, with its defaults and without its secrets', async () => {
  const printed: Record<string, unknown> = JSON.parse(await printConfig(defineGateway({
    listen: { port: 8443, tls: { cert, key }, http2: true },
    mounts: [{ prefix: '/a', upstreams: { servers: ['127.0.0.1:4000'], sticky: { cookie: { name: 'a', secret: 'hush hush hush hush' } } } }],
    setup: function plugins () {},
  })))
  assert.deepEqual(printed.listen, [{ host: '127.0.0.1', port: 8443, backlog: 4096, tls: { cert: '[hidden]', key: '[hidden]' }, http2: true }])
  assert.deepEqual([printed.setup, printed.drainTimeout, printed.log], ['[function plugins]', 3_600_000, { sumUp: 10_000 }])
  assert.ok(!JSON.stringify(printed).includes('hush'))
  const { mounts: [mount = {}] = [], fastify = {} }: { mounts?: Record<string, unknown>[], fastify?: Record<string, unknown> } = printed
  assert.deepEqual([mount.prefix, mount.readTimeout, mount.upgrade, mount.closeTimeout, fastify.bodyLimit], ['/a', '60s', true, '10s', 1_048_576])
  const { upstreams }: { upstreams?: { balance?: string, servers?: object[] } } = mount
  assert.equal(upstreams?.balance, 'round_robin')
  assert.deepEqual(upstreams?.servers?.map(server => ({ ...server })).at(0), { ...upstreams?.servers?.[0], address: '127.0.0.1:4000', maxFails: 1, failTimeout: '10s' })
})

test('files: modules, functions of modules, JSON, and what is none', async () => {
  await using dir = await tempDir()
  const config = { listen: 0, mounts: ['127.0.0.1:4000'] }
  await writeFile(dir.file('a.mjs'), `export default ${JSON.stringify(config)}`)
  await writeFile(dir.file('b.mjs'), `export default async () => (${JSON.stringify(config)})`)
  await writeFile(dir.file('c.json'), JSON.stringify(config))
  for (const name of ['a.mjs', 'b.mjs', 'c.json']) assert.deepEqual(await loadConfig(dir.file(name)), config, name)
  await writeFile(dir.file('none.mjs'), 'export const config = {}')
  await writeFile(dir.file('bad.mjs'), 'export default {')
  await writeFile(dir.file('bad.json'), '{')
  await writeFile(dir.file('shut.json'), '{}')
  await chmod(dir.file('shut.json'), 0)
  for (const [name, message] of [
    ['absent.mjs', /there is no such file/],
    ['absent.json', /there is no such file/],
    ['none.mjs', /it has no default export/],
    ['bad.mjs', /cannot load the configuration/],
    ['bad.json', /cannot load the configuration/],
  ] as const) await assert.rejects(loadConfig(dir.file(name)), message, name)
})

test("systemd's sockets, by name and all", () => {
  const env = { LISTEN_FDS: '3', LISTEN_PID: String(process.pid), LISTEN_FDNAMES: 'web:admin:web' }
  assert.deepEqual(passedBySystemd(true, env), [3, 4, 5])
  assert.deepEqual(passedBySystemd('web', env), [3, 5])
  assert.throws(() => passedBySystemd('other', env), /it has passed sockets of other names only: web, admin/)
  assert.throws(() => passedBySystemd(true, { ...env, LISTEN_PID: '1' }), /its sockets are for process 1/)
  assert.throws(() => passedBySystemd(true, {}), /it has passed no sockets/)
})
