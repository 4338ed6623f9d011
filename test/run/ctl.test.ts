// The command line over the gateway's own socket: what it prints, what it does, and what it says where it cannot.
import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { ctl } from '../../lib/run/ctl.ts'
import { StartError, UsageError } from '../../lib/run/errors.ts'
import { runCli } from '../helpers/cli.ts'
import { tempDir } from '../helpers/temp.ts'
import { Backends, startAdmin } from '../observe/admin-kit.ts'

type Wrong = [args: string[], kind: typeof UsageError | typeof StartError, message: RegExp]

test('sees and edits a gateway that runs', async () => {
  await using dir = await tempDir()
  await using backends = await Backends.start(3)
  const socket = dir.socket()
  const [a = '', b = '', c = ''] = backends.addresses
  await using gateway = await startAdmin([a, b], { socket })
  for (const path of ['/cached/a', '/cached/a', '/cached/b']) await (await fetch(gateway.url + path, { headers: { connection: 'close' } })).text()
  const run = (...args: string[]): Promise<string> => ctl(['--socket', socket, ...args])
  const steps: [args: string[], printed: RegExp][] = [
    [['servers'], new RegExp(`^GROUP +SERVER +STATE .*\\napp +${a} +up +1 `)],
    [['drain', a], new RegExp(`^${a} is draining, 0 running\\n$`)],
    [['servers', '--group', 'app'], new RegExp(`app +${a} +draining`)],
    [['disable', a], / is down, /],
    [['enable', a], / is up, /],
    [['set', a, 'weight=5', 'failTimeout=30s', 'route=x'], /is edited/],
    [['servers', '--json'], /"weight": 5,[^]*"failTimeout": 30000,[^]*"route": "x"/],
    [['set', a, 'route=05', 'redirect=true'], /is edited/],
    [['servers', '--json'], /"route": "05",[^]*"redirect": "true"/],
    [['set', a, 'route=null'], /is edited/],
    [['servers', '--json'], /"route": null,[^]*"redirect": "true"/],
    [['add', c, 'weight=2', 'backup=true'], new RegExp(`^${c} is added to app`)],
    [['remove', c], /is removed/],
    [['method', 'random two'], /^app goes by random two/],
    [['method', 'least_time'], /^app goes by least_time/],
    [['group', 'queue.size=5', 'queue.timeout=2s', 'tries=2', 'sticky.apache.cookie=sid', 'sticky.failover=false'], /^app is edited\n$/],
    [['group'], /^OPTION +VALUE\n[^]*sticky +\{"apache":\{"cookie":"sid"\},"failover":false\}\nqueue +\{"size":5,"timeout":"2s"\}\ntries +2\n/],
    [['group', 'sticky=null', 'queue=null', 'tries=0'], /is edited/],
    [['processes'], /^GROUP +APPLICATION +PID +STATE +SINCE +RESTARTS +LAST\n$/],
    [['caches'], /^CACHE +ENTRIES +BYTES +HITS\npages +2 +\d+ +33%\n$/],
    [['entries', 'pages', 'cached/b'], /^AGE +FRESH +BYTES +KEY\n\d+ +\d+ +5 +http:\S+\/cached\/b\n$/],
    [['purge', 'pages', '--glob', '*cached/b'], /^1 entries purged\n$/],
    [['purge', 'pages', '--tag', 'all', '--soft'], /^1 entries purged\n$/],
    [['reset', a], /are zero/],
    [['reset'], /are zero/],
    [['failed'], /^AT +STATUS/],
    [['slow'], /^AT +STATUS/],
    [['edits'], /\(ctl\) +edits \S+ of app: weight 1 -> 5/],
    [['--help'], /^Usage: fastify-scgi ctl/],
  ]
  for (const [args, printed] of steps) assert.match(await run(...args), printed, args.join(' '))
  const wrong: Wrong[] = [
    [[], UsageError, /needs a command: servers/],
    [['toString'], UsageError, /no command 'toString'/],
    [['servers', 'x'], UsageError, /'x'/],
    [['servers', '--group', 'x'], StartError, /no group 'x'/],
    [['drain'], UsageError, /which server/],
    [['drain', 'x'], StartError, /no server 'x'/],
    [['set', a], UsageError, /NAME=VALUE/],
    [['set', a, 'weight'], UsageError, /'weight' is no NAME=VALUE/],
    [['set', a, 'weight=0'], StartError, /weight/],
    [['set', a, 'weight=05'], StartError, /weight/],
    [['set', 'x', 'weight'], UsageError, /'weight' is no NAME=VALUE/],
    [['method', 'fastest'], StartError, /balance/],
    [['purge', 'pages'], UsageError, /one of --key/],
    // What the gateway does not have is no wrong usage, whatever it is, and whatever is done with it.
    ...['drain', 'disable', 'enable', 'remove', 'reset'].map((command): Wrong => [[command, 'x'], StartError, /no server 'x'/]),
    [['set', 'x', 'weight=1'], StartError, /no server 'x'/],
    ...[['processes'], ['add', c], ['method', 'random'], ['group', 'tries=1'], ['group'], ['reset'], ['drain', a]]
      .map((command): Wrong => [[...command, '--group', 'x'], StartError, /no group 'x'/]),
    ...[['entries', 'none'], ['purge', 'none', '--key', 'a']].map((command): Wrong => [command, StartError, /no cache 'none'/]),
    [['group', 'quue.size=1'], StartError, /quue/],
    [['--nope'], UsageError, /--nope/],
  ]
  for (const [args, kind, message] of wrong) {
    await assert.rejects(run(...args), (error: Error) => error instanceof kind && message.test(error.message), args.join(' '))
  }
})

