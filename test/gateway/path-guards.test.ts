// No spelling of a path goes past the route that guards it: a generated table of spellings, mounts, routers and guards.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes } from './kit.ts'
import type { FastifyHttpOptions } from 'fastify'
import type { Server } from 'node:http'
import type { FastifyScgiOptions } from '../../types/index.ts'

const LONG = 'x'.repeat(101)

/** Paths below a mount that a guard stands before, and others. */
const PATHS = [
  '/@admin', '/admin/users', '/user/7', `/user/${LONG}-a.b`, `/v${LONG}.2/x`, '/caf\xc3\xa9', '/a;b', '/a b', '/100%', '/user/caf\xe9', '/admin/\xff', '/free/admin/users',
]
/** The guards, as patterns below a mount, and what they stand before. */
const GUARDS: [pattern: string, guarded: RegExp][] = [
  ['/@admin', /^\/@admin$/], ['/admin/*', /^\/admin\//], ['/user/:id', /^\/user\/[^/]+$/], ['/v:major.:minor/x', /^\/v[^/]+\.[^/]+\/x$/], ['/café', /^\/caf\xc3\xa9$/],
  ['/a;b', /^\/a;b$/], ['/a b', /^\/a b$/], ['/100%', /^\/100%$/],
]

const hex = (char: string, upper = false): string => {
  const digits = char.charCodeAt(0).toString(16).padStart(2, '0')
  return '%' + (upper ? digits.toUpperCase() : digits)
}
/** A path as any client would write it. */
const plain = (path: string): string => path.replace(/[^\w/@.;-]/g, char => hex(char, true))

/** The spellings of a path. */
const SPELLINGS: Record<string, (path: string) => string> = {
  plain,
  'all escaped': path => path.replace(/[^/]/g, char => hex(char)),
  'all escaped, upper case': path => path.replace(/[^/]/g, char => hex(char, true)),
  'the first char escaped': path => path.replace(/^\/(.)(.*)/s, (_, first: string, rest: string) => '/' + hex(first) + plain(rest)),
  'the last char escaped': path => plain(path.slice(0, -1)) + hex(path.slice(-1)),
  'escaped twice': path => path.replace(/[^/]/g, char => '%25' + hex(char).slice(1)),
  'escaped slashes': path => '/' + plain(path.slice(1)).replaceAll('/', '%2f'),
  'all slashes escaped': path => plain(path).replaceAll('/', '%2F'),
  'slashes escaped twice': path => '/' + plain(path.slice(1)).replaceAll('/', '%252F'),
  'two slashes': path => plain(path).replaceAll('/', '//'),
  'three slashes, one escaped': path => plain(path).replaceAll('/', '/%2F/'),
  dots: path => plain(path).replaceAll('/', '/./'),
  'escaped dots': path => plain(path).replaceAll('/', '/%2E/'),
  'there and back': path => '/free/..' + plain(path),
  'there and back, escaped': path => '/free/%2e%2E' + plain(path),
  'there and back behind an escaped slash': path => '/free%2f..' + plain(path),
  'dots at the end': path => plain(path) + '/.',
  'back at the end': path => plain(path) + '/x/..',
  'back at the end, to a name': path => plain(path.replace(/[^/]*$/, '')) + 'x/../' + plain(path.replace(/.*\//, '')),
  'a slash at the end': path => plain(path) + '/',
  'two slashes at the end': path => plain(path) + '//',
  'a semicolon at the end': path => plain(path) + ';x',
  'a semicolon first': path => ';' + plain(path),
  'a semicolon behind each slash': path => plain(path).replaceAll('/', ';/'),
  'an escaped semicolon': path => plain(path) + '%3B',
  backslashes: path => '/' + plain(path.slice(1)).replaceAll('/', '\\'),
  'escaped backslashes': path => '/' + plain(path.slice(1)).replaceAll('/', '%5c'),
  'a NUL': path => plain(path) + '%00',
  'a fragment': path => plain(path) + '#',
  'an escaped question mark': path => plain(path) + '%3f',
  'upper case': path => plain(path).toUpperCase(),
  'raw bytes': path => path.replace(/[ %?#;]/g, char => hex(char)),
  'an overlong slash': path => '/' + plain(path.slice(1)).replaceAll('/', '%c0%af'),
  'an overlong dot': path => '/free/%c0%ae%c0%ae' + plain(path),
  'a malformed escape': path => plain(path) + '%',
}

/** Mounts, with what a client asks for. */
const MOUNTS: [prefix: string, base: string][] = [['/', ''], ['/app', '/app'], ['/app/', '/app'], ['/:tenant', '/acme'], ['/:a/:b/', '/one/two']]

type Router = NonNullable<FastifyHttpOptions<Server>['routerOptions']> & { useSemicolonDelimiter?: boolean }
const ROUTERS: Record<string, Router> = {
  'as it is': {},
  ignoreTrailingSlash: { ignoreTrailingSlash: true },
  ignoreDuplicateSlashes: { ignoreDuplicateSlashes: true },
  'caseSensitive: false': { caseSensitive: false },
  useSemicolonDelimiter: { useSemicolonDelimiter: true },
  'maxParamLength: 3': { maxParamLength: 3 },
  'all of it': { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, caseSensitive: false, useSemicolonDelimiter: true, allowUnsafeRegex: true },
}

async function attack (router: Router, options: Partial<FastifyScgiOptions>, mounts: typeof MOUNTS): Promise<number> {
  await using recorder = await startRecorder()
  let asked = 0
  for (const [prefix, base] of mounts) {
    const pattern = prefix.replace(/\/$/, '')
    await using gateway = await startGateway(app => {
      const guard = { upstreams: recorder.address, params: { GUARD: '1' }, ...options }
      for (const [below] of GUARDS) app.all(pattern + below, (_request, reply) => reply.scgi(guard))
      app.register(scgi, { prefix, upstreams: recorder.address, ...options })
    }, { routerOptions: router, logger: false })
    let client = await RawClient.connect(gateway)
    for (const path of PATHS) {
      for (const [name, spell] of Object.entries(SPELLINGS)) {
        const spelt = base + spell(path)
        if (!spelt.startsWith('/')) continue
        for (const target of name === 'plain' ? [spelt, `http://gateway.test${spelt}`, spelt.replaceAll('/', '//')] : [spelt]) {
          const { statusCode, headers } = await client.request(bytes([`GET ${target} HTTP/1.1`, 'Host: gateway.test']))
          if (headers.some(([name, value]) => name.toLowerCase() === 'connection' && value === 'close') || statusCode === 400) {
            client.destroy()
            client = await RawClient.connect(gateway)
          }
          asked++
          for (const request of recorder.requests) {
            const document = `${request.param('SCRIPT_NAME') ?? ''}${request.param('PATH_INFO') ?? ''}`
            const info = document.slice(base.length)
            // The guard /a;b is none where a semicolon ends the path.
            const guarded = GUARDS.some(([below, paths]) => paths.test(router.caseSensitive === false ? info.toLowerCase() : info) &&
              !(router.useSemicolonDelimiter === true && below.includes(';')))
            assert.ok(!guarded || request.param('GUARD') === '1', `${JSON.stringify(target)} (${name}) as ${JSON.stringify(document)}, ${statusCode}, mount ${prefix}`)
            assert.equal(request.param('REQUEST_URI'), target.replace('http://gateway.test', '') || '/')
          }
          recorder.clear()
        }
      }
    }
    client.destroy()
  }
  return asked
}

// The forms of a mount with the router as it is; the options of the router, and ours, with one form each.
const BY_ROUTER: Record<string, string[]> = { 'as it is': ['/', '/app/', '/:a/:b/'], 'all of it': ['/:tenant'] }

for (const [name, router] of Object.entries(ROUTERS)) {
  test(`no spelling goes past a guard: router ${name}`, async () => {
    const prefixes = BY_ROUTER[name] ?? ['/app/']
    assert.ok(await attack(router, {}, MOUNTS.filter(([prefix]) => prefixes.includes(prefix))) > 350 * prefixes.length)
  })
}

for (const options of [{ encodedSlashes: 'keep' }, { encodedSlashes: 'refuse' }, { mergeSlashes: false }, { encodedSlashes: 'keep', mergeSlashes: false }] as const) {
  test(`no spelling goes past a guard: ${JSON.stringify(options)}`, async () => {
    assert.ok(await attack({}, options, MOUNTS.filter(([prefix]) => prefix === '/app')) > 350)
  })
}
