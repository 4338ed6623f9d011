// Paths are bytes wherever they lead: files of internal redirects, stored replies, and what handlers of the user's pass on.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { accel } from '../../lib/accel/index.ts'
import { bytes, get } from './kit.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Names of files, one char a byte. */
const NAMES = [
  'caf\xe9', 'caf\xc3\xa9', 'd\xe9/\xff', '\xed\xb2\x80', 'a%2Fb', 'a%2fb', 'a%252Fb', 'a\\b', 'a%5Cb', '..\\secret', 'a b', 'a%20b', 'a?b', 'a#b', 'a;b', 'a%b',
  'a+b', 'a"b', '@n', '..x', 'x..', ' ', 'd/x', 'caf\xe9\xc3\xa9\xe8',
]
/** A name as it stands in a target, escaped as little or as much as can be. */
const escapes = (name: string, chars: RegExp): string => name.replace(chars, char => '%' + char.charCodeAt(0).toString(16).padStart(2, '0'))
const WRITTEN: Record<string, (name: string) => string> = {
  'raw bytes': name => escapes(name, /[%?]|^ $/g),
  'what is no ASCII escaped': name => escapes(name, /[^\x21-\x7e]|[%?]/g),
  'all escaped': name => escapes(name, /./gs),
}
/** What leaves the directory, is none of its files, or none that may be asked for. */
const MISSING = [
  '../secret', '..%2Fsecret', '%2e%2e/secret', '%252e%252e%252fsecret', '..%5c..%5csecret', 'd\xe9/../../secret', 'd\xe9%2f..%2F..%2fsecret', 'caf\xe9%2f..%2f..%2fsecret',
  '%C0%AE%C0%AE/secret', '\xc0\xae\xc0\xae/secret', 'd/../d/x', 'a%00', 'a%b', 'caf%E8', 'caf%25E9', 'd', 'd\xe9', 'd%E9/', '\xff'.repeat(150), 'a%2Fb',
]

function writeFiles (root: string): void {
  for (const directory of ['', 'd', 'd\xe9']) mkdirSync(Buffer.from(`${root}/${directory}`, 'latin1'))
  for (const name of NAMES) writeFileSync(Buffer.from(`${root}/${name}`, 'latin1'), name, 'latin1')
}

/** All files below a directory, with what is in them, as binary strings. */
function readFiles (root: string, below = ''): [name: string, text: string][] {
  return readdirSync(Buffer.from(root + below, 'latin1'), { encoding: 'latin1' }).flatMap(name => {
    const path = `${below}/${name}`
    const whole = Buffer.from(root + path, 'latin1')
    return statSync(whole).isDirectory() ? readFiles(root, path) : [[path, readFileSync(whole, 'latin1')] satisfies [string, string]]
  })
}

for (const [name, router] of Object.entries({
  'as it is': {}, 'with all that it ignores': { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false, useSemicolonDelimiter: true },
})) {
  test(`X-Accel-Redirect to a file of any name, and to none outside: router ${name}`, async () => {
    await using directory = await tempDir()
    const root = directory.file('files')
    writeFiles(root)
    writeFileSync(directory.file('secret'), 'secret')
    let target = ''
    await using recorder = await startRecorder({ answer: exchange => exchange.end(Buffer.from(`X-Accel-Redirect: ${target}\r\n\r\nbody`, 'latin1')) })
    await using gateway = await startGateway({ prefix: '/app', upstreams: recorder.address, internal: { '/files/': root, '/f\u00e9/': root } }, { routerOptions: router })
    for (const base of ['/files/', '/f\xc3\xa9/', '/f%c3%a9/']) {
      for (const [how, write] of Object.entries(WRITTEN)) {
        for (const file of base === '/files/' ? NAMES : NAMES.slice(0, 3)) {
          target = base + write(file)
          const { statusCode, body } = await rawRequest(gateway, get('/app/x'))
          assert.deepEqual([statusCode, body.toString('latin1')], [200, file], `${JSON.stringify(target)}, ${how}`)
        }
      }
      for (const missing of MISSING) {
        target = base + missing
        const { statusCode, body } = await rawRequest(gateway, get('/app/x'))
        assert.equal(statusCode, 404, JSON.stringify(target))
        assert.doesNotMatch(body.toString('latin1'), /secret|files/, JSON.stringify(target))
      }
    }
  })
}

