import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { compileParams } from '../../lib/request/params.ts'
import { canonicalUrl, escapePath, splitPath } from '../../lib/routing/canonical-path.ts'
import { parsePathRules } from '../../lib/routing/path-options.ts'
import type { PathRules } from '../../lib/routing/canonical-path.ts'
import type { ParamsExchange, RequestView } from '../../lib/request/params.ts'

const RUNS = { numRuns: 500 }

/** A string of bytes without NUL. */
const bytes = fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 20 }).map((codes) => String.fromCharCode(...codes))
/** Text of any planes, without NUL. */
const text = fc.string({ unit: 'grapheme', maxLength: 12 }).map((value) => value.replaceAll('\0', ''))
const token = fc.string({ unit: fc.constantFrom(...'abcxyzABCXYZ019-'), minLength: 1, maxLength: 6 })
const knownName = fc.constantFrom('Accept', 'cookie', 'COOKIE', 'Proxy', 'X-Forwarded-For', 'X-Accel-Limit-Rate', 'Content-Type', 'Upgrade', 'X_Foo', 'X-Foo', 'TE', ':path', 'a.b')
const headerLines = fc.array(fc.tuple(fc.oneof(token, knownName), bytes), { maxLength: 12 })
const paramName = fc.oneof(text, token.map((name) => 'HTTP_' + name), fc.constantFrom('REQUEST_METHOD', 'PATH_INFO', 'HTTP_ACCEPT', 'HTTP_X_FOO', 'HTTP_HOST'))
  .filter((name) => name !== '' && !['CONTENT_LENGTH', 'SCGI', 'SCGI_KEEPALIVE'].includes(name))

const view = fc.record({
  method: bytes,
  uri: bytes.map((rest) => '/' + rest),
  scriptName: bytes,
  pathInfo: bytes,
  documentUri: bytes,
  urlInfo: bytes,
  protocol: fc.constantFrom('HTTP/1.0', 'HTTP/1.1', 'HTTP/2.0'),
  scheme: fc.constantFrom('http' as const, 'https' as const),
  host: bytes,
  serverAddr: fc.constantFrom('', '127.0.0.1', '::1'),
  serverPort: fc.nat(65535),
  remoteAddr: bytes,
  remotePort: fc.nat(65535),
  forwardedFor: bytes,
  contentType: fc.option(bytes, { nil: undefined }),
  lines: headerLines,
}).map(({ lines, ...rest }) => {
  const headers: Record<string, string> = {}
  for (const [name, value] of lines) {
    const lower = name.toLowerCase()
    const before = headers[lower]
    headers[lower] = before === undefined ? value : before + (lower === 'cookie' ? '; ' : ', ') + value
  }
  return { ...rest, headers, rawHeaders: lines.flat() }
})
const exchange = fc.record({ contentLength: fc.nat(), pathPrefix: fc.constantFrom('', '/app'), keepalive: fc.boolean() })
const params = fc.uniqueArray(fc.tuple(paramName, text), { selector: ([name]) => name, maxLength: 5 })

/** Reads the block as an SCGI server does, by the bytes. */
function decode (head: Buffer): [string, string][] {
  const colon = head.indexOf(':')
  const size = Number(head.toString('latin1', 0, colon))
  assert.equal(head.length, colon + 1 + size + 1)
  assert.equal(head[colon + 1 + size], 44)
  const pairs: [string, string][] = []
  for (let at = colon + 1; at < colon + 1 + size;) {
    const nameEnd = head.indexOf(0, at)
    const valueEnd = head.indexOf(0, nameEnd + 1)
    assert.ok(nameEnd !== -1 && valueEnd !== -1 && valueEnd < colon + 1 + size)
    pairs.push([head.toString('latin1', at, nameEnd), head.toString('latin1', nameEnd + 1, valueEnd)])
    at = valueEnd + 1
  }
  return pairs
}

const latin1 = (value: string): string => Buffer.from(value, 'utf8').toString('latin1')

/** The HTTP_* pairs that a reader of the rules expects of these headers, with the default options. */
function expectedHeaders (headers: RequestView['headers'], configured: string[]): Map<string, string> {
  const expected = new Map<string, string>()
  const hidden = new Set(configured.filter((name) => name.length > 5 && name.startsWith('HTTP_')).map((name) => name.toUpperCase().replaceAll('-', '_')))
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[a-z0-9-]+$/.test(name) || /^(te|upgrade|proxy|host|content-type|x-forwarded-.*|x-accel-.*)$/.test(name)) continue
    const param = 'HTTP_' + name.toUpperCase().replaceAll('-', '_')
    if (!hidden.has(param)) expected.set(param, String(value))
  }
  return expected
}

