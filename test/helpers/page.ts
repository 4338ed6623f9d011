import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { splitWords } from '../../lib/run/words.ts'
import { runCli } from './cli.ts'
import { RawClient } from './raw-client.ts'
import { runSnippet } from './run-snippet.ts'
import { snippetPlaces } from './snippet-places.ts'
import { readSnippets, ROOT } from './snippets.ts'
import { tempDir } from './temp.ts'
import type { Applications } from './applications.ts'

interface Manifest {
  name: string
  scripts: Record<string, string>
  peerDependencies: Record<string, string>
}

/** package.json */
export async function readManifest (): Promise<Manifest> {
  return JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
}

/** The name of the file that a snippet is, by its note `file: NAME`. */
export function fileOf (notes: readonly string[]): string | undefined {
  return notes.map(note => /^file: (\S+)$/.exec(note)?.[1]).find(name => name !== undefined)
}

/**
 * Makes a test of every snippet of a page.
 * @param files those that are files, and have tests of their own
 */
export async function testPage (page: string, files: readonly string[] = []): Promise<void> {
  const places = snippetPlaces()
  for (const { where, lang, code, notes } of await readSnippets(page)) {
    test(`${where} (${lang})`, async () => {
      if (lang === 'ts') await runSnippet(code, notes, places.applications, places.modules)
      else if (lang === 'sh') for (const line of code.split('\n')) await runLine(line, places.applications)
      else assert.ok(files.includes(fileOf(notes) ?? ''), `nobody knows how to run '${lang}'`)
    })
  }
}

/** Does what a line for the shell says, save for installing and building. */
async function runLine (line: string, applications: Applications): Promise<void> {
  const { name, scripts, peerDependencies } = await readManifest()
  for (const command of line.split(' && ')) {
    const [program = '', verb = '', ...args] = splitWords('', command)
    if (program === 'npx' && verb === name) {
      await serve(args, applications)
    } else if (program === 'npm' && (verb === 'start' || verb === 'test')) {
      const script = scripts[verb]
      assert.ok(script !== undefined, `there is a script '${verb}'`)
      const own = / node dist\/lib\/run\/bin\.js (.*)$/.exec(script)?.[1]?.split(' ')
      assert.equal(own !== undefined, verb === 'start')
      if (own !== undefined) await serve([...own, ...args.filter(arg => arg !== '--')], applications)
    } else if (program === 'npm' && verb === 'install') {
      for (const wanted of args) assert.ok(wanted === name || wanted in peerDependencies, wanted)
    } else {
      assert.fail(`nobody knows how to run '${command}'`)
    }
  }
}

/** Starts the command line gateway, sends a request through it, and ends it. */
async function serve (args: string[], applications: Applications): Promise<void> {
  await using dir = await tempDir()
  const option = (name: string): string | undefined => args[args.lastIndexOf(name) + 1]
  const socket = args.includes('--listen') && option('--listen')?.startsWith('unix:') === true ? dir.socket() : undefined
  const listen = socket === undefined ? '0' : `unix:${socket}`
  const real = await Promise.all(args.map((arg, index) => args[index - 1] === '--listen' ? listen : applications.rewrite(arg)))
  await using gateway = runCli(...real, '--log-level', 'info')
  const [, url = ''] = await gateway.printed(/Server listening at ([^"]+)"/)
  await using client = await RawClient.connect(socket === undefined ? { port: Number(new URL(url).port) } : { path: socket })
  const prefix = args.includes('--prefix') ? option('--prefix') ?? '' : ''
  const answer = await client.request(`GET ${prefix.replace(/\/$/, '')}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  assert.equal(answer.statusCode, 200)
  gateway.kill('SIGTERM')
  assert.deepEqual(await gateway.ended, { code: 0, signal: null })
}
