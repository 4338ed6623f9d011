// How the sessions of a group are configured.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Group } from '../../lib/balancer/group.ts'
import { readSticky } from '../../lib/group/sticky-options.ts'
import { createUpstreams } from '../../lib/group/server-group.ts'
import type { DispatchOptions } from '../../types/dispatcher.ts'
import type { GroupOptions, ResponseHead, StickyOptions } from '../../types/index.ts'

const secret = '0123456789abcdef'
const HEAD: ResponseHead = { statusCode: 200, statusMessage: '', headers: {}, rawHeaders: [], contentLength: -1, chunked: false, nph: false }

/** The cookie that one server of three sets. */
function cookieOf (cookie: Extract<StickyOptions, { cookie: unknown }>['cookie'], source?: unknown): string | undefined {
  const sticky = readSticky('sticky', { cookie })?.<number>()
  const group = new Group<number>({ name: 'g', peers: [{ name: '127.0.0.1:9101', target: 1 }, { name: '127.0.0.1:9102', target: 2 }], sticky })
  const selection = group.begin({ source })
  const peer = selection.next()
  assert.ok(peer !== undefined && sticky !== undefined)
  return sticky.answered({ source }, group.servers, peer, HEAD)
}

test('a cookie as it comes, and with everything', () => {
  assert.match(cookieOf({ name: 'srv', secret }) ?? '', /^srv=[\w-]{43}; httponly; path=\/$/)
  assert.equal(cookieOf({ name: 'srv', nginxSid: true, httpOnly: false, path: '' }), 'srv=1fcb7e810098aceacd231d9d55434642')
  assert.equal(cookieOf({ name: 'srv', nginxSid: true, expires: 'max', domain: '.a.test', path: '/x', secure: true, sameSite: 'none' }),
    'srv=1fcb7e810098aceacd231d9d55434642; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000; domain=.a.test; httponly; secure; samesite=none; path=/x')
  assert.match(cookieOf({ name: 'srv', secret, expires: '1y', domain: ({ host }) => host, sameSite: () => 'x' }, { host: 'b.test' }) ?? '',
    /; expires=\w{3}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT; max-age=31536000; domain=b\.test; httponly; samesite=strict; path=\/$/)
  assert.match(cookieOf({ name: 'srv', secret, expires: '90s' }) ?? '', /max-age=90;/)
  const [one, other] = [secret, Buffer.from(secret)].map(key => cookieOf({ name: 'srv', secret: key }))
  assert.equal(one, other)
  assert.equal(cookieOf({ name: 'srv', secret: [secret, 'another one of those'] }), one)
})

test('every kind is accepted, in a group for a gateway and in one for a dispatcher', () => {
  const kinds: StickyOptions[] = [
    { cookie: { name: 'srv', secret } },
    { route: [request => request.headers['x-route']?.toString(), request => request.url] },
    { learn: { create: (_request, { headers }) => String(headers['x-session']), lookup: 'sid', timeout: '1h', maxEntries: 5 } },
    { apache: { cookie: 'JSESSIONID', param: 'jsessionid', separator: '!' }, failover: false },
    { apache: { param: 'jsessionid', separator: false } },
  ]
  for (const sticky of kinds) {
    const options: GroupOptions = { servers: ['127.0.0.1:1'], sticky }
    createUpstreams(options)
  }
  createUpstreams<DispatchOptions>({ servers: ['127.0.0.1:1'], sticky: { route: [({ path }) => path] } })
  assert.equal(readSticky('sticky', undefined), undefined)
  assert.equal(readSticky('sticky', { apache: { cookie: 'x' } })?.().failover, true)
  assert.equal(readSticky('sticky', { apache: { cookie: 'x' }, failover: false })?.().failover, false)
})

