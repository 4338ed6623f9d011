// What documents and doc comments say of the options is what the tables say: names, defaults, directives.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import ts from 'typescript'
import { flat } from '../../lib/options/flat.ts'
import { CACHE, CREATE_CACHE, ROUNDS } from '../../lib/options/table/cache.ts'
import { BIND, NEXT_UPSTREAM, RESOLVER } from '../../lib/options/table/connections.ts'
import { ACCEL, CLIENT, DISPATCHER, SERVER_SIDE } from '../../lib/options/table/doors.ts'
import { GROUP, QUEUE, SERVER, TLS } from '../../lib/options/table/group.ts'
import { HEALTH, OUTLIER } from '../../lib/options/table/health.ts'
import { EXCHANGE, REGISTER } from '../../lib/options/table/plugin.ts'
import { BUFFERING, SENDFILE, STORE, TEMP_PATH } from '../../lib/options/table/reply.ts'
import { REQUEST_BUFFERING } from '../../lib/options/table/request.ts'
import { STICKY_APACHE, STICKY_COOKIE, STICKY_LEARN } from '../../lib/options/table/sticky.ts'
import { defaultOf, OWNERS, withTables } from '../../scripts/docs-options.ts'
import type { Rows } from '../../lib/options/row.ts'

const root = new URL('../../', import.meta.url)
const read = (path: string): Promise<string> => readFile(new URL(path, root), 'utf8')

/** The tables of the interfaces, by file of types/ and name. */
const TYPES: Record<string, Record<string, Rows>> = {
  options: {
    ExchangeOptions: EXCHANGE,
    FastifyScgiOptions: REGISTER,
    NextUpstreamOptions: NEXT_UPSTREAM,
    RequestBufferingOptions: REQUEST_BUFFERING,
    SendfileOptions: SENDFILE,
  },
  buffering: { BufferingOptions: BUFFERING, TempPathOptions: TEMP_PATH },
  store: { StoreOptions: STORE },
  exchange: { BindOptions: BIND },
  upstream: { GroupOptions: GROUP, ServerOptions: SERVER, ServerTlsOptions: TLS, UpstreamQueueOptions: QUEUE },
  health: { HealthOptions: HEALTH, OutlierOptions: OUTLIER, ResolverOptions: RESOLVER },
  sticky: { StickyCookieOptions: STICKY_COOKIE, StickyLearnOptions: STICKY_LEARN, StickyApacheOptions: STICKY_APACHE },
  cache: { CacheOptions: CACHE, CreateCacheOptions: CREATE_CACHE, CacheRoundOptions: ROUNDS },
  dispatcher: { ScgiDispatcherOptions: DISPATCHER },
  client: { ScgiClientOptions: CLIENT },
  server: { ScgiServerOptions: SERVER_SIDE },
  accel: { AccelOptions: ACCEL },
}

/** The doc comments of an interface by its members, in one line each. */
function comments (source: string, name: string): Map<string, string> {
  const found = new Map<string, string>()
  ts.createSourceFile('a.ts', source, ts.ScriptTarget.Latest, true).forEachChild(node => {
    if (!ts.isInterfaceDeclaration(node) || node.name.text !== name) return
    for (const member of node.members) {
      const [range] = ts.getLeadingCommentRanges(source, member.getFullStart()) ?? []
      if (member.name === undefined) continue
      const comment = range === undefined ? '' : source.slice(range.pos, range.end)
      found.set(member.name.getText(), comment.replace(/\s*\n\s*\* ?/g, ' ').replace(/^\/\*\* ?|\s*\*\/$/g, ''))
    }
  })
  return found
}

test('docs/options.md has the tables as they are (npm run docs:options writes them)', async () => {
  const page = await read('docs/options.md')
  assert.equal(withTables(page), page)
  assert.equal([...page.matchAll(/<!-- options: \w+ -->/g)].length, 5)
})

for (const [file, interfaces] of Object.entries(TYPES)) {
  test(`doc comments of types/${file}.ts: defaults and directives`, async () => {
    const source = await read(`types/${file}.ts`)
    const wrong: string[] = []
    for (const [name, rows] of Object.entries(interfaces)) {
      const documented = comments(source, name)
      assert.ok(documented.size > 0, name)
      for (const [option, row] of Object.entries(rows)) {
        const text = documented.get(option)
        if (text === undefined) continue
        const value = defaultOf(row)
        const said = /\bDefault(?: is)?:? (.*)$/.exec(text)?.[1]
        // What no single value says is said in words of their own.
        if (row.otherwise === undefined && row.required !== true && row.default !== undefined && !(said?.startsWith(value) === true && !/^\.?\w/.test(said.slice(value.length)))) {
          wrong.push(`${name}.${option}: Default ${value}, and not: ${said ?? 'nothing'}`)
        }
        for (const directive of row.directives ?? []) {
          if (!text.includes(directive.replace(/^[A-Za-z]+: /, ''))) wrong.push(`${name}.${option}: (${directive}) is missing`)
        }
        for (const [directive] of text.matchAll(/\bscgi_\w+/g)) {
          if (directive !== 'scgi_params' && row.directives?.some(known => known.startsWith(directive)) !== true) wrong.push(`${name}.${option}: ${directive} is not in the table`)
        }
      }
    }
    assert.deepEqual(wrong, [])
  })
}

test('whoever comes from nginx finds every directive, and there is no other', async () => {
  const pages = await read('docs/coming-from-nginx.md') + await read('docs/coming-from-apache.md')
  const known = new Set(Object.values(OWNERS).flatMap(rows => flat(rows)).flatMap(([, row]) => row.directives ?? []))
  for (const directive of known) {
    const [, name = ''] = /^(?:nginx: |Apache: )?(?:health_check )?((?:scgi_|proxy_|ProxySCGI)?\w+)$/.exec(directive) ?? []
    if (/^scgi_|^ProxySCGI|^nginx: |^Apache: \w+$/.test(directive)) assert.ok(pages.includes(name), `${directive} is in no row`)
  }
  // A file of parameters that comes with nginx, and a method of the cache.
  const others = ['scgi_params', 'scgi_cache_purge']
  for (const [directive] of pages.matchAll(/\bscgi_\w+/g)) {
    assert.ok(others.includes(directive) || known.has(directive), `${directive} stands for no option`)
  }
})
