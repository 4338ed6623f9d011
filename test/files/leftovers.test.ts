// What processes leave that are killed, and what the next one makes of it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { clearDirectories, clearFiles, FILE_PREFIX, makeOwnDirectory } from '../../lib/files/leftovers.ts'
import { isOver, PROCESS_MARK } from '../../lib/runtime/process-mark.ts'
import { runScript } from '../helpers/cli.ts'
import { tempDir } from '../helpers/temp.ts'

const [pid = '', start = '', namespace = ''] = PROCESS_MARK.split('-')
/** The number of a process that is over. */
const dead = String(spawnSync(process.execPath, ['-e', '']).pid)

/** Marks, and whether their process is certainly over. */
const MARKS: [string, string, boolean][] = [
  ['this process', PROCESS_MARK, false],
  ['a process that is over', `${dead}-1-${namespace}`, true],
  ['a process whose number is used again', `${pid}-${Number(start) + 1}-${namespace}`, true],
  ['the parent of this one, which began at another time', `${process.ppid}-1-${namespace}`, true],
  ['a process of another namespace', `${dead}-1-${Number(namespace) + 1}`, false],
  ['a process where the system does not tell when it began', `${pid}-0-${namespace}`, false],
  ['no mark', `${dead}-1`, false],
]

const skip = process.platform === 'linux' ? false : 'only Linux tells when a process began'

test('who is over', { skip }, () => {
  for (const [what, mark, over] of MARKS) assert.equal(isOver(mark), over, what)
})

/** Lets the system's directory of temporary files be another one. */
function useTemp (t: TestContext, path: string): void {
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = path
  t.after(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
}

test('directories: only our own ones of processes that are over', { skip }, async t => {
  await using dir = await tempDir()
  useTemp(t, dir.path)
  const gone = MARKS[1]?.[1] ?? ''
  const own = makeOwnDirectory('')
  const make = (name: string, mode = 0o700): string => {
    mkdirSync(dir.file(name), { mode })
    writeFileSync(join(dir.file(name), 'file'), '')
    return name
  }
  const stays = [make('fastify-scgi-abcdef'), make(`fastify-scgi-${gone}`), make(`fastify-scgi-${gone}-abcdef.d`), make(`other-${gone}-abcdef`)]
  for (const [, mark, over] of MARKS) {
    const name = make(`fastify-scgi-${mark}-ABCdef`)
    if (!over) stays.push(name)
  }
  make(`fastify-scgi-demo-${gone}-abcdef`)
  stays.push(make(`fastify-scgi-${gone}-open00`, 0o755))
  // A directory in it is nobody's that we know.
  mkdirSync(join(dir.file(make(`fastify-scgi-${gone}-deeper`)), 'deep'))
  stays.push(`fastify-scgi-${gone}-deeper`)
  mkdirSync(dir.file('elsewhere'), { mode: 0o700 })
  writeFileSync(dir.file('elsewhere/file'), '')
  symlinkSync(dir.file('elsewhere'), dir.file(`fastify-scgi-${gone}-linked`))
  stays.push('elsewhere', `fastify-scgi-${gone}-linked`)
  if (process.getuid?.() === 0) {
    const name = make(`fastify-scgi-${gone}-others`)
    chownSync(dir.file(name), 12345, 12345)
    stays.push(name)
  }
  await clearDirectories()
  assert.deepEqual(readdirSync(dir.path).sort(), [...stays, own.slice(dir.path.length + 1)].sort())
  assert.deepEqual(readdirSync(dir.file('elsewhere')), ['file'])
})

test('files: only our own ones of processes that are over, in the levels too', { skip }, async () => {
  await using dir = await tempDir()
  const gone = MARKS[1]?.[1] ?? ''
  const stays: string[] = []
  const make = (name: string, keep: boolean): void => {
    writeFileSync(dir.file(name), '')
    if (keep) stays.push(name)
  }
  mkdirSync(dir.file('1'))
  mkdirSync(dir.file('1/01'))
  mkdirSync(dir.file('x'))
  for (const [, mark, over] of MARKS) make(`1/01/fastify-scgi-${mark}-0000000011`, !over)
  // nginx's own, and others.
  for (const name of ['1/01/0000000011', `1/01/fastify-scgi-${gone}-11`, `1/01/fastify-scgi-${gone}-0000000011.bak`, `x/fastify-scgi-${gone}-0000000011`]) make(name, true)
  symlinkSync(dir.file('1/01/0000000011'), dir.file(`1/01/fastify-scgi-${gone}-0000000111`))
  stays.push(`1/01/fastify-scgi-${gone}-0000000111`)
  await clearFiles(dir.path, [1, 2])
  const found = readdirSync(dir.path, { recursive: true, encoding: 'utf8' }).filter(name => !lstatSync(dir.file(name)).isDirectory())
  assert.deepEqual(found.sort(), stays.sort())
  await clearFiles(dir.file('not there'))
})

test('what a killed process leaves goes when the next one registers', { skip }, async t => {
  await using dir = await tempDir()
  for (const name of ['tmp', 'temp', 'root']) mkdirSync(dir.file(name))
  useTemp(t, dir.file('tmp'))
  const left = (): string[] => readdirSync(dir.path, { recursive: true, encoding: 'utf8' }).filter(name => /scgi-/.test(name))
  {
    await using child = runScript('test/files/leftovers-child.ts', [dir.file('temp'), dir.file('root')], { TMPDIR: dir.file('tmp') })
    await child.printed(/(opened\n){4}/)
    child.kill('SIGKILL')
    await child.ended
  }
  // Two directories, the file in one of them, two in the places of the options, one in the root of the mirror.
  assert.equal(left().length, 6, left().join('\n'))
  chmodSync(dir.path, 0o755)
  const app = Fastify()
  app.register(scgi, {
    prefix: '/a',
    upstreams: '127.0.0.1:4000',
    store: { root: dir.file('root') },
    buffering: { tempPath: { path: dir.file('temp/levels'), levels: [1, 2] } },
    requestBuffering: { tempPath: dir.file('temp') },
  })
  await app.ready()
  assert.deepEqual(left(), [])
  await app.close()
  assert.match(FILE_PREFIX, new RegExp(`^fastify-scgi-${PROCESS_MARK}-$`))
})
