import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { readArguments } from '../../lib/run/arguments.ts'
import { UsageError } from '../../lib/run/errors.ts'
import { splitWords } from '../../lib/run/words.ts'
import { runCli } from '../helpers/cli.ts'
import { missingPackage } from '../helpers/packages.ts'
import { PERL_SCGI } from '../helpers/perl-scgi.ts'

const app = (name: string): string => fileURLToPath(new URL(`../spawn/apps/${name}`, import.meta.url))

function lives (pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

test('the words of a command', () => {
  for (const [text, words] of [
    ['perl app.pl', ['perl', 'app.pl']],
    ['  perl\tapp.pl  ', ['perl', 'app.pl']],
    ["perl 'my app.pl'", ['perl', 'my app.pl']],
    ['perl "my app.pl" my\\ app', ['perl', 'my app.pl', 'my app']],
    ['a --name="x y" \'\' ""', ['a', '--name=x y', '', '']],
    ['a "say \\"hi\\" \\n" \'a\\b\'', ['a', 'say "hi" \\n', 'a\\b']],
    ['a $HOME *.pl ; b | c', ['a', '$HOME', '*.pl', ';', 'b', '|', 'c']],
    ['', []],
  ] as const) assert.deepEqual(splitWords('--spawn', text), words, text)
  for (const text of ["perl 'app", 'perl "app', 'perl app\\', 'a "b\\"']) {
    assert.throws(() => splitWords('--spawn', text), { constructor: UsageError, message: /^--spawn '.*' has a quote that is not closed$/s }, text)
  }
})

test('--spawn stands alone or beside addresses, several times', () => {
  const wanted = readArguments(['127.0.0.1:4000', '--spawn', 'perl app.pl', '--spawn', 'other'])
  assert.ok(wanted.what === 'run' && typeof wanted.config === 'object')
  const [mount] = wanted.config.mounts ?? []
  assert.ok(typeof mount === 'object' && 'upstreams' in mount)
  assert.deepEqual(mount.upstreams, ['127.0.0.1:4000', { spawn: { command: 'perl', args: ['app.pl'] } }, { spawn: { command: 'other', args: [] } }])
  const more = readArguments(['127.0.0.1:4000', '--spawn', 'a', '--spawn.processes', '4', '--spawn.stop.timeout', '1s', '--max-fails', '2'])
  assert.ok(more.what === 'run' && typeof more.config === 'object')
  const [second] = more.config.mounts ?? []
  assert.ok(typeof second === 'object' && 'upstreams' in second)
  assert.deepEqual(second.upstreams, [
    { maxFails: 2, address: '127.0.0.1:4000' }, { maxFails: 2, spawn: { command: 'a', args: [], processes: 4, stop: { timeout: '1s' } } },
  ])
  assert.throws(() => readArguments(['127.0.0.1:4000', '--spawn.processes', '4']), { constructor: UsageError, message: /--spawn\.processes stands beside --spawn/ })
  assert.throws(() => readArguments(['--spawn', 'a', '--spawn.command', 'b']), { constructor: UsageError, message: /--spawn\.command is said by --spawn/ })
  assert.throws(() => readArguments(['--spawn', ' ']), { constructor: UsageError, message: /--spawn is empty/ })
  assert.throws(() => readArguments([]), { constructor: UsageError, message: /--spawn/ })
})

test("fastify-scgi --spawn 'perl app.pl'", { skip: missingPackage('libscgi-perl', ...PERL_SCGI) }, async () => {
  await using gateway = runCli('--listen', '0', '--spawn', `perl '${app('scgi.pl')}'`)
  const [, url = ''] = await gateway.printed(/Server listening at ([^"]+)"/)
  assert.equal(await (await fetch(`${url}/x`)).text(), 'Perl /x')
  const [, pid = ''] = await gateway.printed(/\((\d+)\) is started/)
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
  assert.ok(!lives(Number(pid)))
})

test('a command that does not exist: one line, and exit code 1', async () => {
  await using gateway = runCli('--listen', '0', '--spawn', 'no-such-command x')
  assert.deepEqual(await gateway.ended, { code: 1, signal: null })
  assert.match(gateway.stderr,
    /^fastify-scgi: .*the application 'no-such-command x' cannot be started: there is no command 'no-such-command' in .*: install it, or give its path\n$/)
})

describe('several workers', { skip: process.platform !== 'linux' && 'looks into /proc' }, () => {
  test('have one application, which outlives a worker that is killed, and nothing outlives the primary', async () => {
    await using gateway = runCli('--listen', '0', '--workers', '2', '--spawn', `${process.execPath} ${app('scgi.mjs')}`)
    const [, url = ''] = await gateway.printed(/istening at ([^"\s]+)"/)
    const [, primary = '', pid = ''] = await gateway.printed(/"pid":(\d+),"hostname":[^\n]*?\((\d+)\) is started/)
    const ask = async (): Promise<string> => await (await fetch(url, { headers: { connection: 'close' } })).text()
    for (let time = 0; time < 6; time++) assert.equal(await ask(), pid)
    const workers = workersOf(Number(primary), Number(pid))
    assert.equal(workers.length, 2)
    process.kill(workers[0] ?? 0, 'SIGKILL')
    process.kill(workers[1] ?? 0, 'SIGKILL')
    while (workers.some(lives)) await setTimeout(10)
    // It serves again as soon as there are workers again.
    for (;;) {
      const answer = await ask().catch(() => undefined)
      if (answer === undefined) await setTimeout(50)
      else {
        assert.equal(answer, pid)
        break
      }
    }
    const all = [Number(pid), ...workersOf(Number(primary), Number(pid))]
    gateway.kill('SIGKILL')
    while (all.some(lives)) await setTimeout(20)
  })
})

/** Children of the primary that are neither the application nor the shell that guards it. */
function workersOf (primary: number, application: number): number[] {
  const children = readFileSync(`/proc/${primary}/task/${primary}/children`, 'utf8').trim().split(' ').map(Number)
  return children.filter(pid => pid !== application && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('node'))
}
