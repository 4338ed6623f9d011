import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ServerGroup } from '../../lib/group/server-group.ts'
import { readSpawn } from '../../lib/spawn/options.ts'

test('what is not said has its default', () => {
  assert.deepEqual(readSpawn('spawn', { command: 'app' }), {
    command: 'app',
    args: [],
    cwd: undefined,
    env: {},
    user: undefined,
    group: undefined,
    socket: 'stdin',
    min: 1,
    max: 1,
    idleTimeout: 60_000,
    delay: 100,
    maxDelay: 30_000,
    readyTimeout: 30_000,
    stopSignal: 'SIGTERM',
    stopTimeout: 5000,
  })
})

test('all at once', () => {
  assert.deepEqual(readSpawn('spawn', {
    command: './app',
    args: ['--at={socket}', '{port}'],
    cwd: '/srv',
    env: { A: 'a', B: undefined },
    user: 'www-data',
    group: 33,
    socket: 'port',
    processes: { min: 2, max: 8, idleTimeout: '10s' },
    restart: { delay: '1s', maxDelay: '1m' },
    readyTimeout: '5s',
    stop: { signal: 'SIGINT', timeout: 0 },
  }), {
    command: './app',
    args: ['--at={socket}', '{port}'],
    cwd: '/srv',
    env: { A: 'a', B: null },
    user: 'www-data',
    group: 33,
    socket: 'port',
    min: 2,
    max: 8,
    idleTimeout: 10_000,
    delay: 1000,
    maxDelay: 60_000,
    readyTimeout: 5000,
    stopSignal: 'SIGINT',
    stopTimeout: 0,
  })
  assert.deepEqual([readSpawn('spawn', { command: 'a', processes: 3 })].map(({ min, max }) => [min, max]), [[3, 3]])
})

/** By the path of the option below `spawn`: values that are refused. */
const WRONG: Record<string, readonly unknown[]> = {
  '': [null, 'perl app.pl', true, [], 5],
  command: [undefined, '', 5, null, ['perl'], 'a\0b'],
  args: ['app.pl', null, {}],
  'args[0]': [[5], [null], ['a\0b']],
  cwd: ['', 5, null],
  env: ['A=a', [], null, { 'A=B': 'a' }, { '': 'a' }],
  'env.A': [{ A: 5 }, { A: null }, { A: 'a\0b' }],
  user: ['', -1, 1.5, null, 'a b', 'a:b', {}],
  group: ['', -1, 1.5, null, 'a b', {}],
  socket: ['unix', true, null, ''],
  processes: [0, -1, 1.5, 1001, '2', null, []],
  'processes.max': [{}, { max: 0 }, { min: 3, max: 2 }, { max: 1001 }, { max: '3' }],
  'processes.min': [{ min: 0, max: 2 }, { min: '1', max: 2 }],
  'processes.idleTimeout': [{ max: 2, idleTimeout: 0 }, { max: 2, idleTimeout: 'x' }],
  'processes.maximum': [{ max: 2, maximum: 2 }],
  restart: [false, 5, 'on', null],
  'restart.delay': [{ delay: 0 }, { delay: '5' }],
  'restart.maxDelay': [{ maxDelay: 'x' }, { delay: '1m', maxDelay: '1s' }],
  'restart.times': [{ times: 3 }],
  readyTimeout: [0, 'x', null],
  stop: [false, 'SIGTERM', null],
  'stop.signal': [{ signal: 'TERM' }, { signal: 15 }, { signal: 'toString' }],
  'stop.timeout': [{ timeout: -1 }, { timeout: '5' }],
  shell: [true],
}

test('what is wrong is refused by its name', () => {
  for (const [path, values] of Object.entries(WRONG)) {
    for (const value of values) {
      const [name = ''] = path.split(/[.[]/)
      const spawn = name === '' ? value : { command: 'app', [name]: value }
      const option = path === '' ? 'upstreams[0].spawn' : `upstreams[0].spawn.${path}`
      assert.throws(() => Reflect.construct(ServerGroup, [{ servers: [{ spawn }] }]), (error: unknown) => {
        assert.ok(error instanceof Error && 'code' in error)
        assert.match(String(error.code), /^FST_SCGI_OPT_(?:INVALID|UNKNOWN)$/)
        assert.ok(error.message.includes(`'${option}'`), `${option}: ${error.message}`)
        return true
      }, JSON.stringify(value))
    }
  }
})

test('what cannot stand together is refused', () => {
  const spawn = { command: 'app' }
  for (const [server, option] of [
    [{ spawn, address: '127.0.0.1:4000' }, 'address'],
    [{ spawn, resolve: true }, 'resolve'],
    [{ spawn, service: 'http' }, 'service'],
    [{ spawn, tls: {} }, 'tls'],
    [{ spawn: { command: 'app', args: ['{socket}'] } }, 'spawn.args[0]'],
    [{ spawn: { command: 'app', args: ['a', '{port}'], socket: 'path' } }, 'spawn.args[1]'],
    [{ spawn: { ...spawn, readyTimeout: '5s' } }, 'spawn.readyTimeout'],
    [{ spawn: { ...spawn, socket: 'stdin', readyTimeout: '30s' } }, 'spawn.readyTimeout'],
  ] as const) {
    assert.throws(() => Reflect.construct(ServerGroup, [{ servers: [server] }]), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error)
      assert.equal(error.code, 'FST_SCGI_OPT_UNSUPPORTED')
      assert.ok(error.message.includes(`'upstreams[0].${option}'`), `${option}: ${error.message}`)
      return true
    })
  }
})
