// What is known of a name while the DNS changes its mind, with a mock clock.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NameWatch } from '../../lib/group/resolve/watch.ts'
import { FakeTimers } from '../helpers/timers.ts'
import type { AddressAnswer, Questions, ServiceRecord } from '../../lib/group/resolve/resolver.ts'
import type { Found, WatchedName, WatchOptions } from '../../lib/group/resolve/watch.ts'

/** A DNS of two tables; what is a string there is the code that the question fails with. */
class Script implements Questions {
  readonly asked: string[] = []
  readonly hosts: Record<string, string[] | string> = {}
  readonly records: Record<string, ServiceRecord[] | string> = {}
  /** What is answered later. */
  readonly late: Record<string, Promise<string[] | string>> = {}
  ttl = 30

  async addresses (family: 4 | 6, name: string): Promise<AddressAnswer> {
    this.asked.push(`${family} ${name}`)
    const answer = await this.late[`${family} ${name}`] ?? this.hosts[`${family} ${name}`] ?? 'ENODATA'
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer })
    return { hosts: answer, ttl: this.ttl * 1000 }
  }

  async services (name: string): Promise<ServiceRecord[]> {
    this.asked.push(`SRV ${name}`)
    const answer = this.records[name] ?? 'ENOTFOUND'
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer })
    return answer
  }
}

interface Watching {
  dns: Script
  timers: FakeTimers
  watch: NameWatch
  told: string[]
  /** Lets so many milliseconds pass, and what was asked then be answered. */
  pass (ms: number): Promise<void>
}

function watching (name: Partial<WatchedName> = {}, options: Partial<WatchOptions> = {}): Watching {
  const dns = new Script()
  const timers = new FakeTimers()
  const told: string[] = []
  const watch = new NameWatch({ host: 'app', service: undefined, port: 4000, ...name }, {
    questions: dns,
    timers,
    ttl: undefined,
    onChange: found => told.push(text(found)),
    onFailure: (reason, known) => told.push(`failure ${reason} ${known}`),
    onRecovery: () => told.push('recovery'),
    ...options,
  })
  return {
    dns,
    timers,
    watch,
    told,
    async pass (ms) {
      timers.advance(ms)
      await new Promise(resolve => setImmediate(resolve))
    },
  }
}

function text (found: readonly Found[]): string {
  return found.map(({ host, port, weight, backup }) => `${host}:${port}${weight === undefined ? '' : ` weight ${weight}`}${backup ? ' backup' : ''}`).join(', ')
}

test('both families are asked, and again when the first of the answers has run out', async () => {
  const { dns, watch, told, pass } = watching()
  dns.hosts['4 app'] = ['10.0.0.1', '10.0.0.2']
  dns.hosts['6 app'] = ['fd00::1']
  await watch.refresh()
  assert.deepEqual(told, ['10.0.0.1:4000, 10.0.0.2:4000, fd00::1:4000'])
  await pass(29_999)
  assert.equal(dns.asked.length, 2)
  dns.hosts['4 app'] = ['10.0.0.2', '10.0.0.3']
  await pass(1)
  assert.deepEqual(dns.asked, ['4 app', '6 app', '4 app', '6 app'])
  assert.deepEqual(told.slice(1), ['10.0.0.2:4000, 10.0.0.3:4000, fd00::1:4000'])
})

test('another order is no change', async () => {
  const { dns, watch, told, pass } = watching()
  dns.hosts['4 app'] = ['10.0.0.1', '10.0.0.2']
  await watch.refresh()
  dns.hosts['4 app'] = ['10.0.0.2', '10.0.0.1']
  await pass(30_000)
  assert.equal(dns.asked.length, 4)
  assert.equal(told.length, 1)
})

test('TTL: 0 is a second, a week is a day, `ttl` is what it says', async () => {
  for (const [given, ttl, wait] of [[0, undefined, 1000], [604_800, undefined, 86_400_000], [30, 5000, 5000], [30, 10, 1000]] as const) {
    const { dns, watch, timers } = watching({}, { ttl })
    dns.ttl = given
    dns.hosts['4 app'] = ['10.0.0.1']
    await watch.refresh()
    assert.equal(timers.next, wait)
  }
})

test('one lookup at a time', async () => {
  const { dns, watch, timers } = watching()
  dns.hosts['4 app'] = ['10.0.0.1']
  await Promise.all([watch.refresh(), watch.refresh(), watch.refresh()])
  assert.equal(dns.asked.length, 2)
  await watch.refresh()
  assert.equal(timers.pending, 1)
})