test('says what is the matter where no gateway answers', async () => {
  await using dir = await tempDir()
  await assert.rejects(ctl(['--socket', dir.file('none'), 'servers']), { message: /cannot reach the gateway at .*: there is no such socket/ })
  await assert.rejects(ctl(['servers']), UsageError)
  const socket = dir.socket()
  const server = createServer(client => client.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')).listen(socket)
  await once(server, 'listening')
  await assert.rejects(ctl(['--socket', socket, 'servers']), { message: /is no gateway/ })
  server.close()
})

test('names the workers that an answer is without, and those that have the entries of a cache', async () => {
  await using dir = await tempDir()
  const socket = dir.socket()
  const entry = { key: 'a', age: 1, freshFor: 2, bytes: 3, worker: 2 }
  const missing = [{ worker: 1, pid: 77 }, { worker: null, pid: 5 }]
  const body = { groups: [], entries: [entry, { ...entry, worker: 3 }], next: null, missing }
  const server = createHttpServer((_request, response) => response.end(JSON.stringify(body))).listen(socket)
  await once(server, 'listening')
  const run = (...args: string[]): Promise<string> => ctl(['--socket', socket, ...args])
  const lines = (await run('entries', 'pages')).split('\n')
  assert.deepEqual(lines, [
    'AGE  FRESH  BYTES  WORKER  KEY', '1    2      3      2       a', '1    2      3      3       a',
    'without worker 1 (process 77), which does not answer', 'without the primary (process 5), which does not answer', '',
  ])
  assert.deepEqual(JSON.parse(await run('servers', '--json')), { groups: [], missing })
  server.close()
})

test('is a subcommand, with exit codes', async () => {
  await using dir = await tempDir()
  await using help = runCli('ctl', '--help')
  assert.deepEqual(await help.ended, { code: 0, signal: null })
  assert.match(help.stdout, /^Usage: fastify-scgi ctl/)
  await using unknown = runCli('ctl', 'nothing')
  assert.deepEqual(await unknown.ended, { code: 2, signal: null })
  assert.match(unknown.stderr, /Try 'fastify-scgi ctl --help'\.\n$/)
  await using gone = runCli('ctl', '--socket', dir.file('none'), 'servers')
  assert.deepEqual(await gone.ended, { code: 1, signal: null })
  assert.match(gone.stderr, /^fastify-scgi: cannot reach the gateway/)
})
