// The operator's API: each answer against its own document, edits that two operators make at once, and input that is wrong.
import assert from 'node:assert/strict'
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { test } from 'node:test'
import Fastify from 'fastify'
import { refusedAddress } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { Backends, startAdmin, type AdminGateway } from './admin-kit.ts'

const CLOSE = { headers: { connection: 'close' } }

interface Validator {
  readonly paths: [method: string, path: string][]
  check (path: string, method: string, status: number, body: unknown): Promise<void>
  close (): Promise<void>
}

type Responses = Record<string, { content: Record<string, { schema: { $ref?: string } }> }>

/** Says what is wrong with an answer by the document. */
async function makeValidator (gateway: AdminGateway): Promise<Validator> {
  const { body: document } = await gateway.api('GET', '/openapi.json')
  assert.equal(document.openapi, '3.1.0')
  const customOptions = { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: true, strict: false } as const
  const app = Fastify({ ajv: { customOptions } })
  app.addSchema({ $id: 'openapi', components: document.components })
  const paths: [string, string][] = []
  for (const [path, item] of Object.entries<Record<string, { responses: Responses }>>(document.paths)) {
    for (const [method, { responses }] of Object.entries(item)) {
      paths.push([method.toUpperCase(), path])
      for (const [status, { content }] of Object.entries(responses)) {
        const reference = content['application/json']?.schema.$ref
        if (reference === undefined) continue
        app.post(`/${method}/${status}/${encodeURIComponent(path)}`, { schema: { body: { $ref: `openapi${reference}` } } }, () => 'ok')
      }
    }
  }
  await app.ready()
  return {
    paths,
    async check (path, method, status, body) {
      const url = `/${method.toLowerCase()}/${status}/${encodeURIComponent(encodeURIComponent(path))}`
      const answer = await app.inject({ method: 'POST', url, payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
      assert.equal(answer.statusCode, 200, `${method} ${path} ${status}: ${answer.body}\n${JSON.stringify(body)}`)
    },
    close: () => app.close(),
  }
}

test('every operation answers what its document says, and the document has every operation', async () => {
  await using backends = await Backends.start(3)
  const refused = await refusedAddress()
  await using gateway = await startAdmin([backends.addresses[0] ?? '', { address: refused, failTimeout: '1h' }], { slow: 0 })
  for (const path of ['/', '/fail', '/cached/a', '/cached/a', '/', '/']) await (await fetch(gateway.url + path, CLOSE)).text()
  const document = await makeValidator(gateway)
  const seen = new Set<string>()
  type More = Parameters<AdminGateway['api']>[2]
  const call = async (method: string, path: string, values: Record<string, string> = {}, more: More = {}) => {
    const url = path.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(values[name] ?? ''))
    const answer = await gateway.api(method, url + (values['query'] ?? ''), more)
    await document.check(path, method, answer.status, answer.body)
    seen.add(`${method} ${path}`)
    return answer
  }
  const server = { group: 'app', server: backends.addresses[0] ?? '' }
  assert.deepEqual((await call('GET', '/')).body.groups, ['app'])
  await call('GET', '/token')
  assert.equal((await call('POST', '/caches/{cache}/purge', { cache: 'pages' }, { body: { glob: 'a'.repeat(100_000) } })).status, 413)
  const { groups: [group] } = (await call('GET', '/groups', { query: '?history=120' })).body
  assert.equal(group.servers[0].history.requests.length, 120)
  const counted = group.servers[0].history.requests.reduce((sum: number, count: number) => sum + count, 0)
  assert.equal(counted, group.servers[0].served + group.servers[0].failures)
  assert.ok(group.servers[0].p50 > 0 && group.servers[0].p99 >= group.servers[0].p50)
  assert.match(group.servers[1].lastFailure.message, /connect\(\) to 127\.0\.0\.1:\d+ failed/)
  assert.equal(group.servers[1].state, 'failed')
  assert.match(group.servers[1].reason, /ECONNREFUSED/)
  const whole = await call('GET', '/groups/{group}', server)
  assert.equal(whole.etag, whole.body.etag)
  await call('PATCH', '/groups/{group}', server, { body: { balance: 'least_conn' }, ifMatch: whole.etag ?? '' })
  const one = await call('GET', '/groups/{group}/servers/{server}', server)
  const changes = { weight: 5, failTimeout: '20s', route: 'a' }
  const edited = await call('PATCH', '/groups/{group}/servers/{server}', server, { body: changes, ifMatch: one.etag ?? '' })
  assert.deepEqual([edited.body.settings.weight, edited.body.settings.failTimeout, edited.body.settings.route], [5, 20_000, 'a'])
  assert.notEqual(edited.etag, one.etag)
  const added = await call('POST', '/groups/{group}/servers', server, { body: { address: backends.addresses[1], weight: 2 } })
  assert.equal(added.status, 201)
  assert.equal(added.body.servers[0].name, backends.addresses[1])
  for (const [action, state] of [['drain', 'draining'], ['disable', 'down'], ['enable', 'up']] as const) {
    const answer = await call('POST', `/groups/{group}/servers/{server}/${action}`, server, { ifMatch: '*' })
    assert.equal(answer.body.state, state)
  }
  assert.equal((await call('POST', '/groups/{group}/servers/{server}/reset', server)).body.served, 0)
  await call('POST', '/groups/{group}/reset', server)
  const removed = await call('DELETE', '/groups/{group}/servers/{server}', { group: 'app', server: backends.addresses[1] ?? '' }, { ifMatch: '*' })
  assert.equal(removed.body.servers.length, 2)
  const cache = { cache: 'pages' }
  assert.equal((await call('GET', '/caches')).body.caches[0].hitShare, 0.5)
  await call('GET', '/caches/{cache}', cache)
  const listed = await call('GET', '/caches/{cache}/entries', { ...cache, query: '?search=cached' })
  assert.deepEqual(listed.body.entries.map((entry: { key: string, tags: string[] }) => [/\/cached\/a$/.test(entry.key), entry.tags]), [[true, ['all']]])
  assert.equal((await call('GET', '/caches/{cache}/ages', cache)).body.ages[0].entries, 1)
  assert.deepEqual((await call('POST', '/caches/{cache}/purge', cache, { body: { tag: 'all', soft: true } })).body, { purged: 1 })
  assert.equal((await call('GET', '/caches/{cache}/ages', cache)).body.stale, 1)
  assert.equal((await call('POST', '/caches/{cache}/reset', cache)).body.requests.HIT, 0)
  const { requests } = (await call('GET', '/requests/failed')).body
  const failing = requests.find((request: { path: string }) => request.path === '/fail')
  assert.equal(failing.status, 503)
  assert.ok(failing.attempts.some((attempt: { status: number }) => attempt.status === 503))
  const refusedAttempt = requests.flatMap((request: { attempts: { error: string | null }[] }) => request.attempts)
    .find((attempt: { error: string | null }) => attempt.error !== null)
  assert.match(refusedAttempt.error, /ECONNREFUSED/)
  assert.ok((await call('GET', '/requests/slow')).body.requests.length > 0)
  await call('POST', '/requests/reset')
  const { edits } = (await call('GET', '/edits')).body
  assert.match(edits.find((edit: { what: string }) => edit.what.includes('weight')).what, /^edits .* of app: weight 1 -> 5, failTimeout 10000 -> 20000, route null -> a$/)
  assert.ok(gateway.log.some(({ msg, operator }) => operator === '127.0.0.1' && /edits .* weight 1 -> 5/.test(msg)), 'the log says who')
  seen.add('GET /openapi.json').add('GET /events')
  assert.deepEqual([...seen].sort(), document.paths.map(([method, path]) => `${method} ${path}`).sort())
  await document.close()
})

test('two operators do not overwrite one another', async () => {
  await using backends = await Backends.start(2)
  await using gateway = await startAdmin(backends.addresses)
  const path = `/groups/app/servers/${encodeURIComponent(backends.addresses[0] ?? '')}`
  const { etag = '' } = await gateway.api('GET', path)
  // What was counted meanwhile is no edit.
  await (await fetch(gateway.url, CLOSE)).text()
  const first = await gateway.api('PATCH', path, { body: { weight: 3 }, ifMatch: etag })
  assert.equal(first.status, 200)
  for (const [method, body] of [['PATCH', { weight: 7 }], ['DELETE', undefined]] as const) {
    const second = await gateway.api(method, path, { body, ifMatch: etag })
    assert.deepEqual([second.status, second.body.code], [412, 'FST_SCGI_ADMIN_CHANGED'])
    const without = await gateway.api(method, path, { body })
    assert.deepEqual([without.status, without.body.code], [428, 'FST_SCGI_ADMIN_MATCH'])
  }
  const state = await gateway.api('GET', path)
  assert.equal(state.body.settings.weight, 3)
  assert.equal((await gateway.api('PATCH', path, { body: { weight: 7 }, ifMatch: `"x", ${state.etag}` })).status, 200)
})

test('bad input is a 4xx, and nothing is half done', async () => {
  await using backends = await Backends.start(2)
  await using gateway = await startAdmin(backends.addresses)
  const server = `/groups/app/servers/${encodeURIComponent(backends.addresses[0] ?? '')}`
  const before = (await gateway.api('GET', '/groups/app')).etag
  const wrong: [method: string, path: string, body: unknown, status: number, message: RegExp][] = [
    ['PATCH', server, { weight: 3, maxConns: -1 }, 400, /maxConns/],
    ['PATCH', server, { weight: 3, wait: 1 }, 400, /'(server\.)?wait'/],
    ['PATCH', server, { weight: '3' }, 400, /weight/],
    ['PATCH', server, { weight: 0 }, 400, /weight/],
    ['PATCH', server, { failTimeout: 'soon' }, 400, /failTimeout/],
    ['PATCH', server, { route: 'a b' }, 400, /route/],
    ['PATCH', server, { address: '127.0.0.1:1' }, 400, /address/],
    ['PATCH', server, { weight: 3, backup: 'yes' }, 400, /backup/],
    ['PATCH', server, {}, 400, /changes nothing/],
    ['PATCH', server, [], 400, /no JSON object/],
    ['PATCH', server, 'null', 400, /no JSON object/],
    ['PATCH', server, '{"weight":', 400, /JSON/],
    ['PATCH', server, '{"weight":3,"__proto__":{"backup":true}}', 400, /prototype|JSON/],
    ['PATCH', '/groups/app/servers/none', { weight: 3 }, 404, /no server 'none'/],
    ['PATCH', '/groups/none', { balance: 'random' }, 404, /no group 'none'/],
    ['PATCH', '/groups/app', { balance: 'fastest' }, 400, /balance/],
    ['PATCH', '/groups/app', { balance: { hash: 'x' } }, 400, /hash/],
    ['PATCH', '/groups/app', { balance: 'random', name: 'x' }, 400, /'group\.name'/],
    ['PATCH', '/groups/app', {}, 400, /changes nothing/],
    ['POST', '/groups/app/servers', {}, 400, /address/],
    ['POST', '/groups/app/servers', { address: 'ftp://x' }, 400, /address/],
    ['POST', '/groups/app/servers', { address: '127.0.0.1:9', weight: -1 }, 400, /weight/],
    ['POST', '/groups/app/servers', { address: backends.addresses[0] }, 400, /has not yet/],
    ['POST', '/groups/app/servers', { address: 'https://127.0.0.1:9', tls: { ca: 'x' } }, 400, /'tls' cannot be set here/],
    ['POST', '/groups/app/servers', { address: '127.0.0.1:9', spawn: { command: '/bin/sh' } }, 400, /'spawn' cannot be set here/],
    ['POST', '/caches/none/purge', { key: 'a' }, 404, /no cache 'none'/],
    ['POST', '/caches/pages/purge', {}, 400, /'key', 'glob' and 'tag'/],
    ['POST', '/caches/pages/purge', { key: 'a', tag: 'b' }, 400, /'key'/],
    ['POST', '/caches/pages/purge', { key: '' }, 400, /'key'/],
    ['POST', '/caches/pages/purge', { key: 'a', soft: 1 }, 400, /soft/],
    ['POST', '/caches/pages/purge', { glob: 'a'.repeat(100_000) }, 413, /too large/],
    ['GET', '/caches/pages/entries?limit=0', undefined, 400, /limit/],
    ['GET', '/caches/pages/entries?limit=-1', undefined, 400, /limit/],
    ['GET', '/caches/pages/entries?offset=x', undefined, 400, /offset/],
    ['GET', '/caches/pages/entries?search=a&search=b', undefined, 400, /search/],
    ['GET', '/groups?history=121', undefined, 400, /history/],
    ['GET', '/none', undefined, 404, /no '/],
    ['GET', `/groups/${'a'.repeat(101)}`, undefined, 404, /no '|not found/i],
  ]
  for (const [method, path, body, status, message] of wrong) {
    const answer = await gateway.api(method, path, { body, ifMatch: '*' })
    const what = `${method} ${path} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`
    assert.equal(answer.status, status, what)
    assert.equal(answer.body.statusCode, status, what)
    assert.match(answer.body.message, message, what)
    assert.match(answer.body.code, /^FST_/, what)
  }
  assert.equal((await gateway.api('GET', '/groups/app')).etag, before, 'nothing has changed')
  const form = await gateway.api('POST', '/caches/pages/purge', { body: 'key=a', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
  assert.equal(form.status, 415)
})

test('edits are kept in a file, and made again at the next start', async () => {
  await using dir = await tempDir()
  await using backends = await Backends.start(4)
  const [a = '', b = '', c = '', d = ''] = backends.addresses
  const state = dir.file('state.json')
  const servers = [a, b, c]
  {
    await using gateway = await startAdmin(servers, { state })
    const path = (server: string): string => `/groups/app/servers/${encodeURIComponent(server)}`
    await gateway.api('PATCH', path(a), { body: { weight: 4, failTimeout: '3s' }, ifMatch: '*' })
    await gateway.api('POST', `${path(a)}/drain`, { ifMatch: '*' })
    await gateway.api('DELETE', path(b), { ifMatch: '*' })
    await gateway.api('POST', '/groups/app/servers', { body: { address: d, backup: true } })
    await gateway.api('PATCH', '/groups/app', { body: { balance: 'least_conn' }, ifMatch: '*' })
    await gateway.api('DELETE', path(c), { ifMatch: '*' })
    await gateway.api('POST', '/groups/app/servers', { body: { address: c } })
  }
  assert.equal((await stat(state)).mode & 0o777, 0o600)
  {
    await using gateway = await startAdmin(servers, { state })
    const { body } = await gateway.api('GET', '/groups/app')
    assert.equal(body.balance, 'least_conn')
    assert.deepEqual(body.servers.map((server: { name: string }) => server.name), [a, d, c])
    assert.deepEqual([body.servers[0].settings.weight, body.servers[0].settings.failTimeout, body.servers[0].state], [4, 3000, 'draining'])
    assert.equal(body.servers[1].settings.backup, true)
    assert.deepEqual(gateway.log.filter(({ level }) => level === 40), [])
  }
  // What cannot be made again is told, and the rest is.
  {
    await using gateway = await startAdmin([b, c], { state })
    assert.equal((await gateway.api('GET', '/groups/app')).body.balance, 'least_conn')
    assert.ok(gateway.log.some(({ msg }) => /is not made again: edit/.test(msg)))
  }
  // One that is possible only after another, and one that the configuration has made already.
  await writeFile(state, JSON.stringify({
    version: 1,
    groups: { app: { members: [{ add: { address: a } }, { remove: d }], servers: { [b]: { backup: true } }, balance: 'round_robin' } },
  }))
  {
    await using gateway = await startAdmin([a, b], { state }, undefined, 'ip_hash')
    const { body } = await gateway.api('GET', '/groups/app')
    assert.deepEqual([body.balance, body.servers.map((server: { settings: { backup: boolean } }) => server.settings.backup)], ['round_robin', [false, true]])
    assert.deepEqual(gateway.log.filter(({ level }) => level === 40), [])
  }
  await writeFile(state, '{"version":1,"groups":[]')
  await assert.rejects(startAdmin(servers, { state }), { code: 'FST_SCGI_OPT_INVALID', message: /option 'state'/ })
})

test('the stream tells all, then what changes, from one computation for all', async () => {
  await using backends = await Backends.start(2)
  await using gateway = await startAdmin(backends.addresses)
  const clients = await Promise.all([openStream(gateway.url), openStream(gateway.url)])
  for (const client of clients) {
    const state = await client.next('state')
    assert.equal(state.groups[0].servers.length, 2)
    assert.equal(state.groups[0].servers[0].history.requests.length, 120)
  }
  const name = backends.addresses[1] ?? ''
  await gateway.api('POST', `/groups/app/servers/${encodeURIComponent(name)}/drain`, { ifMatch: '*' })
  for (const client of clients) {
    const found = await client.until(delta => delta.groups?.[0]?.servers.find((server: { name: string }) => server.name === name)?.state === 'draining')
    assert.deepEqual(found.groups[0].order, backends.addresses)
    client.close()
  }
})

test('who opens the page sees what changes back before the next delta', async () => {
  await using backends = await Backends.start(1)
  await using gateway = await startAdmin(backends.addresses)
  const path = `/groups/app/servers/${encodeURIComponent(backends.addresses[0] ?? '')}`
  const first = await openStream(gateway.url)
  await first.next('state')
  await first.next('delta')
  await gateway.api('PATCH', path, { body: { weight: 5 }, ifMatch: '*' })
  const second = await openStream(gateway.url)
  assert.equal((await second.next('state')).groups[0].servers[0].settings.weight, 5)
  await gateway.api('PATCH', path, { body: { weight: 1 }, ifMatch: '*' })
  const told = await second.until(delta => delta.edits?.[0]?.what.includes('weight 5 -> 1') === true)
  assert.equal(told.groups?.[0].servers[0].settings.weight, 1)
  first.close()
  second.close()
})

interface Stream {
  next (event: string): Promise<ApiEvent>
  until (test: (data: ApiEvent) => boolean): Promise<ApiEvent>
  close (): void
}

type ApiEvent = ReturnType<typeof JSON.parse>

async function openStream (url: string): Promise<Stream> {
  const request = httpRequest(`${url}/gateway/api/events`).end()
  const response = await new Promise<AsyncIterable<Buffer> & { statusCode?: number }>(resolve => request.once('response', resolve))
  assert.equal(response.statusCode, 200)
  const events = (async function * () {
    let text = ''
    for await (const chunk of response) {
      text += chunk.toString()
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const [, name = '', data = ''] = /^event: (\w+)\ndata: (.*)$/s.exec(text.slice(0, end)) ?? []
        text = text.slice(end + 2)
        yield { name, data: JSON.parse(data) }
      }
    }
  })()
  const until = async (test: (name: string, data: ApiEvent) => boolean): Promise<ApiEvent> => {
    for (;;) {
      const { value, done } = await events.next()
      assert.notEqual(done, true)
      if (value !== undefined && test(value.name, value.data)) return value.data
    }
  }
  return {
    next: name => until(event => event === name),
    until: test => until((_name, data) => test(data)),
    close: () => request.destroy(),
  }
}

test('a file that was written is whole, whatever comes at once, to several processes, too', async () => {
  await using dir = await tempDir()
  await using backends = await Backends.start(3)
  const state = dir.file('state.json')
  await using one = await startAdmin(backends.addresses, { state })
  await using other = await startAdmin(backends.addresses, { state })
  // A process that died while it wrote.
  await writeFile(`${state}.lock`, '')
  await utimes(`${state}.lock`, 1, 1)
  const edits = ([[one, 'weight'], [other, 'lbset']] as const).flatMap(([gateway, option]) => backends.addresses.map((name, index) =>
    gateway.api('PATCH', `/groups/app/servers/${encodeURIComponent(name)}`, { body: { [option]: index + 2 }, ifMatch: '*' })))
  for (const { status } of await Promise.all(edits)) assert.equal(status, 200)
  await writeFile(`${state}.lock`, '')
  await utimes(`${state}.lock`, 1e10, 1e10)
  assert.equal((await one.api('PATCH', '/groups/app', { body: { balance: 'round_robin' }, ifMatch: '*' })).status, 200)
  const { groups: { app: { servers } } } = JSON.parse(await readFile(state, 'utf8'))
  assert.deepEqual(servers, Object.fromEntries(backends.addresses.map((name, index) => [name, { weight: index + 2, lbset: index + 2 }])))
  assert.deepEqual(await readdir(dir.path), ['state.json'])
})
