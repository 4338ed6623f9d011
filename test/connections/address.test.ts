// Addresses of SCGI servers, as they are written and as they are resolved.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { literalAddress, needsLookup, parseAddress, resolveAddress } from '../../lib/connections/address.ts'

/** Host, port, socket, path and whether it needs a lookup. */
function read (text: string): unknown[] {
  const parsed = parseAddress('upstreams', text)
  return [parsed.hostname, parsed.port, parsed.socketPath, parsed.pathPrefix, needsLookup(parsed)]
}

test('every form of an address', () => {
  const forms: [string, unknown[]][] = [
    ['127.0.0.1:4001', ['127.0.0.1', 4001, undefined, '', false]],
    ['127.0.0.1', ['127.0.0.1', 4000, undefined, '', false]],
    ['localhost', ['localhost', 4000, undefined, '', true]],
    ['localhost:1', ['localhost', 1, undefined, '', true]],
    ['app_1.internal:65535', ['app_1.internal', 65535, undefined, '', true]],
    ['[::1]:4001', ['::1', 4001, undefined, '', false]],
    ['[::1]', ['::1', 4000, undefined, '', false]],
    ['[fe80::1%eth0]:4001', ['fe80::1%eth0', 4001, undefined, '', false]],
    ['scgi://127.0.0.1', ['127.0.0.1', 4000, undefined, '', false]],
    ['scgi://127.0.0.1:4001/', ['127.0.0.1', 4001, undefined, '', false]],
    ['SCGI://Example:4001/app/', ['Example', 4001, undefined, '/app', true]],
    ['scgi://[::1]/a/b', ['::1', 4000, undefined, '/a/b', false]],
    ['scgi://a/%C3%A4%20b', ['a', 4000, undefined, '/\u00c3\u00a4 b', true]],
    ['unix:/run/app.sock', [undefined, 0, '/run/app.sock', '', false]],
    ['UNIX:/run/app.sock', [undefined, 0, '/run/app.sock', '', false]],
    ['unix:relative.sock', [undefined, 0, 'relative.sock', '', false]],
    ['unix:/run/app.sock|scgi://name/', [undefined, 0, '/run/app.sock', '', false]],
    ['unix:/run/app.sock|scgi://name/path/', [undefined, 0, '/run/app.sock', '/path', false]],
    ['unix:/run/app.sock|scgi://name', [undefined, 0, '/run/app.sock', '', false]],
    ['unix:/run/app.sock|scgi:', [undefined, 0, '/run/app.sock', '', false]],
    ['unix:/run/a:b.sock', [undefined, 0, '/run/a:b.sock', '', false]],
  ]
  for (const [text, expected] of forms) assert.deepEqual(read(text), expected, text)
})

test('what is no address is refused, by the name of the option', () => {
  const wrong: unknown[] = [
    '', ' ', 'a b', '127.0.0.1:', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:x', '127.0.0.1:-1', ':4000', '::1', '::1:4000', '[127.0.0.1]:4000',
    '[::1', '[::1]x', '[]', 'user@host:4000', 'host/path', 'host?x', 'scgi://', 'scgi:///path', 'scgi://host?x', 'scgi://host/a?b', 'scgi://host/#b',
    'scgi://host/%zz', 'scgi://host/%ff', 'unix:', 'unix:|scgi://a/', 'unix:/a|http://b/', 'unix:/a|', 'host\0', 'host\n:4000', 4000, null, undefined, {}, ['a'],
    `unix:/${'x'.repeat(110)}`,
  ]
  for (const text of wrong) {
    assert.throws(() => parseAddress('upstreams[3].address', text), (error: Error) => {
      assert.ok('code' in error && error.code === 'FST_SCGI_OPT_INVALID', `${String(text)}: ${error.message}`)
      assert.match(error.message, /option 'upstreams\[3\]\.address' is /)
      return true
    }, String(text))
  }
})

