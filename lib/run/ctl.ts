import { isRecord } from '../options/checks.ts'
import { ControlClient } from './ctl-client.ts'
import { StartError, UsageError } from './errors.ts'
import { parse } from './parse.ts'

const CTL_USAGE = `Usage: fastify-scgi ctl [--socket PATH] [--group NAME] [--json] COMMAND ...

Sees and edits a gateway that runs, over the socket of its admin plugin (option
'socket'). PATH may be in the environment, too: FASTIFY_SCGI_SOCKET.

  servers                      the servers of all groups, or of one
  processes                    the processes of applications that it has started
  drain SERVER                 no new requests but those that are bound to it
  disable SERVER               no requests at all
  enable SERVER                undoes both
  set SERVER NAME=VALUE ...    sets options: weight=5 maxConns=20 failTimeout=30s ...
  add ADDRESS [NAME=VALUE ...] adds a server to the group that --group names
  remove SERVER                takes a server off its group
  method METHOD                how the servers of a group take turns: round_robin, least_conn,
                               least_time, ip_hash, random, random_two, bytraffic, bybusyness
  group [NAME=VALUE ...]       options of a group itself, or sets them: queue.timeout=5s tries=2
                               sticky.failover=false sticky.apache.cookie=sid health.interval=10s;
                               null takes one away
  caches                       the caches
  entries CACHE [SEARCH]       keys of a cache, up to 1000
  purge CACHE --key KEY | --glob GLOB | --tag TAG [--soft]
  reset [SERVER]               counts from zero again
  failed, slow, edits          the latest requests that failed or were slow, and edits

--group is needed where several groups have the server, or there are several groups.
--json prints what the API answers. Exit codes: 0 done, 1 not done (also for a server, group or
cache that the gateway does not have), 2 wrong usage.
`

interface Options {
  readonly group: string | undefined
  readonly key: string | undefined
  readonly glob: string | undefined
  readonly tag: string | undefined
  readonly soft: boolean
}

type Answer = Record<string, unknown>

/** What a command has come to: the API's answer, and the same for people. */
interface Result {
  readonly answer: Answer
  readonly text: string
}

type Command = (client: ControlClient, args: string[], options: Options) => Promise<Result>

const COMMANDS: Readonly<Record<string, Command>> = {
  servers: async (client, args, { group }) => {
    none(args)
    const groups = await groupsOf(client, group)
    return { answer: { groups }, text: serverTable(groups) }
  },
  processes: async (client, args, { group }) => {
    none(args)
    const found: Answer[] = (await groupsOf(client, group)).flatMap(({ name, applications }) => records(applications).flatMap(application =>
      records(application['processes']).map(each => ({ group: name, application: application['name'], ...each }))))
    const rows = found.map(each => [...PROCESS.map(column => each[column]), each['reason'] ?? each['lastLine'] ?? ''])
    return { answer: { processes: found }, text: table([...PROCESS.map(column => column.toUpperCase()), 'LAST'], rows) }
  },
  drain: act('drain'),
  disable: act('disable'),
  enable: act('enable'),
  set: async (client, [server, ...pairs], options) => {
    const changes = readPairs(pairs)
    const { path, etag } = await find(client, server, options)
    const answer = await client.call('PATCH', path, changes, etag)
    return { answer, text: `${String(answer['name'])} is edited\n` }
  },
  add: async (client, [address, ...pairs], options) => {
    if (address === undefined) throw new UsageError('which address is to be added?')
    const server = { address, ...(pairs.length === 0 ? undefined : readPairs(pairs)) }
    const { id, name } = await oneGroup(client, options)
    const answer = await client.call('POST', `/groups/${encodeURIComponent(id)}/servers`, server)
    return { answer, text: `${address} is added to ${name}\n` }
  },
  remove: async (client, [server, ...rest], options) => {
    none(rest)
    const { path, etag } = await find(client, server, options)
    return { answer: await client.call('DELETE', path, undefined, etag), text: `${server ?? ''} is removed\n` }
  },
  method: async (client, [method, ...rest], options) => {
    none(rest)
    if (method === undefined) throw new UsageError('which method?')
    const { id, name, etag } = await oneGroup(client, options)
    const balance = method === 'least_time' ? { leastTime: 'header' } : RANDOM_TWO.has(method) ? { random: 'two' } : method
    const answer = await client.call('PATCH', `/groups/${encodeURIComponent(id)}`, { balance }, etag)
    return { answer, text: `${name} goes by ${String(answer['balance'])}\n` }
  },
  group: async (client, pairs, options) => {
    const { id, name, etag } = await oneGroup(client, options)
    const path = `/groups/${encodeURIComponent(id)}`
    const answer = pairs.length === 0 ? await client.call('GET', path) : await client.call('PATCH', path, nested(readPairs(pairs)), etag)
    const now = Object.entries(isRecord(answer['options']) ? answer['options'] : {}).map(([option, value]) => [option, typeof value === 'object' && value !== null ? JSON.stringify(value) : value])
    return { answer, text: pairs.length === 0 ? table(['OPTION', 'VALUE'], now) : `${name} is edited\n` }
  },
  caches: async (client, args) => {
    none(args)
    const answer = await client.call('GET', '/caches')
    const rows = records(answer['caches']).map(({ name, entries, bytes, hitShare }) =>
      [name, entries, bytes, typeof hitShare === 'number' ? `${Math.round(hitShare * 100)}%` : null])
    return { answer, text: table(['CACHE', 'ENTRIES', 'BYTES', 'HITS'], rows) }
  },
  entries: async (client, [cache, search = '', ...rest]) => {
    none(rest)
    const answer = await client.call('GET', `${cachePath(cache)}/entries?limit=1000&search=${encodeURIComponent(search)}`)
    const entries = records(answer['entries'])
    // Of several workers each may have its own.
    const several = entries.some(({ worker }) => worker !== undefined)
    const rows = entries.map(({ age, freshFor, bytes, worker, key }) => [age, freshFor, bytes, ...several ? [worker] : [], key])
    return { answer, text: table(['AGE', 'FRESH', 'BYTES', ...several ? ['WORKER'] : [], 'KEY'], rows) }
  },
  purge: async (client, [cache, ...rest], { key, glob, tag, soft }) => {
    none(rest)
    const match = Object.fromEntries(Object.entries({ key, glob, tag }).filter(([, value]) => value !== undefined))
    if (Object.keys(match).length !== 1) throw new UsageError('purge needs one of --key, --glob and --tag')
    const answer = await client.call('POST', `${cachePath(cache)}/purge`, { ...match, soft })
    return { answer, text: `${String(answer['purged'])} entries purged\n` }
  },
  reset: async (client, [server, ...rest], options) => {
    none(rest)
    const path = server === undefined
      ? `/groups/${encodeURIComponent((await oneGroup(client, options)).id)}`
      : (await find(client, server, options)).path
    return { answer: await client.call('POST', `${path}/reset`), text: 'the counters are zero\n' }
  },
  failed: requests('failed'),
  slow: requests('slow'),
  edits: async (client, args) => {
    none(args)
    const answer = await client.call('GET', '/edits')
    return { answer, text: table(['AT', 'BY', 'WHAT'], records(answer['edits']).map(({ at, by, what }) => [at, by, what])) }
  },
}