test('a handler that has a path of any bytes from the router gives these bytes', async () => {
  await using directory = await tempDir()
  const root = directory.file('files')
  writeFiles(root)
  await using recorder = await startRecorder({ answer: exchange => exchange.end(Buffer.from(`X-Accel-Redirect: /own/${exchange.request.param('REST') ?? ''}\r\n\r\n`, 'latin1')) })
  await using gateway = await startGateway(async app => {
    await app.register(accel, { trust: () => true, root })
    await app.register(scgi, { prefix: '/app', upstreams: recorder.address, params: { REST: ({ params }) => rest(params) } })
    app.get('/own/*', ({ params }, reply) => reply.header('X-Sendfile', rest(params)).send())
  })
  for (const name of NAMES) {
    // A header that holds nothing beyond a byte is taken for bytes: there a handler that has text gives UTF-8.
    if (/[%?#\\]|^ $|\xa9$/.test(name)) continue
    const { statusCode, body } = await rawRequest(gateway, get(`/app/${escapes(name, /[^/\x21-\x7e]/g)}`))
    assert.deepEqual([statusCode, body.toString('latin1')], [200, name], JSON.stringify(name))
  }
})

function rest (params: unknown): string {
  return typeof params === 'object' && params !== null && '*' in params ? String(params['*']) : ''
}

/** Asked for and stored, or not; by default below what the path decodes to. */
const STORED: [target: string, file: string | undefined][] = [
  ['caf%E9', 'caf\xe9'], ['caf%E8', 'caf\xe8'], ['caf%C3%A9', 'caf\xc3\xa9'], ['%FF%2F%FE', '\xff/\xfe'], ['%ED%B2%80', '\xed\xb2\x80'], ['a%5Cb', 'a\\b'], ['a\\c', 'a\\c'],
  ['a%252Fb', 'a%2Fb'], ['a%25252Fb', 'a%252Fb'], ['a%255Cb', 'a%5Cb'], ['..%5Cz', '..\\z'], ['..%255cz', '..%5cz'], ['%252e%252e%252fz', '%2e%2e%2fz'], ['%C0%AE%C0%AE/z', '\xc0\xae\xc0\xae/z'],
  ['a%20b', 'a b'], ['q%3Fb', 'q?b'], ['x%23b', 'x#b'], ['..x', '..x'], ['s%2Ft', 's/t'], ['u//v', 'u/v'], ['w/../y', 'y'],
  ['..%2Fz', undefined], ['k%2f..%2F..%2fz', undefined], ['a%00', undefined], ['dir%2F', undefined], ['%2Escgi-store-x', undefined],
]
const SLASHES = /%(?:25)*2f|\/\//i

for (const options of [{}, { encodedSlashes: 'keep' }, { mergeSlashes: false }] as const) {
  test(`store: one file for each path of any bytes, none outside: ${JSON.stringify(options)}`, async () => {
    await using directory = await tempDir()
    const echo = (path = ''): Buffer => Buffer.from(`Content-Length: ${path.length}\r\n\r\n${path}`, 'latin1')
    await using recorder = await startRecorder({ answer: exchange => exchange.end(echo(exchange.request.param('PATH_INFO'))) })
    await using gateway = await startGateway(async app => {
      await app.register(scgi, { prefix: '/app', upstreams: recorder.address, store: { root: directory.file('own') }, ...options })
      await app.register(scgi, { prefix: '/fn', upstreams: recorder.address, store: { root: directory.file('given'), path: ({ params }) => rest(params) }, ...options })
    })
    for (const [target] of STORED) {
      for (const prefix of ['/app', '/fn']) await rawRequest(gateway, get(`${prefix}/${target}`))
    }
    // Where slashes are not all the same, what has any is for nobody to find by its decoded name.
    const kept = STORED.filter(([target, file]) => file !== undefined && !('encodedSlashes' in options && SLASHES.test(target)) && !('mergeSlashes' in options && target.includes('//')))
    const expected = kept.map(([, file]) => [`/${file}`, `/${file}`])
    const merged = 'encodedSlashes' in options ? [...expected, ['/u/v', '/u/v']] : expected
    assert.deepEqual(new Map(readFiles(directory.file('own'))), new Map(merged.map(([name = '', text = '']) => [name, text])))
    const given = new Map(readFiles(directory.file('given')))
    for (const name of ['caf\xe9', 'caf\xe8', 'caf\xc3\xa9', '\xff/\xfe', '\xc0\xae\xc0\xae/z']) assert.equal(given.get(`/${name}`)?.replace('%2F', '/'), `/${name}`)
    assert.deepEqual(readdirSync(directory.path).sort(), ['given', 'own'])
  })
}

/** Spellings of what routes `/app/admin/*` and `/app/@admin` stand before, and the status of those with a body that has been read. */
const PAST_GUARDS: [target: string, get: number, post: number][] = [
  ['/app/admin/users', 403, 403], ['/app//admin/users', 403, 400], ['/app/%61dmin/users', 403, 403], ['/app/admin%2Fusers', 403, 400],
  ['/app/admin%2fusers', 403, 400], ['/app%2Fadmin/users', 404, 404], ['/app/x/../admin/users', 403, 400], ['/app/x%2F..%2Fadmin/users', 403, 400],
  ['/app/%2e/admin/users', 403, 400], ['/app/admin//users', 403, 403], ['/app/%40admin', 403, 400], ['/app/c//../admin/users', 403, 400],
  ['http://a/app//admin/users', 403, 400], ['/app/../b', 400, 400], ['/app/%00', 400, 400], ['/app/%zz', 400, 400],
]
/** Spellings of what nothing stands before, and PATH_INFO. */
const PASSED: [target: string, pathInfo: string][] = [
  ['/app/a%20b', '/app/a b'], ['/app//b', '/app/b'], ['/app/a%2Fb', '/app/a/b'], ['/app/a%252Fb', '/app/a%2Fb'], ['/app/a%5Cb', '/app/a\\b'],
  ['/app/a\\b', '/app/a\\b'], ['/app/admin\\users', '/app/admin\\users'], ['/app/x\\..\\admin\\users', '/app/x\\..\\admin\\users'],
  ['/app/caf%C3%A9', '/app/caf\xc3\xa9'], ['/app/a;b', '/app/a;b'], ['/app/~%7E', '/app/~~'],
]
/** The same of paths whose `..` leads nowhere near: what a handler takes from the URL itself is refused by @fastify/reply-from. */
const WITH_DOTS: [target: string, pathInfo: string][] = [['/app/a//../b', '/app/b'], ['/app/a..b/..c', '/app/a..b/..c']]

const HANDLERS: Record<string, (request: FastifyRequest, reply: FastifyReply) => FastifyReply> = {
  'reply.from()': (_request, reply) => reply.from(),
  'reply.from(request.url)': (request, reply) => reply.from(request.url),
}

for (const [name, handler] of Object.entries(HANDLERS)) {
  test(`no spelling of a path goes past a route to the application: ${name}`, async () => {
    await using recorder = await startRecorder()
    await using gateway = await startGateway(async app => {
      await app.register(scgi, { prefix: '/scgi', upstreams: recorder.address, replyFrom: true })
      app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
      for (const guarded of ['/app/admin/*', '/app/@admin']) app.all(guarded, (_request, reply) => reply.code(403).send())
      app.all('/app/*', handler)
    })
    const ask = async (method: string, target: string): Promise<(string | number | undefined)[]> => {
      const body = method === 'POST' ? 'hi' : ''
      const { statusCode } = await rawRequest(gateway, bytes([
        `${method} ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...(body === '' ? [] : ['Content-Length: 2', 'Content-Type: application/octet-stream']),
      ], body))
      const asked = recorder.requests.flatMap(request => [request.param('PATH_INFO'), request.body.toString()])
      recorder.clear()
      return [statusCode, ...asked]
    }
    for (const [target, get, post] of PAST_GUARDS) {
      assert.deepEqual(await ask('GET', target), [get], target)
      assert.deepEqual(await ask('POST', target), [post], target)
    }
    for (const [target, pathInfo] of [...PASSED, ...name === 'reply.from()' ? WITH_DOTS : []]) {
      assert.deepEqual(await ask('GET', target), [200, pathInfo, ''], target)
      assert.deepEqual(await ask('POST', target), [200, pathInfo, 'hi'], target)
    }
  })
}

test('reply.from() reads a path by the rules of the registration', async () => {
  await using recorder = await startRecorder()
  for (const [options, ignoreDuplicateSlashes, target, expected] of [
    [{ encodedSlashes: 'keep' }, false, '/app/a%2Fb', '/app/a%2Fb'], [{ encodedSlashes: 'keep' }, false, '/app/a%252Fb', '/app/a%252Fb'],
    [{ encodedSlashes: 'keep' }, false, '/app/a/b%2F..', '/app/a/b%2F..'], [{ encodedSlashes: 'refuse' }, false, '/app/a%2Fb', 404],
    [{ mergeSlashes: false }, false, '/app//b', '/app//b'], [{ mergeSlashes: false }, true, '/app//b', '/app/b'],
  ] as const) {
    await using gateway = await startGateway(async app => {
      await app.register(scgi, { prefix: '/scgi', upstreams: recorder.address, replyFrom: true, ...options })
      app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
      app.all('/app/*', (_request, reply) => reply.from())
    }, { routerOptions: { ignoreDuplicateSlashes } })
    for (const request of [get(target), bytes([`POST ${target} HTTP/1.1`, 'Host: a', 'Content-Type: a/b', 'Content-Length: 2'], 'hi')]) {
      const { statusCode } = await rawRequest(gateway, request)
      const [asked] = recorder.requests
      recorder.clear()
      assert.equal(asked === undefined ? statusCode : asked.param('PATH_INFO'), expected, `${JSON.stringify(options)} ${target}`)
    }
  }
})

/** Asked of routes, not-found handlers and named locations that pass requests on; SCRIPT_NAME and PATH_INFO of GET, and of POST with a body read. */
const HANDED_ON: [target: string, get: string[] | number, post: string[] | number][] = [
  ['/own/x', ['/own', '/x'], ['/own', '/x']],
  ['/own//x', ['/own', '/x'], ['/own', '/x']],
  ['/own/%78', ['/own', '/x'], ['/own', '/x']],
  ['/own/a%2Fb', ['/own', '/a/b'], ['/own', '/a/b']],
  ['/own/a%252Fb', ['/own', '/a%2Fb'], ['/own', '/a%2Fb']],
  ['/own/a%5Cb', ['/own', '/a\\b'], ['/own', '/a\\b']],
  ['/own/y/../x?q', ['/own', '/x'], ['/own', '/x']],
  ['/own//admin/x', 403, 400],
  ['/own/admin%2Fx', 403, 400],
  ['/id/a%2Fb', ['', '/id/a/b'], 400],
  ['/id//1', ['/id/1', ''], 400],
  ['/given//x', ['/given', '/x'], ['/given', '/x']],
  ['/none//x', ['', '/none/x'], ['', '/none/x']],
  ['/none/a%2Fb', ['', '/none/a/b'], ['', '/none/a/b']],
  ['/none/../own/x', ['/own', '/x'], 400],
  ['/none/../other', ['', '/other'], ['', '/other']],
  ['/none%2F..%2F..', 400, 400],
  ['/sub/none//x', ['', '/sub/none/x'], ['', '/sub/none/x']],
  ['/named/x', ['', '/named/x'], ['', '/named/x']],
  ['/named//x', ['', '/named/x'], ['', '/named/x']],
  ['/named/a%252Fb', ['', '/named/a%2Fb'], ['', '/named/a%2Fb']],
  ['/named/caf%E9', ['', '/named/caf\xe9'], ['', '/named/caf\xe9']],
  ['/named/x/../y%3F?q', ['', '/named/y?'], ['', '/named/y?']],
]

test('reply.scgi() in routes, not-found handlers and named locations: the canonical path, the body, no loop', async () => {
  await using recorder = await startRecorder()
  await using steering = await startRecorder({ answer: 'X-Accel-Redirect: @named\r\n\r\n' })
  const options = { upstreams: recorder.address }
  let runs = 0
  const handOn = (_request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    runs++
    return reply.scgi(options)
  }
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/named', upstreams: steering.address })
    app.scgi.location('@named', handOn)
    app.addContentTypeParser('application/x-read', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.addContentTypeParser('application/x-stream', (_request, body, done) => done(null, body))
    app.all('/own/admin/*', (_request, reply) => reply.code(403).send())
    app.all('/own/*', handOn)
    app.all('/id/:id', handOn)
    app.all('/given/*', (_request, reply) => reply.scgi({ ...options, body: 'hi' }))
    app.setNotFoundHandler(handOn)
    await app.register(async scope => { scope.setNotFoundHandler(handOn) }, { prefix: '/sub' })
  })
  for (const [target, get, read] of HANDED_ON) {
    for (const [type, expected] of [['', get], ['application/x-stream', get], ['application/x-read', read]] as const) {
      runs = 0
      const { statusCode } = await rawRequest(gateway, bytes([
        `${type === '' ? 'GET' : 'POST'} ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...(type === '' ? [] : [`Content-Type: ${type}`, 'Content-Length: 2']),
      ], type === '' ? '' : 'hi'))
      const asked = recorder.requests.map(request => ['SCRIPT_NAME', 'PATH_INFO', 'REQUEST_URI'].map(name => request.param(name)))
      const bodies = recorder.requests.map(({ body }) => body.toString())
      recorder.clear()
      const what = `${target} ${type}`
      assert.ok(runs <= 2, what)
      if (typeof expected === 'number') assert.deepEqual([statusCode, asked], [expected, []], what)
      else assert.deepEqual([statusCode, asked, bodies], [200, [[...expected, target]], [type === '' && !target.startsWith('/given') ? '' : 'hi']], what)
    }
  }
})