test('another scheme is refused as such', () => {
  for (const text of ['http://127.0.0.1:4000', 'https://a', 'fcgi://a:9000', 'balancer://a']) {
    assert.throws(() => parseAddress('upstreams', text), { code: 'FST_SCGI_OPT_UNSUPPORTED', message: /the scheme is scgi:\/\// }, text)
  }
})

test('addresses of HTTP servers, where they may be', () => {
  const forms: [string, unknown[]][] = [
    ['http://127.0.0.1', ['http', '127.0.0.1', 80, '']],
    ['HTTP://127.0.0.1:8080/', ['http', '127.0.0.1', 8080, '']],
    ['https://[::1]', ['https', '::1', 443, '']],
    ['https://App.example:8443/a%20b/%2e%C3/', ['https', 'App.example', 8443, '/a%20b/%2e%C3']],
    ['http://a/caf\u00e9/"x"', ['http', 'a', 80, '/caf%C3%A9/"x"']],
    ['scgi://a/b', ['scgi', 'a', 4000, '/b']],
    ['127.0.0.1', ['scgi', '127.0.0.1', 4000, '']],
  ]
  for (const [text, expected] of forms) {
    const { protocol, hostname, port, pathPrefix } = parseAddress('a', text, true)
    assert.deepEqual([protocol, hostname, port, pathPrefix], expected, text)
  }
  for (const text of ['http://', 'http:///a', 'http://user@a', 'http://a:0', 'http://a/?b', 'http://a/#b', 'http://a/%z', 'http://a/../b', 'http://a/b/.', 'http://::1', 'http://a b']) {
    assert.throws(() => parseAddress('a', text, true), { code: 'FST_SCGI_OPT_INVALID' }, text)
  }
  for (const text of ['fcgi://a', 'http+unix://a', 'h2c://a']) {
    assert.throws(() => parseAddress('a', text, true), { code: 'FST_SCGI_OPT_UNSUPPORTED', message: /scgi:\/\/, http:\/\/ and https:\/\// }, text)
  }
  const { protocol, hostname, host, name } = literalAddress(parseAddress('a', 'https://127.0.0.1:1/x', true))
  assert.deepEqual([protocol, hostname, host, name], ['https', undefined, '127.0.0.1', '127.0.0.1:1'])
})

test('a socket path may have 107 bytes, as the system has it', { skip: process.platform === 'linux' ? false : 'less elsewhere' }, () => {
  assert.equal(parseAddress('a', `unix:/${'x'.repeat(106)}`).socketPath?.length, 107)
  assert.throws(() => parseAddress('a', `unix:/${'x'.repeat(107)}`), { code: 'FST_SCGI_OPT_INVALID' })
  // Bytes, not characters.
  assert.throws(() => parseAddress('a', `unix:/${'\u00e4'.repeat(60)}`), { code: 'FST_SCGI_OPT_INVALID' })
})

test('no text makes it throw anything else', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^(scgi:\/\/|unix:|\[)?[a-z0-9:.[\]/%|]*$/)), (text) => {
    try {
      const parsed = parseAddress('a', text)
      assert.ok((parsed.hostname === undefined) !== (parsed.socketPath === undefined))
      assert.ok(parsed.pathPrefix === '' || (parsed.pathPrefix.startsWith('/') && !parsed.pathPrefix.endsWith('/')))
    } catch (error) {
      assert.ok(error instanceof Error && 'code' in error, `${text}: ${error}`)
      assert.match(String(error.code), /^FST_SCGI_OPT_(INVALID|UNSUPPORTED)$/)
    }
  }), { numRuns: 500 })
})

test('names are as nginx writes them', () => {
  const name = (text: string): string => literalAddress(parseAddress('a', text)).name
  assert.deepEqual(['127.0.0.1', '[::1]:4001', 'unix:/run/a.sock|scgi://x/y', 'scgi://10.0.0.1:1/p'].map(name),
    ['127.0.0.1:4000', '[::1]:4001', 'unix:/run/a.sock', '10.0.0.1:1'])
})

test('a name with several addresses is several servers, each once', async () => {
  const parsed = parseAddress('a', 'scgi://app:4001/p')
  const found = [{ address: '10.0.0.1', family: 4 }, { address: '::1', family: 6 }, { address: '10.0.0.1', family: 4 }]
  const servers = await resolveAddress(parsed, async () => found)
  assert.deepEqual(servers.map(({ name, host, port, pathPrefix }) => [name, host, port, pathPrefix]), [
    ['10.0.0.1:4001', '10.0.0.1', 4001, '/p'],
    ['[::1]:4001', '::1', 4001, '/p'],
  ])
})

test('a literal and a socket are not looked up', async () => {
  const never = async (): Promise<never> => { throw new Error('looked up') }
  for (const text of ['127.0.0.1', '[::1]', 'unix:/a']) assert.equal((await resolveAddress(parseAddress('a', text), never)).length, 1)
})

test('a name that does not resolve', async () => {
  const parsed = parseAddress('a', 'nobody.invalid')
  const cause = Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })
  await assert.rejects(resolveAddress(parsed, async () => { throw cause }), (error: Error) => {
    assert.ok('code' in error && error.code === 'FST_SCGI_RESOLVE')
    assert.match(error.message, /'nobody\.invalid' does not resolve \(ENOTFOUND\)/)
    assert.equal(error.cause, cause)
    return true
  })
  await assert.rejects(resolveAddress(parsed, async () => []), { code: 'FST_SCGI_RESOLVE', message: /no address/ })
})

test('localhost resolves with the system\'s own means', async () => {
  const servers = await resolveAddress(parseAddress('a', 'localhost:4001'))
  assert.ok(servers.length > 0)
  for (const { name } of servers) assert.match(name, /^(127\.0\.0\.1|\[::1\]):4001$/)
})