const PROCESS = ['group', 'application', 'pid', 'state', 'since', 'restarts']
/** As one writes it, and as it is shown. */
const RANDOM_TWO = new Set(['random_two', 'random two'])

/**
 * `fastify-scgi ctl`: what it prints.
 * @throws UsageError, StartError
 */
export async function ctl (args: string[]): Promise<string> {
  const { values, positionals } = parse({ args, allowPositionals: true, options: OPTIONS })
  if (values.help === true) return CTL_USAGE
  const [name = '', ...rest] = positionals
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) {
    throw new UsageError(`${name === '' ? 'ctl needs a command' : `there is no command '${name}'`}: ${Object.keys(COMMANDS).join(', ')}`)
  }
  const socket = values.socket ?? process.env['FASTIFY_SCGI_SOCKET'] ?? ''
  if (socket === '') throw new UsageError("where does the gateway listen? --socket PATH, which is the option 'socket' of its admin")
  const { group, key, glob, tag, soft = false } = values
  const client = new ControlClient(socket)
  const { answer, text } = await command(client, rest, { group, key, glob, tag, soft })
  const { missing } = client
  if (values.json === true) return `${JSON.stringify(missing === undefined ? answer : { ...answer, missing }, null, 2)}\n`
  return text + records(missing).map(({ worker, pid }) => `without ${worker === null ? 'the primary' : `worker ${String(worker)}`} (process ${String(pid)}), which does not answer\n`).join('')
}