function check (view: RequestView, exchange: ParamsExchange, params: [string, string][]): void {
  const encoder = compileParams<undefined>({ params: Object.fromEntries(params.map(([name, value]) => [name, () => value])) })
  const pairs = decode(encoder.encode(view, undefined, exchange))
  const values = new Map(pairs)
  assert.equal(values.size, pairs.length, 'names are unique')
  assert.deepEqual(pairs.slice(0, 2), [['CONTENT_LENGTH', String(exchange.contentLength)], ['SCGI', '1']])
  for (const [name, value] of params) assert.equal(values.get(latin1(name)), latin1(value), name)

  const given = new Set(params.map(([name]) => name))
  const own: [string, string][] = [
    ['REQUEST_METHOD', view.method], ['REQUEST_URI', view.uri], ['SCRIPT_NAME', view.scriptName], ['DOCUMENT_URI', view.documentUri],
    ['REMOTE_ADDR', view.remoteAddr], ['PATH_INFO', view.pathInfo === '*' ? '*' : exchange.pathPrefix + view.pathInfo],
  ]
  for (const [name, value] of own) if (!given.has(name)) assert.equal(values.get(name), value, name)
  if (!given.has('HTTP_HOST')) assert.equal(values.get('HTTP_HOST'), view.host === '' ? undefined : view.host)

  const made = new Map(pairs.filter(([name]) => name.startsWith('HTTP_') && !params.some(([param]) => latin1(param) === name) &&
    name !== 'HTTP_HOST' && !name.startsWith('HTTP_X_FORWARDED_')))
  assert.deepEqual(made, expectedHeaders(view.headers, [...given]))
}

function outcome (encode: () => Buffer): string {
  try {
    return encode().toString('latin1')
  } catch (error) {
    return String(error)
  }
}

describe('the block', () => {
  test('decodes to what was given: names once, CONTENT_LENGTH first, every byte', () => {
    fc.assert(fc.property(view, exchange, params, check), RUNS)
  })

  test('is refused for any NUL, and never torn by one', () => {
    const place = fc.constantFrom('method', 'uri', 'scriptName', 'pathInfo', 'documentUri', 'host', 'remoteAddr', 'forwardedFor', 'contentType', 'header', 'param')
    fc.assert(fc.property(view, exchange, place, bytes, bytes, (view, exchange, place, before, after) => {
      const value = `${place === 'uri' ? '/' : ''}${before}\0${after}`
      const encoder = compileParams<undefined>(place === 'param' ? { params: { X: () => value } } : {})
      const spoilt = place === 'header' ? { ...view, headers: { ...view.headers, 'x-nul': value } } : { ...view, [place]: value }
      assert.throws(() => encoder.encode(spoilt, undefined, exchange), { code: 'FST_SCGI_BAD_REQUEST' })
    }), RUNS)
  })

  test('is the same whatever requests came before', () => {
    const options = fc.record({ forwarded: fc.constantFrom('set' as const, 'pass' as const), defaultParams: fc.constantFrom('cgi' as const, 'nginx' as const, 'minimal' as const) })
    // Values that come again, others, and such as are refused; twice, so that what is kept of one request is met by the same again.
    const spoilt = fc.record({ host: fc.constantFrom('a', 'b\0', '€'), scriptName: fc.constantFrom('', '/\0'), scheme: fc.constant('http' as const), contentType: fc.constantFrom('', 'é') })
    const few = fc.array(fc.tuple(view, spoilt, fc.boolean()), { minLength: 2, maxLength: 6 })
    fc.assert(fc.property(options, few, exchange, (options, few, exchange) => {
      const encoder = compileParams<undefined>(options)
      for (const [whole, own, isWhole] of [...few, ...few]) {
        const view = isWhole ? whole : { ...whole, ...own }
        const [kept, anew] = [encoder, compileParams<undefined>(options)].map(one => outcome(() => one.encode(view, undefined, exchange)))
        assert.equal(kept, anew)
      }
    }), { numRuns: 150 })
  })

  test('is the same whichever way the headers take', () => {
    // A repeated line that is dropped forces the careful way.
    fc.assert(fc.property(view, exchange, (view, exchange) => {
      const encoder = compileParams<undefined>({})
      const careful = { ...view, rawHeaders: [...view.rawHeaders, 'TE', 'a', 'TE', 'b'] }
      assert.deepEqual(encoder.encode(careful, undefined, exchange), encoder.encode(view, undefined, exchange))
    }), RUNS)
  })
})

/**
 * The path by the book: slashes told apart from escaped ones, segments decoded by themselves, dots resolved; `undefined` for what must be
 * refused. An escaped slash that is kept is a NUL here.
 */
