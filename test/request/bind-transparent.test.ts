// Connections to the servers that come from addresses of others. They need a network of their own, in which such an address leads back here.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missingNetwork } from '../helpers/network.ts'
import { missingPackage } from '../helpers/packages.ts'
import { tempDir } from '../helpers/temp.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

const IN_NETWORK = `
ip link set lo up
for v in -4 -6; do ip $v rule add lookup 100; done
ip route add local 203.0.113.0/24 dev lo table 100
ip -6 route add local 2001:db8::/32 dev lo table 100
exec "$@"
`
const CHILD = fileURLToPath(new URL('bind-transparent-child.ts', import.meta.url))
const NODE = [process.execPath, ...TYPESCRIPT]
const refused = '500 {"statusCode":500,"code":"FST_SCGI_LOCAL","error":"Internal Server Error","message":"Internal Server Error"}'
const unreachable = '502 {"statusCode":502,"code":"FST_SCGI_CONNECT","error":"Bad Gateway","message":"Bad Gateway"}'
/** Two addresses in turn, each of which has its own connection. */
const kept = ['200 203.0.113.7 #1', '200 203.0.113.8 #1', '200 203.0.113.7 #2', '200 203.0.113.8 #2']
const otherFamily = [
  "Cannot open a socket to 127.0.0.1:PORT: bind EINVAL 2001:db8::PORT (the server's address is of the other family)", '1 attempts', '0 reached a server',
]

/** What the servers saw, or the client got; a number is that of the request on its connection. */
const EXPECTED: Readonly<Record<string, unknown>> = {
  'without transparent': [refused],
  'an address': ['200 203.0.113.7 #1', '200 203.0.113.7 #1'],
  'an address and a port': ['200 203.0.113.7 #1'],
  IPv6: ['200 2001:db8::7 #1'],
  'an IPv4 address in IPv6 form': ['200 203.0.113.7 #1'],
  'transparent: false': ['200 127.0.0.9 #1'],
  'the client': ['200 127.0.0.1 #1', '200 203.0.113.20 #1', '200 203.0.113.21 #1'],
  'kept connections': kept,
  'preconnected ones': ['200 203.0.113.7 #1', '200 203.0.113.8 #1', '200 203.0.113.7 #1', '200 203.0.113.8 #1'],
  'kept, with and without transparent': ['200 127.0.0.9 #1', '200 127.0.0.9 #1', '200 127.0.0.9 #2', '200 127.0.0.9 #2'],
  HTTP: kept,
  HTTPS: kept,
  'the next server': ['200 203.0.113.7 #1', '200 203.0.113.7 #1'],
  'a path': [unreachable],
  'a client': '203.0.113.7 #1',
  'a dispatcher': '203.0.113.7 #1',
  'fails: the other family': otherFamily,
  'fails: HTTP, the other family': otherFamily,
  'fails: HTTPS, refused': ['connect() to 127.0.0.1:PORT failed: ECONNREFUSED, nobody listens there: is the application running?', '1 attempts', '0 reached a server'],
  'fails: preconnected': otherFamily,
  'fails: taken': ['Cannot open a socket to 127.0.0.1:PORT: bind EADDRINUSE 127.0.0.9', '1 attempts', '0 reached a server'],
  'descriptors left': 0,
}

describe('in a network of its own', { skip: missingPackage('iproute2', '/usr/sbin/ip') || missingNetwork() }, () => {
  let seen: Record<string, unknown> = {}
  before(() => {
    const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-euc', IN_NETWORK, 'sh', ...NODE, CHILD], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    seen = JSON.parse(stdout)
  })

  for (const [what, expected] of Object.entries(EXPECTED)) {
    test(what, () => assert.deepEqual(seen[what], expected))
  }

  test('that is all', () => assert.deepEqual(Object.keys(seen), Object.keys(EXPECTED)))
})

describe('where something is missing', async () => {
  const dir = await tempDir()
  after(() => dir.remove())
  const noPackage = dir.file('no-package.cjs')
  writeFileSync(noPackage, `
    const Module = require('node:module')
    const resolve = Module._resolveFilename
    Module._resolveFilename = function (name, ...rest) {
      if (name === 'koffi') throw Object.assign(new Error('no koffi'), { code: 'MODULE_NOT_FOUND' })
      return resolve.call(this, name, ...rest)
    }`)
  const noLinux = dir.file('no-linux.cjs')
  writeFileSync(noLinux, "Object.defineProperty(process, 'platform', { value: 'darwin' })")
  const withoutRights = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-net_raw,-net_admin'] : []

  const cases: Readonly<Record<string, { command: string[], reason: string, skip?: string | false }>> = {
    'the package': { command: [...NODE, '--require', noPackage], reason: "the package 'koffi' is not installed: npm install koffi" },
    Linux: { command: [...NODE, '--require', noLinux], reason: 'it needs Linux, and this is darwin' },
    'the right': {
      command: [...withoutRights, ...NODE],
      reason: 'setsockopt EPERM IP_TRANSPARENT: this process has neither CAP_NET_RAW nor CAP_NET_ADMIN, one of which it needs',
      skip: process.platform !== 'linux' && 'this is not Linux',
    },
  }

  for (const [what, { command: [command = '', ...args], reason, skip = false }] of Object.entries(cases)) {
    test(what, { skip }, () => {
      const child = fileURLToPath(new URL('bind-refused-child.ts', import.meta.url))
      const { status, stdout, stderr } = spawnSync(command, [...args, child], { encoding: 'utf8' })
      assert.equal(status, 0, stderr)
      const error = `FST_SCGI_OPT_UNSUPPORTED fastify-scgi: option 'bind.transparent' cannot be used: ${reason}`
      assert.deepEqual(JSON.parse(stdout), {
        register: error,
        'reply.scgi()': error,
        ScgiDispatcher: error,
        ScgiClient: error,
        'transparent: false': 'taken',
        // What a function gives is known with the request, which has no attempt more than that one.
        'a function': ['500 1 attempts', `Cannot open a socket to 127.0.0.1:1: ${reason}`],
      })
    })
  }
})
