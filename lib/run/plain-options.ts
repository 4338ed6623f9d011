import { switched } from '../options/checks.ts'
import { GROUP, SERVER } from '../options/table/group.ts'
import { REGISTER } from '../options/table/plugin.ts'
import { fromText, isPlain, plainText, type Row, type Rows } from '../options/row.ts'

/** What cannot be said in words alone, is said otherwise here, or makes no sense for every server alike. */
const OTHERS: Readonly<Record<Owner, ReadonlySet<string>>> = {
  mount: new Set(['upstreams', 'prefix', 'bodyLimit', 'logLevel', 'cache', 'resolver', 'replyFrom', 'allowAnyUpstream']),
  group: new Set(['servers']),
  server: new Set(['address', 'weight', 'backup', 'down', 'drain', 'lbset', 'spare', 'standby', 'route', 'redirect', 'service']),
}

type Owner = 'mount' | 'group' | 'server'

/** An option of the table that the command line has, too. */
export interface PlainOption {
  readonly owner: Owner
  /** `['buffering', 'bufferSize']` */
  readonly path: readonly string[]
  readonly row: Row
  /** Stands alone: `--no-upgrade`, `--force-ranges`. */
  readonly isSwitch: boolean
}

/** By their spelling there: `read-timeout`, `buffering.buffer-size`. */
export const PLAIN_OPTIONS: ReadonlyMap<string, PlainOption> = new Map([
  ...collect('mount', REGISTER), ...collect('group', GROUP), ...collect('server', SERVER),
])

function collect (owner: Owner, rows: Rows, at: readonly string[] = []): [name: string, option: PlainOption][] {
  return Object.entries(rows).flatMap(([name, row]) => {
    const path = [...at, name]
    if (at.length === 0 && OTHERS[owner].has(name)) return []
    const own: [string, PlainOption][] = isPlain(row) ? [[spelling(path), { owner, path, row, isSwitch: row.kinds.every(kind => kind === 'flag') }]] : []
    return row.rows === undefined ? own : [...own, ...collect(owner, row.rows, path)]
  })
}

function spelling (path: readonly string[]): string {
  return path.map(name => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)).join('.')
}

/** Gives switches that stand alone a value, for whoever reads the arguments next. */
export function spellOut (args: readonly string[]): string[] {
  const out: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ''
    if (arg === '--') return [...out, ...args.slice(i)]
    const [, no, name = ''] = /^--(no-)?([^=]+)$/.exec(arg) ?? []
    const option = PLAIN_OPTIONS.get(name)
    if (option === undefined || !(option.isSwitch || (no !== undefined && option.row.kinds.includes('flag')))) {
      out.push(arg)
      continue
    }
    const next = switched(args[i + 1])
    if (no === undefined && next !== undefined) i++
    out.push(`--${name}=${String(no === undefined && next !== false)}`)
  }
  return out
}

/**
 * The options of one owner, as an object.
 * @throws FST_SCGI_OPT_INVALID, which names the option as it is spelt on the command line
 */
export function readPlain (values: Readonly<Record<string, unknown>>, owner: Owner): Record<string, unknown> {
  const options: Record<string, unknown> = {}
  for (const [name, text] of Object.entries(values)) {
    const option = PLAIN_OPTIONS.get(name)
    if (option?.owner !== owner || typeof text !== 'string') continue
    const value = fromText(option.row, text)
    option.row.read(`--${name}`, value)
    set(options, option.path, value)
  }
  return options
}

function set (options: Record<string, unknown>, [name = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    options[name] = value
    return
  }
  const inner: Record<string, unknown> = { ...toObject(options[name]) }
  set(inner, rest, value)
  options[name] = inner
}

/** `--buffering true --buffering.buffer-size 8k` are one. */
function toObject (value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {}
}

/** What `--help-options` prints. */
export function plainHelp (): string {
  const lines = [...PLAIN_OPTIONS].map(([name, { row }]) => {
    const otherwise = row.default === undefined ? row.otherwise ?? '' : String(row.default)
    return `  --${name}\n        ${plainText(row.doc)}${otherwise === '' ? '' : ` (${plainText(otherwise)})`}`
  })
  return `Options of docs/options.md that the command line takes, too. Switches stand alone, or with --no- before their name; lists have commas:\n\n${lines.join('\n')}\n`
}