function reference (path: string, segments: number, { encodedSlashes, mergeSlashes }: PathRules): string | undefined {
  if (/%(?![0-9a-f]{2})|%00|\0/i.test(path) || (encodedSlashes === 'refuse' && /%2f/i.test(path))) return undefined
  const separated = encodedSlashes === 'decode' ? path.replace(/%2f/gi, '/') : path
  const all = separated.split('/').slice(1)
    .map(segment => segment.replace(/%([0-9a-f]{2})/gi, (_, hex) => hex.toLowerCase() === '2f' ? '\0' : String.fromCharCode(parseInt(hex, 16))))
  const names = all.filter((segment, i) => segment !== '' || i === all.length - 1 || !mergeSlashes)
  const kept: string[] = []
  for (const [i, segment] of names.entries()) {
    const dots = segment === '.' || segment === '..'
    if (dots && kept.length < segments) return undefined
    if (segment === '..' && kept.length === segments) return undefined
    if (segment === '..') kept.pop()
    else if (!dots && (segment !== '' || i < names.length - 1)) kept.push(segment)
    if (i === names.length - 1 && (dots || segment === '') && kept.length > 0) kept.push('')
  }
  return '/' + kept.join('/')
}

/** Escapes all that is no plain char. */
const encodePath = (path: string): string => path.replace(/[^/\w.~-]/g, (char) => char === '\0' ? '%2f' : '%' + char.charCodeAt(0).toString(16).padStart(2, '0'))

const RULES: PathRules[] = ['decode', 'keep', 'refuse'].flatMap(encodedSlashes => [true, false].map(mergeSlashes => parsePathRules({ encodedSlashes: wordOf(encodedSlashes), mergeSlashes })))

function wordOf (word: string): PathRules['encodedSlashes'] {
  return word === 'keep' || word === 'refuse' ? word : 'decode'
}

describe('the path', () => {
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('/', '/', '/', '.', '..', '/..', '/.', '%2e', '%2E', 'a', 'B', 'app', '-', ';', '+', '\\') },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 255 }).map((code) => '%' + code.toString(16).padStart(2, '0')) },
    { weight: 1, arbitrary: fc.integer({ min: 128, max: 255 }).map((code) => String.fromCharCode(code)) },
    { weight: 2, arbitrary: fc.constantFrom('%2F', '%2f', '%252F', '%25', '25', '2f', '2F') }
  )
  const nasty = fc.constantFrom('%', '%0', '%00', '%zz', '\0')
  const path = fc.array(fc.oneof({ weight: 40, arbitrary: piece }, { weight: 1, arbitrary: nasty }), { maxLength: 14 }).map((pieces) => '/' + pieces.join(''))
  const suffix = fc.constantFrom('', '?', '?x=/../..', '#/..', '?%')
  const origin = fc.constantFrom('', 'http://host', 'HTTPS://[::1]:8')

  const rules = fc.constantFrom(...RULES)
  const mount = fc.integer({ min: 0, max: 3 })

  test('is what the segments say, and never leaves the mount', () => {
    fc.assert(fc.property(origin, path, suffix, mount, rules, (origin, path, suffix, segments, rules) => {
      const parts = splitPath(origin + path + suffix, segments, rules)
      const expected = reference(path, segments, rules)
      if (expected === undefined) return assert.ok('error' in parts, JSON.stringify(parts))
      assert.ok(!('error' in parts), 'error' in parts ? parts.error : '')
      assert.equal(parts.scriptName + parts.pathInfo, parts.documentUri)
      if (rules.encodedSlashes !== 'keep') assert.equal(parts.documentUri, expected)
      assert.equal(parts.scriptName.split('/').length - 1, Math.min(segments, expected.split('/').length - 1), parts.scriptName)
      assert.ok(!expected.split('/').some((segment) => segment === '.' || segment === '..'))
    }), { numRuns: 3000 })
  })

  test('is one, whatever it was spelt like, and told apart from any other', () => {
    const seen = new Map<string, string>()
    fc.assert(fc.property(path, mount, rules, (path, segments, rules) => {
      const expected = reference(path, segments, rules)
      fc.pre(expected !== undefined)
      const parts = splitPath(path, segments, rules)
      const url = canonicalUrl(path, segments, rules)
      assert.ok(!('error' in parts) && typeof url === 'string')
      if (rules.encodedSlashes !== 'refuse' || !expected.includes('\0')) assert.deepEqual(splitPath(encodePath(expected), segments, rules), { ...parts, urlInfo: escapedLike(parts.urlInfo) })
      assert.equal(canonicalUrl(url, segments, rules), url)
      assert.match(url, /^\/[!-~]*$/)
      // What the application sees belongs to one canonical path.
      const key = JSON.stringify([rules, segments, parts.documentUri])
      assert.equal(seen.get(key) ?? url, url, path)
      seen.set(key, url)
    }), { numRuns: 6000 })
  })
})

/** The fast path leaves what it finds, the other encodes it anew: the same to who decodes it. */
function escapedLike (urlInfo: string): string {
  return escapePath(urlInfo.replace(/%([0-9a-f]{2})/gi, (_, hex) => hex.toLowerCase() === '2f' ? '\0' : String.fromCharCode(parseInt(hex, 16))))
}