const OPTIONS = {
  socket: { type: 'string', short: 's' },
  group: { type: 'string', short: 'g' },
  key: { type: 'string' },
  glob: { type: 'string' },
  tag: { type: 'string' },
  soft: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

function act (action: 'drain' | 'disable' | 'enable'): Command {
  return async (client, [server, ...rest], options) => {
    none(rest)
    const { path, etag } = await find(client, server, options)
    const answer = await client.call('POST', `${path}/${action}`, undefined, etag)
    return { answer, text: `${String(answer['name'])} is ${String(answer['state'])}, ${String(answer['active'])} running\n` }
  }
}

function requests (kind: 'failed' | 'slow'): Command {
  return async (client, args) => {
    none(args)
    const answer = await client.call('GET', `/requests/${kind}`)
    const rows = records(answer['requests']).map(({ at, status, time, method, path, attempts }) => {
      const tried = records(attempts).map(({ address, status: got, error }) => `${String(address)} ${String(error ?? got ?? 'no answer')}`)
      return [at, status, `${String(time)}ms`, `${String(method)} ${String(path)}`, tried.join('; ')]
    })
    return { answer, text: table(['AT', 'STATUS', 'TIME', 'REQUEST', 'ATTEMPTS'], rows) }
  }
}

/** All groups, or the one of that name. */
async function groupsOf (client: ControlClient, group: string | undefined): Promise<Answer[]> {
  const groups = records((await client.call('GET', '/groups'))['groups']).filter(({ name }) => group === undefined || name === group)
  if (group !== undefined && groups.length === 0) throw new StartError(`there is no group '${group}'`)
  return groups
}

/** A server by its name, and what may be edited of it. */
async function find (client: ControlClient, server: string | undefined, { group }: Options): Promise<{ path: string, etag: string }> {
  if (server === undefined) throw new UsageError('which server?')
  const found = (await groupsOf(client, group)).flatMap(each =>
    records(each['servers']).filter(({ name }) => name === server).map(({ id, etag }) => ({ group: each, id: String(id), etag: String(etag) })))
  const [one, other] = found
  if (one === undefined) throw new StartError(`there is no server '${server}'${group === undefined ? '' : ` in a group '${group}'`}`)
  if (other !== undefined) throw new UsageError(`several groups have '${server}': say --group ${found.map(each => String(each.group['name'])).join(' or ')}`)
  return { path: `/groups/${encodeURIComponent(String(one.group['id']))}/servers/${encodeURIComponent(one.id)}`, etag: one.etag }
}

async function oneGroup (client: ControlClient, { group }: Options): Promise<{ id: string, name: string, etag: string }> {
  const groups = await groupsOf(client, group)
  const [one, other] = groups
  if (one === undefined) throw new StartError('there is no group')
  if (other !== undefined) throw new UsageError(`which group? --group ${groups.map(({ name }) => String(name)).join(' or ')}`)
  return { id: String(one['id']), name: String(one['name']), etag: String(one['etag']) }
}

function cachePath (cache: string | undefined): string {
  if (cache === undefined) throw new UsageError('which cache?')
  return `/caches/${encodeURIComponent(cache)}`
}

/** Options that are text, whatever it looks like. */
const TEXTS = new Set(['route', 'redirect', 'service'])

/** `weight=5 backup=true route=a`: numbers, true, false and null are such where an option may be one, all else is text. */
function readPairs (pairs: string[]): Record<string, unknown> {
  if (pairs.length === 0) throw new UsageError('which options? NAME=VALUE ...')
  return Object.fromEntries(pairs.map(pair => {
    const [, name = '', value = ''] = /^(\w+(?:\.\w+)*)=(.*)$/s.exec(pair) ?? []
    if (name === '') throw new UsageError(`'${pair}' is no NAME=VALUE`)
    const parsed: unknown = (TEXTS.has(name) ? /^null$/ : /^(?:0|[1-9]\d*|true|false|null)$/).test(value) ? JSON.parse(value) : value
    return [name, parsed]
  }))
}

/** `{ 'queue.size': 5 }` is `{ queue: { size: 5 } }`. */
function nested (flat: Answer): Answer {
  const whole: Answer = {}
  for (const [path, value] of Object.entries(flat)) {
    const names = path.split('.')
    const last = names.pop() ?? ''
    const owner = names.reduce<Answer>((part, name) => {
      const there = part[name]
      if (isRecord(there)) return there
      const made: Answer = {}
      part[name] = made
      return made
    }, whole)
    owner[last] = value
  }
  return whole
}

function serverTable (groups: readonly Answer[]): string {
  const rows = groups.flatMap(({ name: group, servers }) => records(servers).map(server => {
    const { name, state, active, rate, p50, p99, failures, settings, reason, lastFailure } = server
    const weight = isRecord(settings) ? settings['weight'] : null
    return [group, name, state, weight, active, rate, p50, p99, failures, reason ?? (isRecord(lastFailure) ? lastFailure['message'] : '')]
  }))
  return table(['GROUP', 'SERVER', 'STATE', 'WEIGHT', 'RUNNING', 'RATE', 'P50', 'P99', 'FAILURES', 'WHY'], rows)
}

/** Columns with two blanks between; nothing of a name moves the cursor of a terminal. */
function table (heads: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const lines = [heads, ...rows.map(row => row.map(show))]
  const widths = heads.map((_head, column) => Math.max(...lines.map(line => (line[column] ?? '').length)))
  return lines.map(line => `${line.map((cell, column) => column === heads.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()}\n`).join('')
}

function show (value: unknown): string {
  return value === null || value === undefined ? '-' : String(value).replace(/\p{C}/gu, '?')
}

function records (value: unknown): Answer[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function none (rest: readonly string[]): void {
  if (rest.length > 0) throw new UsageError(`nobody knows what '${rest.join(' ')}' is for`)
}
