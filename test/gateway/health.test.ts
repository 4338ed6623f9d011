// Servers that checks, or the outlier detection, take out and bring back, as requests meet it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { systemTimers } from '../../lib/runtime/timers.ts'
import { startPassing, turnsUntil, type PassingGateway } from '../helpers/passing.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { FakeTimers } from '../helpers/timers.ts'
import type { TestContext } from 'node:test'
import type { Recorder } from '../helpers/recorder.ts'
import type { ServerState, UpstreamGroup } from '../../types/index.ts'

/** Waits until a server has come to this state; fails after five seconds. */
function comesTo (group: UpstreamGroup | undefined, state: ServerState): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nobody is ${state}`)), 5000)
    group?.on('state', event => {
      if (event.state !== state) return
      clearTimeout(timer)
      resolve(event.reason)
    })
  })
}

/** The timers of all checks; what waits there is known, and so is that nothing does. */
function fakeTimers (t: TestContext): FakeTimers {
  const timers = new FakeTimers()
  t.mock.method(systemTimers, 'now', timers.now)
  t.mock.method(systemTimers, 'after', timers.after.bind(timers))
  return timers
}

/** Lets time pass until a server has had so many requests. */
async function checked (timers: FakeTimers, { requests }: Recorder, count: number): Promise<void> {
  await turnsUntil(() => {
    timers.advance(100)
    return requests.length >= count
  }, `${count} checks`)
}

function warnings (gateway: PassingGateway): string[] {
  return gateway.log.filter(({ level, upstream }) => level === 40 && upstream !== undefined).map(({ msg }) => msg)
}

test('a server that fails its checks gets no requests until it passes them', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [one.address, two.address], health: { type: 'scgi', path: '/health', interval: '100ms', fails: 2, passes: 2 } },
  })
  const group = gateway.app.scgi.groups.get('g')
  const users = (): number => one.requests.filter(request => request.param('REQUEST_URI') !== '/health').length
  await one.received(1)
  const out = comesTo(group, 'unhealthy')
  one.answer = 'Status: 503\r\n\r\n'
  assert.equal(await out, 'status 503')
  assert.deepEqual(group?.servers.map(({ state, healthy, reason }) => [state, healthy, reason]), [['unhealthy', false, 'status 503'], ['up', true, undefined]])
  for (let n = 0; n < 6; n++) assert.equal((await gateway.send('GET', '/')).scgi.upstreamAddr, two.address)
  assert.equal(users(), 0)
  const back = comesTo(group, 'up')
  one.answer = '\r\nok'
  await back
  for (let n = 0; n < 4; n++) assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
  assert.equal(users(), 2)
  assert.equal(group?.servers[0]?.reason, undefined)
  assert.deepEqual(warnings(gateway), [
    `upstream server ${one.address} is taken out of g by its health check: status 503`,
    `upstream server ${one.address} is back in g`,
  ])
  // Checks are no requests: they are in no account.
  assert.deepEqual(group?.servers.map(({ served, failures }) => [served, failures]), [[2, 0], [8, 0]])
})

test('a server that is added is checked, one that is down is not, and none when the last application is closed', async t => {
  const timers = fakeTimers(t)
  await using one = await startRecorder()
  await using two = await startRecorder()
  const group = createUpstreams({ servers: [{ address: one.address, down: true }], health: { type: 'scgi', interval: 100 } })
  await using first = await startPassing({ upstreams: group })
  await using second = await startPassing({ upstreams: group })
  await group.add(two.address)
  await first.close()
  await checked(timers, two, 3)
  assert.equal(one.accepted, 0)
  group.enable(one.address)
  await checked(timers, one, 1)
  assert.equal(timers.pending, 2)
  await second.close()
  assert.equal(timers.pending, 0, 'no further check is due')
  await Promise.all([one.idle(), two.idle()])
})

test('a group that a function chooses is checked from then on, until the application is closed', async t => {
  const timers = fakeTimers(t)
  await using one = await startRecorder()
  const group = createUpstreams({ servers: [one.address], health: { type: 'scgi', interval: 100, path: '/health' } })
  await using gateway = await startPassing({ upstreams: () => group })
  assert.deepEqual([timers.pending, one.accepted], [0, 0])
  for (let n = 0; n < 2; n++) assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
  await checked(timers, one, 4)
  assert.equal(timers.pending, 1)
  await gateway.close()
  assert.equal(timers.pending, 0, 'no further check is due')
  await one.idle()
})

test('every server out by its checks: 502, and back with the first', async () => {
  await using one = await startRecorder({ accept: () => 'reset', answer: '\r\nok' })
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address], health: { type: 'scgi', interval: 100 } } })
  const group = gateway.app.scgi.groups.get('g')
  await comesTo(group, 'unhealthy')
  assert.equal((await gateway.send('GET', '/')).error?.code, 'FST_SCGI_NO_LIVE_UPSTREAMS')
  const back = comesTo(group, 'up')
  one.accept = () => 'serve'
  await back
  assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
})

test('outlier: a server that fails too often is ejected for a while, though it never is by maxFails', async () => {
  await using one = await startRecorder({ answer: '' })
  await using two = await startRecorder()
  await using gateway = await startPassing({
    upstreams: {
      name: 'g',
      servers: [{ address: one.address, maxFails: 0 }, two.address],
      outlier: { window: '10s', minRequests: 4, failureShare: 0.5, baseTime: '1s' },
    },
  })
  const group = gateway.app.scgi.groups.get('g')
  const out = comesTo(group, 'ejected')
  for (let n = 0; n < 8; n++) assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
  const reason = await out
  const back = comesTo(group, 'up')
  assert.equal(reason, `4 of 4 attempts in 10 s failed: ejected for 1 s, the last: ${group?.servers[0]?.lastError?.message}`)
  const { length } = one.requests
  for (let n = 0; n < 6; n++) await gateway.send('GET', '/')
  assert.equal(one.requests.length, length)
  one.answer = '\r\nok'
  await back
  for (let n = 0; n < 4; n++) await gateway.send('GET', '/')
  assert.ok(one.requests.length > length)
  assert.deepEqual(warnings(gateway), [`upstream server ${one.address} is ejected from g: ${reason}`, `upstream server ${one.address} is back in g`])
})