test('what it does not take is refused by name, and no secret is shown', () => {
  const wrong: [unknown, string, RegExp][] = [
    [7, 'INVALID', /'upstreams\.sticky'/],
    [{}, 'INVALID', /'upstreams\.sticky' is \{\}, expected one of \{ cookie \}, \{ route \}, \{ learn \}, \{ apache \}/],
    [{ failover: false }, 'INVALID', /'upstreams\.sticky'/],
    [{ cookie: { name: 'a', secret }, route: [() => 'x'] }, 'INVALID', /'upstreams\.sticky'/],
    [{ cookies: {} }, 'UNKNOWN', /'upstreams\.sticky\.cookies'/],
    [{ toString: {} }, 'UNKNOWN', /'upstreams\.sticky\.toString'/],
    [{ route: [() => 'x'], failover: 1 }, 'INVALID', /sticky\.failover/],
    [{ cookie: 'srv' }, 'INVALID', /sticky\.cookie'/],
    [{ cookie: { name: 'srv' } }, 'INVALID', /sticky\.cookie\.secret' is undefined, expected a string or Buffer of 16 bytes or more/],
    [{ cookie: { name: 'srv', secret: 'my-short-one' } }, 'INVALID', /sticky\.cookie\.secret/],
    [{ cookie: { name: 'srv', secret: [] } }, 'INVALID', /sticky\.cookie\.secret/],
    [{ cookie: { name: 'srv', secret: [secret, 'my-short-one'] } }, 'INVALID', /sticky\.cookie\.secret/],
    [{ cookie: { name: 'srv', secret: 7 } }, 'INVALID', /sticky\.cookie\.secret/],
    [{ cookie: { name: 'srv', secret, nginxSid: true } }, 'UNSUPPORTED', /sticky\.cookie\.secret/],
    [{ cookie: { name: 'srv', nginxSid: 1 } }, 'INVALID', /sticky\.cookie\.nginxSid/],
    [{ cookie: { secret } }, 'INVALID', /sticky\.cookie\.name/],
    [{ cookie: { name: 'a b', secret } }, 'INVALID', /sticky\.cookie\.name/],
    [{ cookie: { name: 'srv', secret, expires: 'min' } }, 'INVALID', /sticky\.cookie\.expires/],
    [{ cookie: { name: 'srv', secret, expires: 999 } }, 'INVALID', /sticky\.cookie\.expires/],
    [{ cookie: { name: 'srv', secret, expires: '99999y' } }, 'INVALID', /sticky\.cookie\.expires/],
    [{ cookie: { name: 'srv', secret, domain: 'a;b' } }, 'INVALID', /sticky\.cookie\.domain/],
    [{ cookie: { name: 'srv', secret, path: '/a;b' } }, 'INVALID', /sticky\.cookie\.path/],
    [{ cookie: { name: 'srv', secret, path: '/a\r\nb' } }, 'INVALID', /sticky\.cookie\.path/],
    [{ cookie: { name: 'srv', secret, sameSite: 'Strict' } }, 'INVALID', /sticky\.cookie\.sameSite/],
    [{ cookie: { name: 'srv', secret, sameSite: 'none' } }, 'UNSUPPORTED', /sticky\.cookie\.sameSite/],
    [{ cookie: { name: 'srv', secret, maxAge: 1 } }, 'UNKNOWN', /sticky\.cookie\.maxAge/],
    [{ route: [] }, 'INVALID', /sticky\.route/],
    [{ route: () => 'x' }, 'INVALID', /sticky\.route/],
    [{ route: ['x'] }, 'INVALID', /sticky\.route/],
    [{ learn: {} }, 'INVALID', /sticky\.learn\.create/],
    [{ learn: { create: 'sid' } }, 'INVALID', /sticky\.learn\.lookup/],
    [{ learn: { create: 'a b', lookup: 'sid' } }, 'INVALID', /sticky\.learn\.create/],
    [{ learn: { create: 'sid', lookup: 'sid', timeout: 0 } }, 'INVALID', /sticky\.learn\.timeout/],
    [{ learn: { create: 'sid', lookup: 'sid', maxEntries: 0 } }, 'INVALID', /sticky\.learn\.maxEntries/],
    [{ learn: { create: 'sid', lookup: 'sid', zone: 'x' } }, 'UNKNOWN', /sticky\.learn\.zone/],
    [{ apache: {} }, 'INVALID', /sticky\.apache/],
    [{ apache: { cookie: 'a=b' } }, 'INVALID', /sticky\.apache\.cookie/],
    [{ apache: { param: 7 } }, 'INVALID', /sticky\.apache\.param/],
    [{ apache: { cookie: 'a', separator: '..' } }, 'INVALID', /sticky\.apache\.separator/],
    [{ apache: { cookie: 'a', separator: true } }, 'INVALID', /sticky\.apache\.separator/],
  ]
  for (const [sticky, code, message] of wrong) {
    assert.throws(() => Reflect.apply(createUpstreams, undefined, [{ servers: ['127.0.0.1:1'], sticky }]), (error: Error & { code?: string }) => {
      assert.equal(error.code, `FST_SCGI_OPT_${code}`, error.message)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /my-short-one/)
      return true
    }, JSON.stringify(sticky))
  }
})
