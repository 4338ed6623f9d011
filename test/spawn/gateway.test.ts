import assert from 'node:assert/strict'
import { chmodSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createUpstreams } from '../../lib/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { missingPackage } from '../helpers/packages.ts'
import { PERL_SCGI } from '../helpers/perl-scgi.ts'
import { tempDir } from '../helpers/temp.ts'
import { UWSGI } from '../helpers/uwsgi.ts'
import type { SpawnOptions } from '../../types/index.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

const app = (name: string): string => fileURLToPath(new URL(`apps/${name}`, import.meta.url))
const NODE = { command: process.execPath, args: [app('scgi.mjs')] }

async function get (gateway: Gateway, path: string): Promise<string> {
  const response = await fetch(gateway.url + path)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return text
}

function lives (pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Numbers of the processes that were started, as the log has them. */
function started (gateway: Gateway): number[] {
  return gateway.log.filter(({ msg }) => / is started$/.test(msg)).map(({ application }) => {
    assert.ok(typeof application === 'object' && application !== null && 'pid' in application)
    return Number(application.pid)
  })
}

async function until (holds: () => boolean): Promise<void> {
  while (!holds()) await setTimeout(10)
}

describe('real applications', () => {
  const uwsgi = ['--plugin', 'python3', '--wsgi-file', app('wsgi.py'), '--need-app', '--die-on-term']
  const table: [name: string, skip: string | false, spawn: SpawnOptions, answer: RegExp][] = [
    ['Perl, descriptor 0', missingPackage('libscgi-perl', ...PERL_SCGI), { command: 'perl', args: [app('scgi.pl')], processes: 2 }, /^Perl \/x$/],
    ['uWSGI, descriptor 0', missingPackage('uwsgi-plugin-python3', ...UWSGI), {
      command: 'uwsgi', args: ['--protocol', 'scgi', '--socket', 'fd://0', '--master', '--processes', '2', ...uwsgi],
    }, /^Python \/x \d+$/],
    ['uWSGI, a socket of its own', missingPackage('uwsgi-plugin-python3', ...UWSGI), {
      command: 'uwsgi', args: ['--scgi-socket', '{socket}', ...uwsgi], socket: 'path',
    }, /^Python \/x \d+$/],
    ['uWSGI, a port', missingPackage('uwsgi-plugin-python3', ...UWSGI), {
      command: 'uwsgi', args: ['--scgi-socket', '{socket}', ...uwsgi], socket: 'port',
    }, /^Python \/x \d+$/],
    ['Node.js, descriptor 0', false, { command: process.execPath, args: [...TYPESCRIPT, app('node.ts')] }, /^Node \/x$/],
  ]
  for (const [name, skip, spawn, answer] of table) {
    test(name, { skip }, async () => {
      const gateway = await startGateway({ upstreams: [{ spawn }] })
      try {
        for (let time = 0; time < 3; time++) assert.match(await get(gateway, '/x'), answer)
      } finally {
        await gateway.close()
      }
      const pids = started(gateway)
      assert.equal(pids.length, spawn.processes ?? 1)
      assert.ok(!pids.some(lives))
      assert.equal(gateway.log.filter(({ msg }) => / is stopped$/.test(msg)).length, pids.length)
    })
  }
})

test('what an application says is in the log, line by line, with its name', async () => {
  await using gateway = await startGateway({ upstreams: [{ spawn: NODE }] })
  await get(gateway, '/')
  await until(() => gateway.log.some(({ msg }) => msg.includes('listens')))
  const [pid] = started(gateway)
  const line = gateway.log.find(({ msg }) => msg.includes('and another'))
  assert.match(line?.msg ?? '', new RegExp(`^node .*\\[${pid}\\]: and another$`))
  assert.deepEqual(line?.['application'], { name: line?.msg.replace(/\[\d+\]: and another$/, ''), pid, stream: 'stderr' })
})

test('a crash is restarted, and the requests in between wait', async () => {
  await using gateway = await startGateway({ upstreams: [{ spawn: NODE }] })
  const [first = 0] = started(gateway)
  assert.equal(await get(gateway, '/'), String(first))
  process.kill(first, 'SIGKILL')
  await until(() => gateway.log.some(({ msg }) => msg.includes('was ended by SIGKILL')))
  const answers = await Promise.all(Array.from({ length: 20 }, () => get(gateway, '/')))
  assert.deepEqual([...new Set(answers)], [String(started(gateway)[1])])
})

for (const socket of ['stdin', 'path', 'port'] as const) {
  test(`a crash loop is the state of the server, with its reason, and the others serve: ${socket}`, async () => {
    const group = createUpstreams({
      name: 'shop',
      servers: [{ spawn: { command: 'sh', args: ['-c', 'echo no database >&2; exit 3'], socket } }, { spawn: NODE }],
    })
    await using gateway = await startGateway({ upstreams: group })
    await until(() => group.servers[0]?.state === 'failed')
    for (let time = 0; time < 4; time++) assert.equal(await get(gateway, '/'), String(await get(gateway, '/')))
    // With a port of its own it is another server after each try.
    const [crashing, good] = group.servers
    assert.equal(crashing?.state, 'failed')
    assert.match(crashing?.reason ?? '', /^sh -c .* exited with code 3: no database$/)
    assert.equal(good?.state, 'up')
    assert.equal(good?.reason, undefined)
    const shown = JSON.parse(JSON.stringify(group)).servers[0]
    assert.deepEqual([shown.state, shown.reason], [crashing?.state, crashing?.reason])
    const lines = gateway.log.filter(({ msg }) => msg.includes('is gone and starts again in'))
    assert.match(lines[0]?.msg ?? '', /application sh -c .* \(\d+\) is gone and starts again in 100 ms: .*exited with code 3: no database/)
    assert.equal(lines[0]?.level, 40)
  })
}

for (const socket of ['stdin', 'path'] as const) {
  test(`a server that failed while its process died is back with the next process, not after failTimeout: ${socket}`, async () => {
    const spawn = { ...NODE, socket }
    const group = createUpstreams({ name: 'shop', servers: [{ spawn, failTimeout: '1h' }, { spawn: { ...spawn, args: [...NODE.args, 'other'] }, backup: true }] })
    await using gateway = await startGateway({ upstreams: group })
    const [server, other] = group.servers
    const pid = Number(await get(gateway, '/'))
    const [backup = 0] = started(gateway).filter(one => one !== pid)
    const held = get(gateway, '/hold')
    await until(() => server?.active === 1)
    process.kill(pid, 'SIGKILL')
    // The backup has the request now, and holds it.
    await until(() => other?.active === 1)
    await until(() => started(gateway).length === 3 && server?.state === 'up')
    assert.equal(await get(gateway, '/'), String(started(gateway)[2]))
    process.kill(backup, 'SIGUSR2')
    assert.equal(await held, String(backup))
  })
}

test('a server alone that cannot be started is 502 at once, and serves when it can', async () => {
  await using dir = await tempDir()
  const flag = dir.file('flag')
  const script = `test -e ${flag} || exit 1; exec ${process.execPath} ${app('scgi.mjs')}`
  await using gateway = await startGateway({ upstreams: [{ spawn: { command: 'sh', args: ['-c', script], restart: { delay: 50, maxDelay: 50 } } }] })
  await until(() => gateway.log.some(({ msg }) => msg.includes('is gone and starts again')))
  for (let time = 0; time < 3; time++) assert.equal((await fetch(gateway.url)).status, 502)
  const { writeFileSync } = await import('node:fs')
  writeFileSync(flag, '')
  while ((await fetch(gateway.url)).status !== 200) await setTimeout(20)
})

test('load starts more processes, and idle ones end', async () => {
  const group = createUpstreams([{ spawn: { ...NODE, processes: { min: 1, max: 2, idleTimeout: 300 } } }])
  await using gateway = await startGateway({ upstreams: group })
  const held = [fetch(`${gateway.url}/hold`), fetch(`${gateway.url}/hold`), fetch(`${gateway.url}/hold`)]
  await until(() => started(gateway).length === 2)
  // Only what a process has accepted can be let go: the three are spread over the two by chance.
  const ready = (pid: number): boolean => lives(pid) && gateway.log.some(({ msg }) => msg.includes(`listens, at ${pid}`))
  await until(() => started(gateway).every(ready))
  const letting = setInterval(() => { for (const pid of started(gateway)) if (ready(pid)) process.kill(pid, 'SIGUSR2') }, 50)
  await Promise.all(held.map(async one => { await (await one).text() })).finally(() => clearInterval(letting))
  await until(() => gateway.log.some(({ msg }) => / is stopped$/.test(msg)))
  assert.equal(started(gateway).filter(lives).length, 1)
  await get(gateway, '/')
})

test('an application comes and goes with its server, and is edited as one', async () => {
  const group = createUpstreams({ name: 'shop', servers: ['127.0.0.1:1'] })
  await using gateway = await startGateway({ upstreams: group })
  await assert.rejects(group.add({ spawn: { command: 'no-such-command' } }), { code: 'FST_SCGI_SPAWN' })
  assert.equal(group.servers.length, 1)
  await group.add({ spawn: { ...NODE, args: [...NODE.args, 'shop'] }, weight: 2 })
  const name = `spawn:node ${app('scgi.mjs')} shop`.slice(0, 'spawn:'.length + 60)
  const server = group.servers[1]
  assert.equal(server?.weight, 2)
  group.remove('127.0.0.1:1')
  const given = name.length < `spawn:node ${app('scgi.mjs')} shop`.length ? `${name.slice(0, -3)}...` : name
  group.setWeight(given, 3)
  assert.equal(server?.weight, 3)
  const [pid = 0] = started(gateway)
  assert.equal(await get(gateway, '/'), String(pid))
  group.remove(given)
  await until(() => !lives(pid))
})

describe('bad input fails the registration, with one clear error and nothing half started', () => {
  const good = { spawn: NODE }
  const table: [name: string, spawn: SpawnOptions, code: string, message: RegExp][] = [
    ['no such command', { command: 'no-such-command' }, 'FST_SCGI_SPAWN', /there is no command 'no-such-command' in .*\/bin.*: install it, or give its path/],
    ['no such file', { command: '/nowhere/app' }, 'FST_SCGI_SPAWN', /\/nowhere\/app does not exist: mend command/],
    ['a directory', { command: '/tmp' }, 'FST_SCGI_SPAWN', /\/tmp is no file/],
    ['a file that is no program', { command: app('wsgi.py') }, 'FST_SCGI_SPAWN', /wsgi\.py may not be executed: mend command/],
    ['no such directory', { command: 'sh', cwd: '/nowhere' }, 'FST_SCGI_SPAWN', /its working directory \/nowhere does not exist: make it, or mend cwd/],
    ['a directory that is none', { command: 'sh', cwd: '/etc/passwd' }, 'FST_SCGI_SPAWN', /\/etc\/passwd is no directory: mend cwd/],
    ['no such user', { command: 'sh', user: 'no-such-user' }, 'FST_SCGI_OPT_INVALID', /upstreams\[1\]\.spawn\.user' is "no-such-user", expected a user of this system/],
    ['no such group', { command: 'sh', group: 'no-such-group' }, 'FST_SCGI_OPT_INVALID', /spawn\.group' is "no-such-group", expected a group of this system/],
  ]
  for (const [name, spawn, code, message] of table) {
    test(name, async () => {
      const lines: string[] = []
      const logger = { stream: { write: (line: string) => { lines.push(line) } } }
      await assert.rejects(startGateway({ upstreams: [good, { spawn }] }, { logger }), { code, message })
      const pids = lines.map(line => JSON.parse(line)).filter(({ msg }) => / is started$/.test(msg)).map(({ application }) => Number(application.pid))
      assert.ok(!pids.some(lives))
    })
  }

  test('a directory for sockets that may not be written', async () => {
    const before = process.env['TMPDIR']
    process.env['TMPDIR'] = '/nowhere'
    try {
      await assert.rejects(startGateway({ upstreams: [good] }), { code: 'FST_SCGI_SPAWN', message: /no socket can be made for it in the directory of temporary files: .*ENOENT.*TMPDIR names another directory/ })
    } finally {
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
  })
})

test('it runs as another user and group, where root starts it', { skip: process.getuid?.() !== 0 && 'only root may' }, async () => {
  await using dir = await tempDir()
  chmodSync(dir.path, 0o777)
  for (const socket of ['stdin', 'path'] as const) {
    await using gateway = await startGateway({ upstreams: [{ spawn: { command: 'perl', args: ['-e', PERL_IDS], cwd: '/', user: 'nobody', group: 'daemon', socket } }] })
    const [uid, gid] = (await get(gateway, '/')).split(' ')
    assert.equal(uid, '65534')
    assert.equal(gid, '1')
  }
})

/** An SCGI application in no module's debt, as not every user can read the one of the tests. */
const PERL_IDS = `
use IO::Socket::UNIX;
my $s;
if ($ENV{SCGI_SOCKET}) { $s = IO::Socket::UNIX->new(Local => $ENV{SCGI_SOCKET}, Listen => 5) or die $! } else { open($s, '+<&=', 0); bless $s, 'IO::Socket::UNIX' }
while (my $c = $s->accept) { sysread($c, my $b, 65536); my ($g) = split ' ', $(; syswrite($c, "Content-Type: text/plain\\r\\n\\r\\n$< $g"); close $c }`
