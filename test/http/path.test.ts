import { once } from 'node:events'
import { get } from 'node:http'
import { json } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import Fastify from 'fastify'
import { splitPath, type PathRules } from '../../lib/routing/canonical-path.ts'
import { hasDotSegment, leadsUpwards, mountSegments, queryString, requestUri } from '../../lib/http/path.ts'

/** `[SCRIPT_NAME, PATH_INFO]`, or the error. */
function split (target: string, segments: number, rules?: PathRules): [string, string] | string {
  const parts = splitPath(target, segments, rules)
  if ('error' in parts) return parts.error
  assert.equal(parts.scriptName + parts.pathInfo, parts.documentUri)
  return [parts.scriptName, parts.pathInfo]
}

/** UTF-8 bytes, one char a byte. */
const binary = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

describe('mountSegments', () => {
  const rows: [string, number][] = [
    ['/scgi-bin/*', 1],
    ['/a/b/*', 2],
    ['/*', 0],
    ['*', 0],
    ['/', 0],
    ['', 0],
    ['/app', 1],
    ['/app/', 1],
    ['/a/b', 2],
    ['/a/:b/*', 2],
    ['/:a/:b', 2],
    ['/:file(^\\d+/x).png/*', 1],
    ['/:file(^a(b/c)(d/e)\\)/f$)/*', 1],
    ['/:at(.*)/*', 1],
    ['/:at(.*)', 1],
    ['/:from-:to/*', 1],
    ['/:from(^\\d/x)-:to(^y/\\d)/*', 1],
    ['/a::b/c/*', 2],
    // Not behind a parameter's name, a parenthesis is a char like others.
    ['/a(b/c)/*', 2],
    ['/:a-(b/c)/*', 2],
    ['/img-*', 0],
    ['/a/img-*', 1],
    ['/:a-*', 1],
    ['/a/:b?', 2],
  ]
  for (const [pattern, segments] of rows) {
    test(`${pattern} has ${segments}`, () => assert.equal(mountSegments(pattern), segments))
  }

  test("agrees with Fastify's router on what the wildcard gets", async (t) => {
    const routes = ['/scgi-bin/*', '/a/:b/*', '/:from(^\\d+)-:to/*', '/x::y/*', '/*']
    const targets = [
      '/scgi-bin/q/r', '/scgi-bin/', '/a/b/c/d', '/a//c', '//a/b', '/a/b/', '/1-2/z', '/x:y/q', '/SCGI-BIN/x', '/%73cgi-bin/x/y?z=/z',
      'http://h/scgi-bin/x/y', 'http://h?/scgi-bin/x',
    ]
    const app = Fastify({ routerOptions: { caseSensitive: false } })
    t.after(() => app.close())
    for (const url of routes) app.get<{ Params: { '*': string } }>(url, (request) => ({ url, rest: request.params['*'] }))
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
    const served = new Set<unknown>()
    for (const target of targets) {
      const [response] = await once(get({ host: '127.0.0.1', port, path: target, agent: false }), 'response')
      const { url, rest } = await json(response) as { url: string, rest: string }
      served.add(url)
      const [, pathInfo] = split(target, mountSegments(url), { encodedSlashes: 'decode', mergeSlashes: false })
      assert.equal(pathInfo, '/' + rest, `${target} by ${url}`)
    }
    assert.deepEqual(served, new Set(routes))
  })
})

