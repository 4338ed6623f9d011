// The gateway's own cookie: what is in it, how it is written, how it is read.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { cookieDate, setCookieLine } from '../../lib/balancer/sticky/cookie-attributes.ts'
import { cookieValue } from '../../lib/balancer/sticky/cookies.ts'
import { hmacSid, nginxSid, StickyCookie } from '../../lib/balancer/sticky/cookie.ts'
import type { CookieOptions } from '../../lib/balancer/sticky/cookie.ts'

const PLAIN = { expires: undefined, domain: undefined, path: undefined, httpOnly: false, secure: false, sameSite: undefined }
const SECRET = 'an example of a secret'

function server (name: string, route?: string) {
  return { name, route }
}

function cookie (options: Partial<CookieOptions> = {}): StickyCookie {
  return new StickyCookie({ name: 'srv', sid: hmacSid([SECRET]), ...PLAIN, ...options })
}

test("nginx's values: the MD5 of the address, or the route", () => {
  for (const [name, md5] of [
    ['127.0.0.1:9101', '1fcb7e810098aceacd231d9d55434642'],
    ['127.0.0.1:9102', '49d93890628afec4f1964241841ebd2a'],
    ['[::1]:9101', 'f908ac171501b0fece0ecedd3eb941a3'],
    ['unix:/run/app.sock', '939db79304b0f599c2c20969650359ab'],
  ] as const) assert.deepEqual(nginxSid(server(name)), [md5])
  assert.deepEqual(nginxSid(server('127.0.0.1:9101', 'a')), ['a'])
})

test('our values: HMAC-SHA256 of the route or the address, in base64url; nothing of the server can be read in them', () => {
  const expected = createHmac('sha256', SECRET).update('127.0.0.1:9101').digest('base64url')
  assert.deepEqual(hmacSid([SECRET])(server('127.0.0.1:9101')), [expected])
  assert.match(expected, /^[\w-]{43}$/)
  assert.deepEqual(hmacSid([SECRET])(server('127.0.0.1:9101', 'a')), [createHmac('sha256', SECRET).update('a').digest('base64url')])
  // RFC 4231, test case 2.
  assert.equal(Buffer.from(hmacSid(['Jefe'])(server('what do ya want for nothing?'))[0] ?? '', 'base64url').toString('hex'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
  const [now, before] = hmacSid(['the secret of now.', SECRET])(server('127.0.0.1:9101'))
  assert.notEqual(now, expected)
  assert.equal(before, expected)
})

test('attributes in the order and the spelling of nginx', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5)
  const all = { expires: 3_600_000, domain: 'a.test', path: '/x', httpOnly: true, secure: true, sameSite: 'lax' }
  assert.equal(setCookieLine('srv', 'v', PLAIN, now), 'srv=v')
  assert.equal(setCookieLine('srv', 'v', all, now),
    'srv=v; expires=Fri, 02-Jan-26 04:04:05 GMT; max-age=3600; domain=a.test; httponly; secure; samesite=lax; path=/x')
  assert.equal(setCookieLine('srv', 'v', { ...PLAIN, expires: 'max' }, now), 'srv=v; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000')
  assert.equal(cookieDate(Date.UTC(2037, 11, 31, 23, 55, 55)), 'Thu, 31-Dec-37 23:55:55 GMT')
  assert.equal(cookieDate(Date.UTC(2038, 0, 1)), 'Fri, 01-Jan-2038 00:00:00 GMT')
  assert.equal(cookieDate(Date.UTC(2000, 1, 29, 9, 8, 7)), 'Tue, 29-Feb-00 09:08:07 GMT')
})

test('set with every reply, whatever the client has', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5)
  const line = (options: Partial<CookieOptions>, header: string | undefined): string | undefined =>
    cookie({ now: () => now, ...options }).setCookie({ cookie: header }, 'A')
  for (const expires of [undefined, 'max'] as const) {
    assert.match(line({ expires }, undefined) ?? '', /^srv=A/)
    assert.match(line({ expires }, 'srv=B') ?? '', /^srv=A/)
    assert.match(line({ expires }, 'srv=AA') ?? '', /^srv=A/)
    assert.match(line({ expires }, 'x=y; srv=A') ?? '', /^srv=A/)
  }
  assert.match(line({ expires: 1000 }, 'srv=A') ?? '', /^srv=A; expires=Fri, 02-Jan-26 03:04:06 GMT; max-age=1$/)
})

