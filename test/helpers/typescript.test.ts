import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'esbuild'
import { createUpstreams } from '../../lib/index.ts'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

// What runs the sources: the places that it tells of an error are those of the sources.

test('a stack tells the line in lib/', () => {
  let stack = ''
  try {
    createUpstreams([])
  } catch (error) {
    assert.ok(error instanceof Error)
    stack = error.stack ?? ''
  }
  const [, file = '', line] = /(\/lib\/[\w/-]+\.ts):(\d+):/.exec(stack) ?? assert.fail(stack)
  const text = readFileSync(new URL(`../..${file}`, import.meta.url), 'utf8').split('\n')[Number(line) - 1] ?? ''
  assert.match(text, /\bnew\b.*\(|throw|return/, `${file}:${line}`)
  const [name = ''] = /(?<=at )\w+/.exec(stack.slice(stack.indexOf('\n'))) ?? []
  assert.ok(readFileSync(new URL(`../..${file}`, import.meta.url), 'utf8').includes(name), stack)
})

test('a map of lines leads from each line to where its first place led', async () => {
  const { linesOnly }: { linesOnly (mappings: string): string } = await import(new URL('../../scripts/line-map.js', import.meta.url).href)
  const source = readFileSync(fileURLToPath(import.meta.url), 'utf8')
  const { map: text } = transformSync(source, { loader: 'ts', sourcemap: 'external', sourcefile: 'a.ts' })
  const map = JSON.parse(text)
  const all = new SourceMap(map)
  const lines = new SourceMap({ ...map, names: [], mappings: linesOnly(map.mappings) })
  const origin = (from: SourceMap, line: number, column: number): unknown => {
    const entry = from.findEntry(line, column)
    return 'originalLine' in entry ? [entry.originalSource, entry.originalLine] : undefined
  }
  let compared = 0
  for (const line of map.mappings.split(';').keys()) {
    const expected = origin(all, line, 0)
    for (const column of [0, 40]) assert.deepEqual(origin(lines, line, column), expected)
    if (expected !== undefined) compared++
  }
  assert.ok(compared > 40)
})

test('the files of a test run are told the state of lib/, and one that is run by itself looks for it', () => {
  const probe = `data:text/javascript,${encodeURIComponent('console.log("state", String(process.env.FASTIFY_SCGI_TEST_STATE))')}`
  const env = { ...process.env }
  for (const name of ['FASTIFY_SCGI_TEST_STATE', 'NODE_TEST_CONTEXT']) delete env[name]
  const root = new URL('../..', import.meta.url)
  const given = (...args: string[]): string[] => {
    const { stdout, stderr } = spawnSync(process.execPath, [...args, 'test/helpers/network.ts'], { env: { ...env, NODE_OPTIONS: `--import=${probe}` }, cwd: root, encoding: 'utf8' })
    return stdout.match(/(?<=state )\w+/g) ?? assert.fail(stdout + stderr)
  }
  assert.deepEqual(given(...TYPESCRIPT), ['undefined'])
  const [, ...files] = given('scripts/test.js', '--test-reporter=tap')
  assert.ok(files.length > 0)
  for (const state of files) assert.match(state, /^[\da-f]{40}$/)
})