describe('splitPath', () => {
  const rows: [what: string, target: string, segments: number, expected: [string, string] | RegExp][] = [
    ['the mount exactly', '/app', 1, ['/app', '']],
    ['the mount with a query', '/app?x=/y', 1, ['/app', '']],
    ['the mount and a slash', '/app/', 1, ['/app', '/']],
    ['below the mount', '/app/a/b', 1, ['/app', '/a/b']],
    ['a slash at the end stays', '/app/a/', 1, ['/app', '/a/']],
    ['at the root', '/', 0, ['', '/']],
    ['below the root', '/a/b?c', 0, ['', '/a/b']],
    ['two segments', '/a/b/c', 2, ['/a/b', '/c']],
    ['fewer segments than the pattern (optional parameter)', '/a', 2, ['/a', '']],
    ['another case', '/SCGI-Bin/x', 1, ['/SCGI-Bin', '/x']],
    ['an encoded mount', '/%73cgi-bin/a', 1, ['/scgi-bin', '/a']],
    ['an escaped space', '/scgi-bin/a%20b/c', 1, ['/scgi-bin', '/a b/c']],
    ['an escaped question mark', '/app/a%3Fb?c', 1, ['/app', '/a?b']],
    ['an escaped percent sign', '/app/100%25', 1, ['/app', '/100%']],
    ['decoded once only', '/app/%2541', 1, ['/app', '/%41']],
    ['plus is no space', '/app/a+b', 1, ['/app', '/a+b']],
    ['UTF-8', '/app/caf%C3%A9', 1, ['/app', binary('/café')]],
    ['not UTF-8', '/app/%ff%FE%80', 1, ['/app', '/\xff\xfe\x80']],
    ['raw bytes', '/app/\xe9\xff', 1, ['/app', '/\xe9\xff']],
    ['raw bytes beside escapes', '/\xe9/%e9\xe9', 1, ['/\xe9', '/\xe9\xe9']],
    ['chars that are no bytes', '/ä/ł%20é', 1, [binary('/ä'), binary('/ł é')]],
    ['an encoded slash', '/app/a%2Fb%2fc', 1, ['/app', '/a/b/c']],
    ['an encoded slash beside others', '/app/%41%2F%42', 1, ['/app', '/A/B']],
    ['an encoded slash in the mount', '/a%2fb/c', 1, ['/a', '/b/c']],
    ['an encoded slash behind dots', '/app/a/..%2Fx', 1, ['/app', '/x']],
    ['an encoded slash behind dots that leave the mount', '/app/..%2Fx', 1, /leaves/],
    ['a name that holds an encoded slash', '/app/a%252Fb', 1, ['/app', '/a%2Fb']],
    ['chars that stand for bytes', '/app/caf\udce9/\ud83d\udc80', 1, ['/app', `/caf\xe9/${binary('\u{1f480}')}`]],
    ['NUL', '/app/a%00b', 1, /NUL/],
    ['NUL in the mount', '/a%00/b', 1, /NUL/],
    ['raw NUL', '/app/a\0b', 1, /NUL/],
    ['an escape cut short', '/app/a%4', 1, /malformed/],
    ['a lone percent sign', '/app/a%', 1, /malformed/],
    ['an escape that is not hexadecimal', '/app/%zz', 1, /malformed/],
    ['an escape with a hexadecimal look', '/app/%0x41', 1, /malformed/],
    ['an escape of half a digit', '/app/%4g', 1, /malformed/],
    ['a malformed escape in the mount', '/%g1/a', 1, /malformed/],
    ['a dot', '/app/./a', 1, ['/app', '/a']],
    ['a dot at the end', '/app/a/.', 1, ['/app', '/a/']],
    ['only a dot', '/app/.', 1, ['/app', '/']],
    ['two dots', '/app/a/../b', 1, ['/app', '/b']],
    ['two dots at the end', '/app/a/b/..', 1, ['/app', '/a/']],
    ['two dots back to the mount', '/app/a/..', 1, ['/app', '/']],
    ['encoded dots', '/app/a/%2e%2E/b/%2e/c', 1, ['/app', '/b/c']],
    ['half encoded dots', '/app/a/.%2e/b', 1, ['/app', '/b']],
    ['three dots are a name', '/app/.../a', 1, ['/app', '/.../a']],
    ['a hidden file', '/app/.well-known/x', 1, ['/app', '/.well-known/x']],
    ['two dots out of the mount', '/app/..', 1, /leaves/],
    ['two dots out of the mount and in again', '/app/../app/a', 1, /leaves/],
    ['two dots deeper, out of the mount', '/app/a/../../b', 1, /leaves/],
    ['encoded dots out of the mount', '/app/%2e%2e/b', 1, /leaves/],
    ['two dots at the root', '/..', 0, /leaves/],
    ['two dots in the query are none of ours', '/app/a?../..', 1, ['/app', '/a']],
    ['two dots as parameter', '/../a', 1, /above/],
    ['encoded dots as parameter', '/x/%2e%2e/a', 2, /above/],
    ['a dot as parameter', '/./a', 1, /above/],
    ['repeated slashes', '/app//a///b/', 1, ['/app', '/a/b/']],
    ['repeated slashes, encoded', '/app/%2fa/%2F/b%2f/', 1, ['/app', '/a/b/']],
    ['repeated slashes at the root', '//host/a', 0, ['', '/host/a']],
    ['nothing but slashes', '///', 0, ['', '/']],
    ['two dots after repeated slashes', '/app/a//../b', 1, ['/app', '/b']],
    ['two dots after repeated slashes, out of the mount', '/app//../a', 1, /leaves/],
    ['a fragment', '/app/a#b', 1, ['/app', '/a']],
    ['a fragment before a question mark', '/app/a#b?c', 1, ['/app', '/a']],
    ['absolute-form', 'http://h:8080/app/a?b', 1, ['/app', '/a']],
    ['absolute-form, upper case', 'HTTPS://h/app/a', 1, ['/app', '/a']],
    ['absolute-form with userinfo', 'http://u:p@h/app/a', 1, ['/app', '/a']],
    ['absolute-form without path', 'http://h', 0, ['', '/']],
    ['absolute-form without path, a path in the query', 'http://h?x=/app/a', 0, ['', '/']],
    ['absolute-form without authority', 'http:///app/a', 1, /neither/],
    ['another scheme', 'ftp://h/app/a', 1, /neither/],
    ['authority-form', 'h:443', 0, /neither/],
    ['no slash first', 'app/a', 1, /neither/],
    ['nothing', '', 0, /neither/],
    ['OPTIONS *', '*', 0, ['', '*']],
  ]
  for (const [what, target, segments, expected] of rows) {
    test(`${what}: ${JSON.stringify(target)}`, () => {
      const result = split(target, segments)
      if (expected instanceof RegExp) {
        assert.equal(typeof result, 'string', `split into ${JSON.stringify(result)}`)
        assert.match(String(result), expected)
      } else assert.deepEqual(result, expected)
    })
  }

  test('mergeSlashes: false', () => {
    const rules: PathRules = { encodedSlashes: 'decode', mergeSlashes: false }
    for (const [target, segments, ...expected] of [
      ['//app///a//b%20c//', 1, '/', '/app///a//b c//'],
      ['/app//a///b/', 1, '/app', '//a///b/'],
      ['//host/a', 0, '', '//host/a'],
      ['/app//../a', 1, '/app', '/a'],
      ['/app/a//../b', 1, '/app', '/a/b'],
      ['//', 0, '', '//'],
    ] as const) {
      assert.deepEqual(split(target, segments, rules), expected, target)
    }
  })

  test("encodedSlashes: 'keep' and 'refuse'", () => {
    const rules: PathRules = { encodedSlashes: 'keep', mergeSlashes: true }
    for (const [target, ...expected] of [
      ['/app/a%2Fb%2fc', '/app', '/a%2Fb%2Fc'],
      ['/app/a%252Fb', '/app', '/a%252Fb'],
      ['/app/a%25%32fb', '/app', '/a%252fb'],
      ['/app/a%25252Fb', '/app', '/a%25252Fb'],
      ['/app/100%25', '/app', '/100%'],
      ['/app/..%2Fx', '/app', '/..%2Fx'],
      ['/a%2fb/c', '/a%2Fb', '/c'],
    ] as const) assert.deepEqual(split(target, 1, rules), expected, target)
    assert.match(String(split('/app/a%2fb', 1, { ...rules, encodedSlashes: 'refuse' })), /escaped slash/)
    assert.deepEqual(split('/app/a%252fb', 1, { ...rules, encodedSlashes: 'refuse' }), ['/app', '/a%2fb'])
  })
})

