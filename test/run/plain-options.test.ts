// The short form has every option of the table that can be said in words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readArguments } from '../../lib/run/arguments.ts'
import { UsageError } from '../../lib/run/errors.ts'
import { PLAIN_OPTIONS, plainHelp } from '../../lib/run/plain-options.ts'
import { readConfig } from '../../lib/run/read-config.ts'

function mountOf (...args: string[]): unknown {
  const read = readArguments([...args, '127.0.0.1:4000'])
  assert.ok('config' in read && typeof read.config === 'object')
  readConfig(read.config)
  return read.config.mounts?.[0]
}

const NOTHING = { prefix: '/', upstreams: ['127.0.0.1:4000'], defaultParams: 'cgi' }

test('options of the mount, its group and all of its servers', () => {
  for (const [args, mount] of [
    [['--read-timeout', '5s'], { readTimeout: '5s' }],
    [['--connect-timeout=500ms', '--limit-rate', '8k'], { connectTimeout: '500ms', limitRate: '8k' }],
    [['--hide-headers', 'X-A,X-B'], { hideHeaders: ['X-A', 'X-B'] }],
    [['--forwarded', 'pass'], { forwarded: 'pass' }],
    [['--force-ranges'], { forceRanges: true }],
    [['--no-upgrade'], { upgrade: false }],
    [['--upgrade', 'off'], { upgrade: false }],
    [['--upgrade=false'], { upgrade: false }],
    [['--no-buffering'], { buffering: false }],
    [['--buffering.buffer-size', '8k', '--buffering.max-temp-file-size', '0'], { buffering: { bufferSize: '8k', maxTempFileSize: 0 } }],
    [['--next-upstream', 'error,http_503'], { nextUpstream: ['error', 'http_503'] }],
    [['--next-upstream.tries', '2', '--next-upstream.on', 'error'], { nextUpstream: { tries: 2, on: ['error'] } }],
    [['--balance', 'least_conn'], { upstreams: { balance: 'least_conn', servers: ['127.0.0.1:4000'] } }],
    [['--max-fails', '3', '--fail-timeout', '5s'], { upstreams: [{ maxFails: 3, failTimeout: '5s', address: '127.0.0.1:4000' }] }],
    [['--queue.size', '5', '--max-conns', '2'], { upstreams: { queue: { size: 5 }, servers: [{ maxConns: 2, address: '127.0.0.1:4000' }] } }],
    [['--health.interval', '1s'], { upstreams: { health: { interval: '1s' }, servers: ['127.0.0.1:4000'] } }],
  ] as const) assert.deepEqual(mountOf(...args), { ...NOTHING, ...mount }, args.join(' '))
})

test('a wrong value names the option as it was written', () => {
  for (const [args, message] of [
    [['--read-timeout', '5'], /^--read-timeout is "5".*for seconds write 5000 or '5s'/],
    [['--max-fails', 'often'], /^--max-fails is "often"/],
    [['--forwarded', 'maybe'], /^--forwarded is "maybe"/],
    [['--force-ranges=perhaps'], /^--force-ranges is "perhaps"/],
    [['--no-such-option'], /Unknown option '--no-such-option'/],
  ] as const) {
    assert.throws(() => readArguments([...args, '127.0.0.1:4000']), error => error instanceof UsageError && message.test(error.message), args.join(' '))
  }
})

test('an unknown name is told with the one that was probably meant', () => {
  const read = (args: readonly string[]): unknown => readArguments([...args, '127.0.0.1:4000'])
  for (const [arg, meant] of [
    ['--read-timout=5s', 'read-timeout'],
    ['--readTimeout=5s', 'read-timeout'],
    ['--scgi_read_timeout=5s', 'read-timeout'],
    ['--timeout=5s', 'read-timeout'],
    ['--buffering.buffersize=8k', 'buffering.buffer-size'],
    ['--no-upgrad', 'no-upgrade'],
    ['--workes=2', 'workers'],
    ['--acces-log=json', 'access-log'],
    ['--tls-crt=a.pem', 'tls-cert'],
    ['--maxfails=1', 'max-fails'],
  ] as const) {
    assert.throws(() => read([arg]), error => error instanceof UsageError && error.message.endsWith(` (is '--${meant}' meant?)`), arg)
  }
  assert.throws(() => read(['--zzzzzzzz']), { message: "Unknown option '--zzzzzzzz'" })
})

test('every option of the command line is found where a letter of it is missing', () => {
  for (const name of PLAIN_OPTIONS.keys()) {
    const wrong = name.slice(0, -1)
    if (PLAIN_OPTIONS.has(wrong)) continue
    assert.throws(() => readArguments([`--${wrong}=1`, '127.0.0.1:4000']), /Unknown option '[^']+' \(is '--[^']+' meant\?\)$/, wrong)
  }
})

test('--help-options lists them', () => {
  const help = plainHelp()
  assert.ok(PLAIN_OPTIONS.size > 80)
  for (const name of PLAIN_OPTIONS.keys()) assert.ok(help.includes(`  --${name}\n`), name)
  assert.match(help, /--read-timeout\n +\S.* \(60s\)\n/)
})
