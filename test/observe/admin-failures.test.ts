// What the operator is told where something fails.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { tempDir } from '../helpers/temp.ts'
import { Backends, startAdmin } from './admin-kit.ts'
import type { CacheStore } from '../../types/index.ts'

test('an edit that cannot be kept is in force, and says so', async () => {
  await using dir = await tempDir()
  await using backends = await Backends.start(2)
  await using gateway = await startAdmin(backends.addresses, { state: `${dir.path}/none/state.json` })
  const path = `/groups/app/servers/${encodeURIComponent(backends.addresses[0] ?? '')}`
  const answer = await gateway.api('PATCH', path, { body: { weight: 4 }, ifMatch: '*' })
  assert.deepEqual([answer.status, answer.body.code], [500, 'FST_SCGI_ADMIN_STATE'])
  assert.match(answer.body.message, /^The edit is in effect, but could not be saved in '.*state\.json': ENOENT/)
  assert.equal((await gateway.api('GET', path)).body.settings.weight, 4)
})

test('what fails is told to the operator, though not to clients', async () => {
  await using backends = await Backends.start(1)
  const store: CacheStore = { get: () => undefined, createWriteStream: () => undefined, delete: () => { throw new Error('the disk is gone') } }
  await using gateway = await startAdmin(backends.addresses, {}, app => {
    app.register(scgi, { prefix: '/own', upstreams: 'balancer://app', cache: { zone: createCache({ name: 'own', store }) } })
  })
  for (const [method, path, body, code, message] of [
    ['POST', '/caches/own/purge', { key: 'a' }, 'FST_SCGI_CACHE_PURGE', /the disk is gone/],
    ['POST', '/caches/own/purge', { tag: 'a' }, 'FST_SCGI_CACHE_PURGE', /the store cannot list its keys/],
    ['GET', '/caches/own/entries', undefined, 'FST_SCGI_CACHE_LIST', /cannot be listed/],
    ['GET', '/caches/own/ages', undefined, 'FST_SCGI_CACHE_LIST', /cannot be listed/],
  ] as const) {
    const answer = await gateway.api(method, path, { body })
    assert.deepEqual([answer.status, answer.body.statusCode, answer.body.code], [500, 500, code])
    assert.match(answer.body.message, message)
    assert.ok(gateway.log.some(({ level, msg }) => level === 50 && message.test(msg)), 'the log has it, too')
  }
})
