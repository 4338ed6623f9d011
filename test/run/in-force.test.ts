// --print shows every option of the table that has a default, at every depth.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRecord } from '../../lib/options/checks.ts'
import { BALANCE, GROUP, SERVER } from '../../lib/options/table/group.ts'
import { REGISTER } from '../../lib/options/table/plugin.ts'
import { mountInForce } from '../../lib/run/in-force.ts'
import type { GatewayMount } from '../../types/config.ts'
import type { Row, Rows } from '../../lib/options/row.ts'

/** All objects of options, each without any. */
function objects (rows: Rows): Record<string, unknown> {
  return Object.fromEntries(Object.entries(rows).flatMap(([name, row]) => row.rows === undefined ? [] : [[name, objects(row.rows)]]))
}

/** The paths of the options that have a default, with it. */
function defaults (rows: Rows, at: string, inside: (row: Row) => boolean): [path: string, value: unknown][] {
  return Object.entries(rows).flatMap(([name, row]) => [
    ...row.default === undefined || row.rows !== undefined ? [] : [[`${at}${name}`, row.default] satisfies [string, unknown]],
    ...row.rows === undefined || !inside(row) ? [] : defaults(row.rows, `${at}${name}.`, inside),
  ])
}

function at (value: unknown, path: string): unknown {
  return path.split('.').reduce((inner: unknown, name) => isRecord(inner) ? inner[name] : undefined, value)
}

/** As a user may have written it: whether it is complete is for others to say. */
function isMount (value: unknown): value is GatewayMount {
  return isRecord(value) && 'upstreams' in value
}

function inForce (mount: unknown): { mount: unknown, group: unknown, server: unknown } {
  assert.ok(isMount(mount))
  const shown = mountInForce(mount)
  const group = at(shown, 'upstreams')
  const servers = at(group, 'servers')
  return { mount: shown, group, server: Array.isArray(servers) ? servers[0] : undefined }
}

const everything = { ...objects(REGISTER), upstreams: { ...objects(GROUP), servers: [objects(SERVER)] } }

describe('every option with a default is shown', () => {
  const shown = inForce(everything)
  for (const [owner, rows, least] of [['mount', REGISTER, 40], ['group', GROUP, 20], ['server', SERVER, 15]] as const) {
    test(`those of the ${owner}, with all of its objects`, () => {
      const wanted = defaults(rows, '', () => true)
      assert.ok(wanted.length >= least, `${owner} has only ${wanted.length} of them`)
      for (const [path, value] of wanted) assert.deepEqual(at(shown[owner], path), value, `${owner}: ${path}`)
    })
  }

  test('of objects that nobody has given those that hold without', () => {
    const holds = ({ default: value, otherwise }: Row): boolean => otherwise === '' || (value !== undefined && value !== false)
    for (const upstreams of ['127.0.0.1:4000', ['127.0.0.1:4000'], { servers: ['127.0.0.1:4000'] }, { servers: [{ address: '127.0.0.1:4000' }] }]) {
      const bare = inForce({ upstreams })
      for (const [owner, rows] of [['mount', REGISTER], ['group', GROUP], ['server', SERVER]] as const) {
        for (const [path, value] of defaults(rows, '', holds)) assert.deepEqual(at(bare[owner], path), value, `${owner}: ${path}`)
      }
      // What is off is said to be off, or nothing is said.
      assert.deepEqual([at(bare.mount, 'cache'), at(bare.group, 'health'), at(bare.server, 'spawn')], [false, undefined, undefined])
    }
  })
})

test('a value that is short for an object is shown as the object', () => {
  const mount = {
    nextUpstream: ['timeout'],
    bind: '127.0.0.2',
    socketKeepalive: true,
    buffering: { tempPath: '/tmp/a' },
    upstreams: {
      balance: { random: 'two' },
      health: [{ type: 'scgi' }, {}],
      servers: [{ spawn: { command: 'app', processes: 2 } }],
    },
  }
  const shown = inForce(mount)
  for (const [owner, path, value] of [
    ['mount', 'nextUpstream', { on: ['timeout'], tries: 0, timeout: 0, wait: 0, interval: '250ms' }],
    ['mount', 'bind', { address: '127.0.0.2', transparent: false }],
    ['mount', 'socketKeepalive', { initialDelay: 0 }],
    ['mount', 'buffering.tempPath', { path: '/tmp/a' }],
    ['group', 'balance', { random: 'two', inflight: BALANCE.random.inflight.default }],
    ['server', 'spawn.processes', { min: 2, max: 2, idleTimeout: '60s' }],
    ['server', 'spawn.restart', { delay: '100ms' }],
    ['server', 'spawn.stop', { signal: 'SIGTERM', timeout: '5s' }],
  ] as const) assert.deepEqual(at(shown[owner], path), value, path)
  const health = at(shown.group, 'health')
  assert.ok(Array.isArray(health))
  assert.deepEqual(health.map((check: unknown) => [at(check, 'type'), at(check, 'interval')]), [['scgi', '5s'], ['connect', '5s']])
})

test('what is turned off stays so, and what is made elsewhere is as it was', () => {
  const choose = (): string => 'balancer://a'
  for (const upstreams of ['balancer://a', choose]) assert.equal(inForce({ upstreams }).group, upstreams)
  const shown = inForce({ nextUpstream: false, buffering: false, requestBuffering: false, upstreams: '127.0.0.1:4000' })
  assert.deepEqual(['nextUpstream', 'buffering', 'requestBuffering'].map(name => at(shown.mount, name)), [false, false, false])
})
