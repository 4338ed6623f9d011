import assert from 'node:assert/strict'
import test from 'node:test'
import { Group } from '../../lib/balancer/group.ts'
import { GroupRegistry } from '../../lib/balancer/registry.ts'

const named = (name: string): Group<null> => new Group({ name, peers: [{ name: '127.0.0.1:4000', target: null }] })

test('groups are found by name, in upper and in lower case', () => {
  const registry = new GroupRegistry<Group<null>>()
  const app = named('App')
  registry.add(app)
  assert.equal(registry.get('App'), app)
  assert.equal(registry.get('aPP'), app)
  assert.equal(registry.has('APP'), true)
  assert.equal(registry.get('other'), undefined)
  assert.equal(registry.has('other'), false)
  assert.equal(registry.size, 1)
})

test('groups are listed in the order in which they were added', () => {
  const registry = new GroupRegistry<Group<null>>()
  const groups = ['z', 'a', 'M'].map(named)
  for (const group of groups) registry.add(group)
  assert.deepEqual([...registry], groups)
  assert.deepEqual([...registry].map(group => group.name), ['z', 'a', 'M'])
})

test('a name is given once', () => {
  const registry = new GroupRegistry<Group<null>>()
  const app = named('App')
  registry.add(app)
  assert.throws(() => registry.add(named('aPp')), {
    code: 'FST_SCGI_OPT_INVALID',
    message: "fastify-scgi: option 'upstreams.name' is 'aPp', expected a name that no other group has ('App' exists)",
  })
  assert.throws(() => registry.add(named('app'), 'name'), /option 'name' is 'app'/)
  assert.equal(registry.get('app'), app)
  assert.equal(registry.size, 1)
})

test('a group that several registrations share may be added by each', () => {
  const registry = new GroupRegistry<Group<null>>()
  const app = named('App')
  registry.add(app)
  registry.add(app)
  assert.deepEqual([...registry], [app])
})
