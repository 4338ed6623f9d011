import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clusterChannel } from '../../lib/channel/index.ts'
import { prefixOf, shareGroups } from '../../lib/run/mounts.ts'
import type { GatewayMount } from '../../types/config.ts'
import type { ServerEntry } from '../../types/upstream.ts'

const app = (command: string, ...args: string[]): ServerEntry => ({ spawn: { command, args } })

// Those that would have the same name on the channel stay apart.
for (const [what, lists, expected] of [
  ['addresses that differ', [['127.0.0.1:1'], ['127.0.0.1:2']], [true, true]],
  ['the same addresses', [['127.0.0.1:1'], [{ address: '127.0.0.1:1' }], ['127.0.0.1:2']], [false, false, true]],
  ['applications that differ', [[app('perl', 'a.pl')], [app('perl', 'b.pl')]], [true, true]],
  ['the same application', [[app('perl', 'a.pl')], [app('perl', 'a.pl')]], [false, false]],
  ['applications whose commands lie in different directories', [[app('/a/run')], [app('/b/run')]], [false, false]],
  ['applications beside addresses', [['127.0.0.1:1', app('perl')], ['127.0.0.1:1', app('python3')], ['127.0.0.1:1']], [true, true, true]],
] satisfies [string, ServerEntry[][], boolean[]][]) {
  test(`groups without a name are shared between workers if they can be told apart: ${what}`, () => {
    const mounts = lists.map((upstreams, index): GatewayMount => ({ prefix: `/${index}`, upstreams }))
    const shared = shareGroups(mounts, clusterChannel())
    assert.deepEqual(shared.map(mount => typeof mount === 'object' && 'upstreams' in mount &&
      typeof mount.upstreams === 'object' && 'shared' in mount.upstreams), expected)
    assert.deepEqual(shared.map(prefixOf), mounts.map(prefixOf))
  })
}