describe('queryString and requestUri', () => {
  const rows: [target: string, uri: string, query: string][] = [
    ['/a', '/a', ''],
    ['/a?', '/a?', ''],
    ['/a?b=c&d=%20?e', '/a?b=c&d=%20?e', 'b=c&d=%20?e'],
    ['//a/../%61?x', '//a/../%61?x', 'x'],
    ['/a?b#c', '/a?b#c', 'b'],
    ['/a#b?c', '/a#b?c', ''],
    ['http://H:80/a/%41?b', '/a/%41?b', 'b'],
    ['http://h', '/', ''],
    ['http://h?b=/c', '/?b=/c', 'b=/c'],
    ['*', '*', ''],
  ]
  for (const [target, uri, query] of rows) {
    test(target, () => {
      assert.equal(requestUri(target), uri)
      assert.equal(queryString(target), query)
    })
  }
})

test('dot segments are found wherever they stand, and nothing else is one', () => {
  const rows: [path: string, up: boolean, upOnWindows: boolean, dot: boolean][] = [
    ['', false, false, false], ['/', false, false, false], ['..', true, true, true], ['.', false, false, true], ['/..', true, true, true],
    ['/a/../b', true, true, true], ['/a/./b', false, false, true], ['../a', true, true, true], ['/a/..', true, true, true],
    ['/a..', false, false, false], ['/..a', false, false, false], ['/...', false, false, false], ['/.a/b.', false, false, false],
    ['a\\..\\b', false, true, false], ['..\\a', false, true, false], ['/%2e%2e/', false, false, false],
  ]
  for (const [path, up, upOnWindows, dot] of rows) {
    assert.equal(leadsUpwards(path), up, path)
    assert.equal(leadsUpwards(path, '/'), up, path)
    assert.equal(leadsUpwards(path, '\\'), upOnWindows, path)
    assert.equal(hasDotSegment(path), dot, path)
  }
})
