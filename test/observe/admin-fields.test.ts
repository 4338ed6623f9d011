// Every field that can be edited over the API: in force, in the ETag, refused where somebody else was faster, and there again at the next start.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Backends, startAdmin } from './admin-kit.ts'
import { tempDir } from '../helpers/temp.ts'

const SERVER: [name: string, value: unknown, shown: unknown][] = [
  ['weight', 5, 5], ['maxConns', 7, 7], ['maxFails', 0, 0], ['failTimeout', '1m', 60_000], ['slowStart', '2s', 2000], ['retry', 500, 500],
  ['retry', null, null], ['backup', true, true], ['backup', false, false], ['lbset', 3, 3], ['spare', true, true], ['spare', false, false],
  ['standby', true, true], ['route', 'r', 'r'], ['redirect', 'q', 'q'], ['drain', true, true], ['down', true, true], ['keepalive', 4, 4], ['preconnect', 1, 1],
]
const GROUP: [changes: object, option: string, shown: unknown][] = [
  [{ balance: { leastTime: 'header' } }, 'balance', { leastTime: 'header' }],
  // The name of the method stays the same.
  [{ balance: { leastTime: 'lastByte' } }, 'balance', { leastTime: 'lastByte' }],
  [{ balance: { leastTime: 'lastByte', inflight: true } }, 'balance', { leastTime: 'lastByte', inflight: true }],
  [{ queue: { size: 3 } }, 'queue', { size: 3 }],
  [{ queue: { timeout: '4s' } }, 'queue', { size: 3, timeout: '4s' }],
  [{ sticky: { apache: { cookie: 'sid' } } }, 'sticky', { apache: { cookie: 'sid' } }],
  [{ sticky: { failover: false } }, 'sticky', { apache: { cookie: 'sid' }, failover: false }],
  [{ sticky: { cookie: { name: 'a', secret: 'a key of some length' } } }, 'sticky', { failover: false, cookie: { name: 'a' } }],
  // A secret is in the ETag, and nowhere else.
  [{ sticky: { cookie: { secret: 'another key of some length' } } }, 'sticky', { failover: false, cookie: { name: 'a' } }],
  [{ sticky: null }, 'sticky', null],
  [{ tries: 2 }, 'tries', 2],
  [{ failOnStatus: [500] }, 'failOnStatus', [500]],
  [{ forceRecovery: true }, 'forceRecovery', true],
  [{ health: { type: 'scgi', path: '/ok', interval: '1h' } }, 'health', { type: 'scgi', path: '/ok', interval: '1h' }],
  [{ health: { method: 'HEAD' } }, 'health', { type: 'scgi', path: '/ok', interval: '1h', method: 'HEAD' }],
  [{ health: { passes: 2, fails: 3 } }, 'health', { type: 'scgi', path: '/ok', interval: '1h', method: 'HEAD', passes: 2, fails: 3 }],
  [{ health: { expect: { status: '2xx', body: 'fine' } } }, 'health',
    { type: 'scgi', path: '/ok', interval: '1h', method: 'HEAD', passes: 2, fails: 3, expect: { status: '2xx', body: 'fine' } }],
]

test('each field of a server and of a group', async () => {
  await using directory = await tempDir()
  const state = join(directory.path, 'state.json')
  await using backends = await Backends.start(2)
  const [address = ''] = backends.addresses
  let group: { options: object, servers: { settings: object }[] }
  {
    await using gateway = await startAdmin(backends.addresses, { state })
    const edit = async (path: string, changes: object): Promise<ReturnType<typeof JSON.parse>> => {
      const { etag = '' } = await gateway.api('GET', path)
      const whole = await gateway.api('GET', '/groups/app')
      const done = await gateway.api('PATCH', path, { body: changes, ifMatch: etag })
      assert.equal(done.status, 200, JSON.stringify([changes, done.body]))
      assert.notEqual(done.etag, etag, JSON.stringify(changes))
      assert.notEqual((await gateway.api('GET', '/groups/app')).etag, whole.etag)
      assert.equal((await gateway.api('PATCH', path, { body: changes, ifMatch: etag })).status, 412)
      return done.body
    }
    for (const [name, value, shown] of SERVER) {
      const path = `/groups/app/servers/${address}`
      // What is so already is no edit.
      if (value === null || value === false) assert.notEqual((await gateway.api('GET', path)).body.settings[name], value)
      assert.deepEqual((await edit(path, { [name]: value })).settings[name], shown, name)
    }
    for (const [changes, option, shown] of GROUP) {
      assert.deepEqual((await edit('/groups/app', changes)).options[option], shown, JSON.stringify(changes))
      const last = gateway.log.findLast(({ operator }) => operator !== undefined)
      assert.match(last?.msg ?? '', new RegExp(`edits app: (?:.*${option}|nothing changes)`))
      assert.equal(JSON.stringify(last).includes('key of some length'), false)
    }
    group = (await gateway.api('GET', '/groups/app')).body
  }
  {
    await using gateway = await startAdmin(backends.addresses, { state })
    const { body } = await gateway.api('GET', '/groups/app')
    assert.deepEqual(body.options, group.options)
    assert.deepEqual(body.servers.map(({ settings }: { settings: object }) => settings), group.servers.map(({ settings }) => settings))
  }
})
