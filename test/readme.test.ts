import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { testPage } from './helpers/page.ts'
import { ROOT } from './helpers/snippets.ts'

await testPage('README.md')

const DIRECTIVES = `
  bind buffer_size buffering buffers busy_buffers_size cache cache_background_update cache_bypass cache_key cache_lock cache_lock_age
  cache_lock_timeout cache_max_range_offset cache_methods cache_min_uses cache_path cache_revalidate cache_use_stale cache_valid
  connect_timeout force_ranges hide_header ignore_client_abort ignore_headers intercept_errors limit_rate max_temp_file_size next_upstream
  next_upstream_timeout next_upstream_tries no_cache param pass pass_header pass_request_body pass_request_headers read_timeout
  request_buffering send_timeout socket_keepalive store store_access temp_file_write_size temp_path`.trim().split(/\s+/)

/** Words of the tables that are no options of this package. */
const OTHERS = new Set(['trustProxy', 'name', 'servers', 'memory', 'tempPath', 'createUpstreams', 'transparent', 'unix', 'reply', 'request'])

async function optionNames (): Promise<Set<string>> {
  const text = await Promise.all(['options', 'upstream'].map(name => readFile(join(ROOT, `types/${name}.ts`), 'utf8')))
  return new Set([...text.join('\n').matchAll(/^ {2,4}(\w+)\??: /gm)].map(match => match[1] ?? ''))
}

test('the tables have every directive of the module, and options that exist', async () => {
  const text = await readFile(join(ROOT, 'README.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (.+) \| (.+) \|$/gm)].map(([, left = '', right = '']) => ({ left, right }))
  const named = rows.flatMap(({ left }) => [...left.matchAll(/`scgi_(\w+)`/g)].map(match => match[1] ?? ''))
  assert.equal(DIRECTIVES.length, 44)
  assert.deepEqual(DIRECTIVES.filter(name => !named.includes(name)), [], 'missing')
  assert.deepEqual(named.filter((name, index) => named.indexOf(name) !== index), [], 'twice')

  const options = await optionNames()
  for (const { left, right } of rows) {
    for (const [, word = ''] of right.matchAll(/`([a-z]\w+)(?:`|: |\.)/g)) {
      assert.ok(options.has(word) || OTHERS.has(word), `'${word}', for ${left}, is no option`)
    }
  }
})

test('its links lead somewhere', async () => {
  for (const page of ['README.md', 'docs/options.md', 'docs/errors.md', 'docs/connections.md', 'docs/differences.md', 'docs/operations.md']) {
    const text = await readFile(join(ROOT, page), 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\(([^)#]+)(?:#[\w-]+)?\)/g)) {
      if (!link.startsWith('https://')) assert.ok(existsSync(join(ROOT, dirname(page), link)), `${link} of ${page}`)
    }
  }
})