test("secure: 'auto' is that of the client's connection", () => {
  for (const secure of [true, false]) {
    assert.equal(cookie({ secure: 'auto' }).setCookie({ secure }, 'A'), secure ? 'srv=A; secure' : 'srv=A')
    assert.equal(cookie({ secure: true }).setCookie({ secure }, 'A'), 'srv=A; secure')
  }
})

test('domain and samesite of the request', () => {
  const options = { domain: (request: unknown) => request === 'x' ? '' : String(request), sameSite: (request: unknown) => request === 'x' ? undefined : 'Odd' }
  assert.equal(cookie(options).setCookie({ source: 'a.test' }, 'A'), 'srv=A; domain=a.test; samesite=strict')
  assert.equal(cookie(options).setCookie({ source: 'x' }, 'A'), 'srv=A')
  assert.equal(cookie({ sameSite: () => 'None' }).setCookie({}, 'A'), 'srv=A; samesite=none')
  assert.throws(() => cookie(options).setCookie({ source: 'a; secure' }, 'A'), /sticky\.cookie\.domain/)
  assert.throws(() => cookie(options).setCookie({ source: 'a\r\nb: c' }, 'A'), /sticky\.cookie\.domain/)
})

test('a server whose route was changed has another value', () => {
  const policy = cookie()
  const changing = { name: 'x', route: 'a' }
  const [first] = policy.names(changing)
  assert.equal(policy.names(changing)[0], first)
  changing.route = 'b'
  assert.notEqual(policy.names(changing)[0], first)
})

test('reads the first cookie of the name, and no other', () => {
  for (const [header, value] of [
    [undefined, undefined], ['', undefined], ['srv', undefined], ['srv=', ''], ['srv=a', 'a'], ['a=b; srv=c; srv=d', 'c'], ['a=b;srv=c', 'c'],
    [' srv = c ', 'c'], ['xsrv=a', undefined], ['srvx=a', undefined], ['x=srv=a', undefined], ['x=srv; srv=b', 'b'], ['SRV=a', undefined],
    ['srv=a=b', 'a=b'], [';;; ; srv=a;', 'a'], ['srv="a"', '"a"'], ['a=b, srv=c', undefined], ['a b srv=c', undefined], ['srv srv=c', undefined],
    ['srv;=a', undefined], ['srv;srv=a', 'a'], ['=srv;=; srv=1', '1'], ['\tsrv\t=\ta', 'a'],
  ] as const) assert.equal(cookieValue(header, 'srv'), value, String(header))
  // Apache's rules: commas and blanks separate too.
  for (const [header, value] of [['a=b, srv=c', 'c'], ['a=b,srv=c,d=e', 'c'], ['a b srv=c', 'c'], ['srv=c, d', 'c'], ['xsrv=a', undefined], ['x=srv=a', undefined]] as const) {
    assert.equal(cookieValue(header, 'srv', true), value, header)
  }
})

test('reads any header: as a plain reader does, and a huge one in no time', () => {
  const plain = (header: string): string | undefined => {
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=')
      if (equals >= 0 && pair.slice(0, equals).replace(/^[ \t]+|[ \t]+$/g, '') === 's') return pair.slice(equals + 1).trim()
    }
    return undefined
  }
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom('s', '=', ';', ' ', '\t', ',', 'x', '"', 'é'), maxLength: 20 }), header => {
    assert.equal(cookieValue(header, 's'), plain(header))
  }), { numRuns: 3000 })
  for (const header of ['s'.repeat(1e6), ' '.repeat(1e6), `s${' '.repeat(1e6)}`, 's '.repeat(5e5), 's=;'.repeat(3e5), ';s'.repeat(5e5), `${'x=y; '.repeat(2e5)}t=1`]) {
    const begun = process.hrtime.bigint()
    cookieValue(header, 's')
    cookieValue(header, 't', true)
    assert.ok(process.hrtime.bigint() - begun < 1_000_000_000n)
  }
})
