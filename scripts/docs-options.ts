// Writes the tables of docs/options.md, between their markers, from the tables of lib/options/table: npm run docs:options
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { flat } from '../lib/options/flat.ts'
import { CACHE, CREATE_CACHE, REDIS_STORE } from '../lib/options/table/cache.ts'
import { ACCEL, CLIENT, DISPATCHER, SERVER_SIDE } from '../lib/options/table/doors.ts'
import { GROUP, SERVER } from '../lib/options/table/group.ts'
import { REGISTER, REPLY } from '../lib/options/table/plugin.ts'
import { BUFFERING } from '../lib/options/table/reply.ts'
import type { Row, Rows } from '../lib/options/row.ts'

/** What `register` has, and `reply.scgi()` has not, by the same name. */
const ONLY_OF_REPLY = { body: REPLY.body }

/** Whose options they are, as errors and documents call them. */
export const OWNERS: Readonly<Record<string, Rows>> = {
  'register(scgi, options)': REGISTER,
  'reply.scgi()': ONLY_OF_REPLY,
  'a group': GROUP,
  'a server': SERVER,
  cache: CACHE,
  createCache: CREATE_CACHE,
  redisStore: REDIS_STORE,
  ScgiDispatcher: DISPATCHER,
  ScgiClient: CLIENT,
  createScgiServer: SERVER_SIDE,
  'fastify-scgi/accel': ACCEL,
}

const TABLES: Readonly<Record<string, () => string>> = {
  server: () => short('option', SERVER),
  group: () => short('option', GROUP),
  buffering: () => short('`buffering.`', BUFFERING, true),
  all: () => Object.entries(OWNERS).map(([owner, rows]) => `### ${heading(owner)}\n\n${whole(rows)}`).join('\n\n'),
  directives,
}

/** The page with its tables as they should be. A table ends with its last row, several tables at a marker. */
export function withTables (page: string): string {
  return page.replace(/(<!-- options: (\w+) -->\n)(?:(?:\|.*\n)+|[^]*?(?=<!-- end of options -->))/g, (_whole, begin: string, name: string) => {
    const table = TABLES[name]
    if (table === undefined) throw new Error(`there is no table ${name}`)
    return `${begin}${table()}\n`
  })
}

/** The default as documents write it. */
export function defaultOf ({ default: value, otherwise, required }: Row): string {
  if (otherwise !== undefined) return otherwise
  if (required === true) return 'required'
  return value === undefined ? 'none' : written(value)
}

/** Times and sizes, numbers and switches stand as they are, text in quotes. */
function written (value: unknown): string {
  if (Array.isArray(value)) return `\`[${value.map(one => typeof one === 'string' ? `'${one}'` : String(one)).join(', ')}]\``
  return typeof value === 'string' && !/^\d+(?:\.\d+)?(?:ms|[smhdkg])$/.test(value) ? `\`'${value}'\`` : String(value)
}

function heading (owner: string): string {
  return /^a /.test(owner) ? `Options of ${owner}` : `Options of \`${owner}\``
}

function short (title: string, rows: Rows, directives = false): string {
  const lines = Object.entries(rows).map(([name, row]) => {
    const names = directives && row.directives !== undefined && name !== 'enabled' ? ` (${row.directives.join(', ')})` : ''
    return `| \`${name}\` | ${row.doc}${names} | ${defaultOf(row)} |`.replace('|  |', '| |')
  })
  return [`| ${title} | meaning | default |`, '|---|---|---|', ...lines].join('\n')
}

function whole (rows: Rows): string {
  const lines = flat(rows).map(([path, row]) => {
    const takes = row.words === undefined ? row.kinds.join(', ') : row.words.map(word => typeof word === 'string' ? `\`'${word}'\`` : String(word)).join(', ')
    return `| \`${path}\` | ${takes} | ${defaultOf(row)} | ${(row.directives ?? []).join(', ')} | ${row.doc} |`.replaceAll('|  |', '| |')
  })
  return ['| option | takes | default | directive | meaning |', '|---|---|---|---|---|', ...lines].join('\n')
}

function directives (): string {
  const found = new Map<string, string[]>()
  for (const [owner, rows] of Object.entries(OWNERS)) {
    if (rows === DISPATCHER || rows === CLIENT) continue
    for (const [path, row] of flat(rows)) {
      const place = `\`${path}\`${rows === REGISTER ? '' : ` of ${/^a /.test(owner) ? owner : `\`${owner}\``}`}`
      for (const directive of row.directives ?? []) found.set(directive, [...found.get(directive) ?? [], place])
    }
  }
  const sorted = [...found].sort(([a], [b]) => a < b ? -1 : 1)
  return ['| directive or parameter | option |', '|---|---|', ...sorted.map(([directive, places]) => `| \`${directive}\` | ${places.join(', ')} |`)].join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const page = new URL('../docs/options.md', import.meta.url)
  writeFileSync(page, withTables(readFileSync(page, 'utf8')))
}
