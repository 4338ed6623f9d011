// clusterChannel(): workers of node:cluster, this process being their primary.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { clusterChannel } from '../../lib/channel/index.ts'
import { isEvent } from '../../lib/group/channel/log.ts'
import { isRecord } from '../../lib/options/checks.ts'
import { endProcesses, forkChannelProcesses } from '../helpers/channel-processes.ts'
import type { ChannelEvent } from '../../types/channel.ts'

const event = (key: string, value: unknown, clock = 1, process = 'p'): ChannelEvent => ({ group: 'g', key, value, clock, process })
const membersOf = (presence: unknown): unknown => isRecord(presence) ? presence['members'] : undefined
const countOf = (presence: unknown): number => {
  const members = membersOf(presence)
  return Array.isArray(members) ? members.length : 0
}

const processes = forkChannelProcesses(3)
const [one, two, three] = processes
after(() => endProcesses(processes))

test('the workers of a cluster hear of one another, by way of the primary', { timeout: 60_000 }, async () => {
  assert(one && two && three)
  // Some have been there before the primary listens.
  const channel = clusterChannel()
  assert.equal(clusterChannel(), channel)
  await Promise.all(processes.map(each => each.heard(({ told, presence }) => told === 'presence' && countOf(presence) === 3)))
  const lists = await Promise.all(processes.map(async each => membersOf(await each.call('presence'))))
  assert.deepEqual(lists[0], lists[1])
  assert.deepEqual(lists[1], lists[2])

  await one.call('publish', event('a', { x: 1 }))
  for (const other of [two, three]) assert.deepEqual((await other.heard(({ told }) => told === 'event'))['event'], event('a', { x: 1 }))
  // The primary may use it, too, and whoever comes late finds what was said before.
  const heard: ChannelEvent[] = []
  const leave = channel.subscribe(told => heard.push(told))
  assert.deepEqual(await channel.snapshot(), [event('a', { x: 1 })])
  assert.equal(channel.presence().members.length, 4)
  await two.call('publish', event('a', 'later', 3))
  await three.heard(({ event: told }) => isEvent(told) && told.value === 'later')
  // One that is older changes nothing, whenever it comes.
  await one.call('publish', event('a', 'earlier', 2))
  await one.call('publish', event('b', 1))
  await three.heard(({ event: told }) => isEvent(told) && told.key === 'b')
  assert.deepEqual(await three.call('snapshot'), [event('b', 1), event('a', 'later', 3)])
  assert.deepEqual(heard, [event('a', 'later', 3), event('b', 1)])
  channel.publish(event('c', true))
  await one.heard(({ event: told }) => isEvent(told) && told.key === 'c')
  leave()
  assert.equal(channel.presence().members.length, 3)
})

test('who is killed, or leaves, is no member any more', { timeout: 60_000 }, async () => {
  assert(one && two && three)
  const gone = membersOf(await one.call('presence'))
  for (const each of [two, three]) each.forget()
  one.worker.process.kill('SIGKILL')
  const told = await two.heard(({ told, presence }) => told === 'presence' && countOf(presence) === 2)
  assert(Array.isArray(gone))
  assert.deepEqual(membersOf(told['presence']), gone.filter(member => !String(member).endsWith(`-${one.worker.process.pid}`)))
  await three.call('leave')
  await two.heard(({ told, presence }) => told === 'presence' && countOf(presence) === 1)
})

test('one that is frozen is no member until it goes on, and then hears what it has missed', { timeout: 60_000 }, async () => {
  assert(two)
  const [four] = forkChannelProcesses(1)
  assert(four)
  processes.push(four)
  await four.heard(({ told, presence }) => told === 'presence' && countOf(presence) === 2)
  two.forget()
  four.worker.process.kill('SIGSTOP')
  await two.heard(({ told, presence }) => told === 'presence' && countOf(presence) === 1)
  two.forget()
  four.worker.process.kill('SIGCONT')
  await two.heard(({ told, presence }) => told === 'presence' && countOf(presence) === 2)
  await two.call('publish', event('d', 1))
  await four.heard(({ event: told }) => isEvent(told) && told.key === 'd')
})

test('a group over it: an edit at one holds in all; when the one that checks is killed another one does', { timeout: 60_000 }, async () => {
  clusterChannel()
  const group = { servers: [{ address: '127.0.0.1:9', maxConns: 9 }, '127.0.0.1:8'], health: { type: 'connect', interval: '1s', jitter: 0, fails: 1 } }
  const sharing = forkChannelProcesses(3, { GROUP: JSON.stringify(group) }, 'shared-worker.ts')
  processes.push(...sharing)
  await Promise.all(sharing.map(each => each.call('open')))
  const [first] = sharing
  await first?.call('edit', '127.0.0.1:9', { weight: 6 })
  await Promise.all(sharing.map(each => each.heard(
    ({ told, server, state }) => told === 'state' && server === '127.0.0.1:9' && state === 'unhealthy')))
  await Promise.all(sharing.map(each => each.heard(({ told, changes }) => told === 'edited' && isRecord(changes) && changes['weight'] === 6)))
  for (const each of sharing) each.forget()
  const checker = await Promise.any(sharing.map(async each => {
    await each.heard(({ told }) => told === 'check')
    return each
  }))
  const others = sharing.filter(each => each !== checker)
  assert.ok(others.every(({ told }) => !told.some(each => each.told === 'check')))
  const { pid } = checker.worker.process
  checker.worker.process.kill('SIGKILL')
  await Promise.any(others.map(each => each.heard(({ told }) => told === 'check')))
  // What it has said of itself is removed.
  const isLeft = ({ key, value }: ChannelEvent): boolean => value !== null && new RegExp(`^(?:member|held) \\d+-${pid}\\b`).test(key)
  const left = async (): Promise<number> => (await clusterChannel().snapshot()).filter(isLeft).length
  assert.equal(await left(), 2)
  while (await left() > 0) await new Promise(resolve => setTimeout(resolve, 50))
})
