import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

interface Manifest {
  exports: Record<string, string | { types: string }>
  typesVersions?: Record<string, Record<string, string[]>>
}

test('every entry point has its types where TypeScript reads no exports, which is so with moduleResolution node10', async () => {
  const manifest: Manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  const expected: Record<string, string[]> = {}
  for (const [entry, target] of Object.entries(manifest.exports)) {
    if (entry !== '.' && typeof target !== 'string') expected[entry.slice(2)] = [target.types]
  }
  assert.ok('server' in expected)
  assert.deepEqual(manifest.typesVersions?.['*'], expected)
})
