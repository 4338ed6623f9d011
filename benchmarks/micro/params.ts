// What the request side costs: the path split and the header block, in CPU time (user and system, garbage collector included), which
// a busy machine disturbs least: median and best of the rounds. `node --import ./scripts/typescript.js benchmarks/micro/params.ts`
import { compileParams } from '../../lib/request/params.ts'
import { splitPath } from '../../lib/routing/canonical-path.ts'
import type { RequestView } from '../../lib/request/params.ts'

const lines: readonly (readonly [string, string])[] = [
  ['Host', 'www.example.org:8080'],
  ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'],
  ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
  ['Accept-Language', 'en-US,en;q=0.5'],
  ['Accept-Encoding', 'gzip, deflate, br, zstd'],
  ['Referer', 'http://www.example.org:8080/scgi-bin/list?page=2'],
  ['Connection', 'keep-alive'],
  ['Cookie', 'session=0123456789abcdef0123456789abcdef; theme=dark'],
]

/**
 * A string as Node's parser makes it, not interned. Requests come from a ring of them, since making one costs more than encoding it;
 * names are therefore hashed the first time round only, some 0.1 µs of a real request.
 */
function fresh (text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

function view (extra: readonly (readonly [string, string])[] = []): RequestView {
  const rawHeaders: string[] = []
  const headers: Record<string, string> = {}
  for (const [name, value] of [...lines, ...extra]) {
    const text = fresh(value)
    rawHeaders.push(fresh(name), text)
    headers[name.toLowerCase()] ??= text
  }
  return {
    method: 'GET',
    uri: fresh('/scgi-bin/item/4711?show=all&page=3'),
    scriptName: fresh('/scgi-bin'),
    pathInfo: fresh('/item/4711'),
    documentUri: fresh('/scgi-bin/item/4711'),
    urlInfo: fresh('/item/4711'),
    protocol: 'HTTP/1.1',
    scheme: 'http',
    host: fresh('www.example.org:8080'),
    serverAddr: '127.0.0.1',
    serverPort: 8080,
    remoteAddr: fresh('192.0.2.44'),
    remotePort: 51234,
    forwardedFor: fresh('192.0.2.44'),
    contentType: undefined,
    headers,
    rawHeaders,
  }
}

const SIZE = 256
const ring = (extra?: readonly (readonly [string, string])[]): RequestView[] => Array.from({ length: SIZE }, () => view(extra))
const exchange = { contentLength: 0, pathPrefix: '', keepalive: false }

function encoding (name: string, options: Parameters<typeof compileParams<undefined>>[0], views: readonly RequestView[]): void {
  const encoder = compileParams<undefined>(options)
  let next = 0
  bench(name, () => {
    const view = views[next++ & (SIZE - 1)]
    return view !== undefined && encoder.encode(view, undefined, exchange)
  })
}

const ROUNDS = 21
const TIMES = 20_000
let kept: unknown

function group (title: string, add: () => void): void {
  console.log(title)
  add()
}

function bench (name: string, run: () => unknown): void {
  const perCall: number[] = []
  for (let round = -2; round < ROUNDS; round++) {
    const start = process.cpuUsage()
    for (let i = 0; i < TIMES; i++) kept = run()
    const { user, system } = process.cpuUsage(start)
    // The first rounds are for the compiler.
    if (round >= 0) perCall.push((user + system) / TIMES)
  }
  perCall.sort((a, b) => a - b)
  const show = (us = NaN): string => us.toFixed(2).padStart(7) + ' µs'
  console.log(`  ${name.padEnd(40)} median ${show(perCall[ROUNDS >> 1])}   best ${show(perCall[0])}`)
}

const plain = ring()
group('header block of a GET with 8 headers', () => {
  encoding("'cgi'", {}, plain)
  encoding("'cgi', three params", {
    params: { DOCUMENT_ROOT: '/srv/www', REMOTE_USER: () => 'alice', HTTP_X_REQUEST_ID: { value: () => 'req-1', ifNotEmpty: true } },
  }, plain)
  encoding("'nginx'", { defaultParams: 'nginx' }, plain)
  encoding("'minimal'", { defaultParams: 'minimal' }, plain)
  encoding("'cgi', a repeated header", {}, ring([['X-A', '1'], ['X-A', '2']]))
  encoding("'cgi', headers listed in Connection", {}, ring([['X-A', '1'], ['Connection', 'x-a']]))
})

function splitting (name: string, target: string): void {
  const targets = Array.from({ length: SIZE }, () => fresh(target))
  let next = 0
  bench(name, () => splitPath(targets[next++ & (SIZE - 1)] ?? '', 1))
}

group('path split', () => {
  splitting('plain', '/scgi-bin/item/4711?show=all&page=3')
  splitting('escapes', '/scgi-bin/caf%C3%A9/a%20b?show=all&page=3')
  splitting('dot segments', '/scgi-bin/a/../b/./c?show=all&page=3')
})

// What was made last is looked at, so that making it cannot be left out.
if (kept === undefined) throw new Error('nothing was measured')
