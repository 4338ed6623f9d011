import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
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
const OTHERS = new Set(['trustProxy', 'name', 'servers', 'memory', 'tempPath', 'createUpstreams', 'app', 'transparent', 'unix', 'reply', 'request'])

async function optionNames (): Promise<Set<string>> {
  const text = await Promise.all(['options', 'upstream', 'buffering', 'store', 'cache', 'health', 'sticky'].map(name => readFile(join(ROOT, `types/${name}.ts`), 'utf8')))
  return new Set([...text.join('\n').matchAll(/^ {2,4}(\w+)\??: /gm)].map(match => match[1] ?? ''))
}

test('the tables have every directive of the module, and options that exist', async () => {
  // The second table of each page names other plugins, and what is no option.
  const pages = await Promise.all(['nginx', 'apache'].map(name => readFile(join(ROOT, `docs/coming-from-${name}.md`), 'utf8')))
  const text = pages.map(page => page.split('## What other modules')[0]).join('\n')
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

/** As GitHub makes them. */
function anchorOf (title: string): string {
  return title.toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-')
}

test('its links lead somewhere', async () => {
  const pages = (await readdir(join(ROOT, 'docs'))).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)
  assert.ok(pages.length > 8)
  for (const page of ['README.md', ...pages]) {
    const text = await readFile(join(ROOT, page), 'utf8')
    for (const [, link = '', anchor] of text.matchAll(/\]\(([^)#]*)(?:#([\w-]+))?\)/g)) {
      if (link.startsWith('https://')) continue
      const target = link === '' ? join(ROOT, page) : join(ROOT, dirname(page), link)
      assert.ok(existsSync(target), `${link} of ${page}`)
      if (anchor === undefined) continue
      const anchors = [...(await readFile(target, 'utf8')).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchorOf(title))
      assert.ok(anchors.includes(anchor), `${link}#${anchor} of ${page}: there are ${anchors.join(', ')}`)
    }
  }
  // And the other way round: no page that nobody finds.
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  assert.deepEqual(pages.filter(page => !readme.includes(`](${page})`)), [])
})