for (const code of ['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'ETIMEOUT', 'EREFUSED']) {
  test(`${code}: the last good answer stays, one warning, the question again after 1, 2, 4 ... 30 s`, async () => {
    const { dns, watch, told, timers, pass } = watching()
    dns.hosts['4 app'] = ['10.0.0.1']
    await watch.refresh()
    dns.hosts['4 app'] = code
    dns.hosts['6 app'] = code
    const waits = []
    for (let n = 0; n < 7; n++) {
      await pass(timers.next ?? 0)
      waits.push(timers.next)
    }
    assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    assert.deepEqual(told, ['10.0.0.1:4000', `failure app: ${code} 1`])
    assert.equal(text(watch.found), '10.0.0.1:4000')
    dns.hosts['4 app'] = ['10.0.0.2']
    dns.hosts['6 app'] = 'ENODATA'
    await pass(30_000)
    assert.deepEqual(told.slice(2), ['recovery', '10.0.0.2:4000'])
    assert.equal(timers.next, 30_000)
    dns.hosts['4 app'] = code
    dns.hosts['6 app'] = code
    await pass(30_000)
    assert.deepEqual([told.at(-1), timers.next], [`failure app: ${code} 1`, 1000])
  })
}

test('a name that does not resolve at first is empty until it does', async () => {
  const { dns, watch, told, pass } = watching()
  dns.hosts['4 app'] = 'ENOTFOUND'
  dns.hosts['6 app'] = 'ENOTFOUND'
  await watch.refresh()
  assert.deepEqual([told, watch.found], [['failure app: ENOTFOUND 0'], []])
  dns.hosts['4 app'] = ['10.0.0.1']
  await pass(1000)
  assert.deepEqual(told.slice(1), ['recovery', '10.0.0.1:4000'])
})

test('one family: nothing of it is an answer, no answer keeps what it had; neither is a failure of the name', async () => {
  const { dns, watch, told, timers, pass } = watching()
  dns.hosts['4 app'] = ['10.0.0.1']
  dns.hosts['6 app'] = ['fd00::1']
  await watch.refresh()
  for (const [n, code] of ['ESERVFAIL', 'EREFUSED', 'ETIMEOUT'].entries()) {
    dns.hosts['6 app'] = code
    dns.hosts['4 app'] = [`10.0.1.${n}`]
    await pass(30_000)
    assert.deepEqual([told.length, told.at(-1), timers.next], [2 + n, `10.0.1.${n}:4000, fd00::1:4000`, 30_000])
  }
  dns.hosts['6 app'] = 'ENODATA'
  await pass(30_000)
  assert.deepEqual(told.slice(4), ['10.0.1.2:4000'])
})

test('a family that is silent is waited for no longer than a moment, and taken when it comes', async () => {
  const { dns, watch, told, timers, pass } = watching()
  dns.hosts['4 app'] = ['10.0.0.1']
  let answer = (_hosts: string[] | string): void => {}
  const silence = (): void => { dns.late['6 app'] = new Promise(resolve => { answer = resolve }) }
  silence()
  const first = watch.refresh()
  await pass(0)
  await pass(100)
  await first
  assert.deepEqual([told, timers.next], [['10.0.0.1:4000'], 30_000])
  answer(['fd00::1'])
  await pass(0)
  assert.deepEqual(told.slice(1), ['10.0.0.1:4000, fd00::1:4000'])
  for (const [late, known] of [['ETIMEOUT', '10.0.0.2:4000, fd00::1:4000'], ['ENODATA', '10.0.0.2:4000']] as const) {
    dns.hosts['4 app'] = ['10.0.0.2']
    silence()
    await pass(30_000)
    await pass(100)
    assert.deepEqual(told.at(-1), '10.0.0.2:4000, fd00::1:4000')
    answer(late)
    await pass(0)
    assert.equal(text(watch.found), known)
  }
  assert.ok(told.every(line => !line.startsWith('failure')))
})

test('SRV: a late family of one target is taken, whether another target is still being asked or not', async () => {
  for (const [late, known] of [[['fd00::1'], '10.0.0.1:1 weight 1, fd00::1:1 weight 1'], ['ENODATA', '10.0.0.1:1 weight 1']] as const) {
    for (const before of [true, false]) {
      const { dns, watch, told, pass } = watching({ service: '_scgi._tcp.app', port: 0 })
      dns.records['_scgi._tcp.app'] = ['a', 'b'].map(target => ({ target, port: 1, priority: 1, weight: 1 }))
      dns.hosts['4 a'] = ['10.0.0.1']
      dns.hosts['6 a'] = ['fd00::2']
      dns.hosts['4 b'] = ['10.0.0.2']
      await watch.refresh()
      const answers: Record<string, (hosts: string[] | string) => void> = {}
      for (const question of ['6 a', '4 b', '6 b']) dns.late[question] = new Promise(resolve => { answers[question] = resolve })
      await pass(30_000)
      await pass(100)
      if (before) {
        answers['6 a']?.(typeof late === 'string' ? late : [...late])
        await pass(0)
      }
      answers['4 b']?.(['10.0.0.3'])
      answers['6 b']?.('ENODATA')
      await pass(0)
      if (!before) {
        assert.match(text(watch.found), /fd00::2/)
        answers['6 a']?.(typeof late === 'string' ? late : [...late])
        await pass(0)
      }
      assert.equal(text(watch.found), `${known}, 10.0.0.3:1 weight 1`, `${late} ${before}`)
      assert.equal(told.length, before ? 2 : 3)
    }
  }
})

for (const family of [4, 6] as const) {
  test(`family: ${family} asks for nothing else, and fails where there is none`, async () => {
    const { dns, watch, told } = watching({}, { families: [family] })
    dns.hosts['4 app'] = ['10.0.0.1']
    dns.hosts['6 app'] = ['fd00::1']
    await watch.refresh()
    dns.hosts[`${family} app`] = 'ENODATA'
    await watch.refresh()
    assert.deepEqual([dns.asked, told.slice(1)], [[`${family} app`, `${family} app`], ['failure app: ENODATA 1']])
  })
}

for (const [what, service, empty] of [
  ['addresses', undefined, (dns: Script) => { dns.hosts['4 app'] = dns.hosts['6 app'] = [] }],
  ['services', '_s._tcp.app', (dns: Script) => { dns.records['_s._tcp.app'] = [] }],
  ['services with a target', '_s._tcp.app', (dns: Script) => { dns.records['_s._tcp.app'] = [{ target: '.', port: 0, priority: 0, weight: 0 }] }],
  ['addresses of a target', '_s._tcp.app', (dns: Script) => { dns.hosts['4 app'] = dns.hosts['6 app'] = [] }],
  ['targets with an address', '_s._tcp.app', (dns: Script) => { dns.records['_s._tcp.app'] = [{ target: 'new', port: 1, priority: 0, weight: 0 }] }],
] as const) {
  test(`an answer without ${what} is none: the servers stay, and it is asked again soon`, async () => {
    const { dns, watch, told, timers, pass } = watching({ service, port: 1 })
    dns.hosts['4 app'] = ['10.0.0.1']
    dns.records['_s._tcp.app'] = [{ target: 'app', port: 1, priority: 0, weight: 0 }]
    await watch.refresh()
    const before = text(watch.found)
    assert.match(before, /^10\.0\.0\.1:1/)
    empty(dns)
    await pass(30_000)
    assert.deepEqual([text(watch.found), timers.next], [before, 1000])
    assert.match(told.slice(1).join(), /^failure .* 1$/)
    dns.hosts['4 app'] = ['10.0.0.2']
    dns.records['_s._tcp.app'] = [{ target: 'app', port: 1, priority: 0, weight: 0 }]
    await pass(1000)
    assert.match(told.slice(2).join(), /^recovery,10\.0\.0\.2:1/)
  })
}

test('SRV: the first priority serves, the others are its backup, weights and ports are those of the records', async () => {
  const { dns, watch, told } = watching({ service: '_scgi._tcp.app', port: 0 })
  dns.records['_scgi._tcp.app'] = [
    { target: 'c', port: 3, priority: 20, weight: 7 },
    { target: 'a', port: 1, priority: 10, weight: 5 },
    { target: 'b', port: 2, priority: 10, weight: 0 },
    { target: 'a', port: 1, priority: 30, weight: 9 },
  ]
  dns.hosts['4 a'] = ['10.0.0.1', '10.0.0.2']
  dns.hosts['4 b'] = ['10.0.0.3']
  dns.hosts['4 c'] = ['10.0.0.4']
  await watch.refresh()
  assert.deepEqual(told, ['10.0.0.4:3 weight 7 backup, 10.0.0.1:1 weight 5, 10.0.0.2:1 weight 5, 10.0.0.3:2 weight 1'])
})

test('SRV: a target without an answer keeps its addresses, one that is gone goes', async () => {
  const { dns, watch, told, pass } = watching({ service: '_scgi._tcp.app', port: 0 })
  const record = (target: string): ServiceRecord => ({ target, port: 1, priority: 1, weight: 1 })
  dns.records['_scgi._tcp.app'] = [record('a'), record('b')]
  dns.hosts['4 a'] = ['10.0.0.1']
  dns.hosts['4 b'] = ['10.0.0.2']
  await watch.refresh()
  dns.hosts['4 a'] = 'ETIMEOUT'
  dns.hosts['4 b'] = ['10.0.0.3']
  await pass(30_000)
  dns.records['_scgi._tcp.app'] = 'ESERVFAIL'
  await pass(1000)
  dns.records['_scgi._tcp.app'] = [record('b')]
  await pass(2000)
  assert.deepEqual(told, [
    '10.0.0.1:1 weight 1, 10.0.0.2:1 weight 1', 'failure a: ETIMEOUT 2', '10.0.0.1:1 weight 1, 10.0.0.3:1 weight 1', 'recovery', '10.0.0.3:1 weight 1',
  ])
  dns.records['_scgi._tcp.app'] = [record('.')]
  await pass(30_000)
  assert.deepEqual(told.slice(5), ['failure _scgi._tcp.app: no SRV record with a target 1'])
})

test('stop: nothing is asked and nothing told any more', async () => {
  const { dns, watch, told, timers, pass } = watching()
  dns.hosts['4 app'] = ['10.0.0.1']
  await watch.refresh()
  dns.hosts['4 app'] = ['10.0.0.2']
  const running = watch.refresh()
  watch.stop()
  await running
  await pass(100_000)
  assert.deepEqual([told.length, timers.pending, dns.asked.length], [1, 0, 4])
})
