import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { snippetPlaces } from './helpers/snippet-places.ts'
import { noRedis } from './helpers/redis.ts'
import { missingPackage } from './helpers/packages.ts'
import { RTORRENT, startRtorrent } from './helpers/rtorrent.ts'
import { runSnippet } from './helpers/run-snippet.ts'
import { asModule, ROOT } from './helpers/snippets.ts'
import { tempDir } from './helpers/temp.ts'
import { startUwsgi, UWSGI } from './helpers/uwsgi.ts'
import type { FastifyInstance } from 'fastify'

const places = snippetPlaces()

function read (file: string): Promise<string> {
  return readFile(join(ROOT, 'examples', file), 'utf8')
}

for (const file of readdirSync(join(ROOT, 'examples')).filter(name => name.endsWith('.ts'))) {
  test(`examples/${file} runs`, { skip: file.includes('redis') && noRedis }, async () => {
    const text = await read(file)
    const notes = [...text.matchAll(/^\/\/ ((?:try|try over scgi|prints): .*)$/gm)].map(match => match[1] ?? '')
    assert.ok(notes.length > 0)
    await runSnippet(text, notes, places.applications, places.modules)
  })
}

function isFastify (value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'inject' in value
}

test('examples/mirror-on-demand.ts asks for a file once', async () => {
  const { made } = await places.modules.run(await places.applications.rewrite(asModule(await read('mirror-on-demand.ts'))))
  assert.ok(isFastify(made))
  const app = made
  try {
    const bodies = new Set<string>()
    let kept: { headers: Record<string, unknown>, body: string } | undefined
    // The file is there when it has its name, and until then every request is one for the application.
    for (let i = 0; i < 50 && kept === undefined; i++) {
      const { statusCode, headers, body } = await app.inject('/images/a/b.txt')
      // @fastify/static looks twice, and takes a file that appears in between for one under another name.
      if (statusCode === 403) continue
      assert.equal(statusCode, 200)
      assert.match(body, /^PATH_INFO=\/images\/a\/b\.txt$/m)
      bodies.add(body)
      if (headers['accept-ranges'] === 'bytes') kept = { headers, body }
    }
    assert.match(String(kept?.headers['content-type']), /^text\/plain/)
    assert.ok(bodies.has(kept?.body ?? ''))
    const part = await app.inject({ url: '/images/a/b.txt', headers: { range: 'bytes=0-10' } })
    assert.deepEqual([part.statusCode, part.body], [206, 'application'])
  } finally {
    await app.close()
  }
})

test('examples/rtorrent.ts speaks to rTorrent', { skip: missingPackage('rtorrent', RTORRENT) }, async () => {
  await using server = await startRtorrent()
  const text = (await read('rtorrent.ts')).replace('unix:/run/rtorrent.sock', server.address)
  const call = '<methodCall><methodName>system.client_version</methodName></methodCall>'
  await runSnippet(text, [`try: POST /RPC2 authorization=Basic%20bWU6c2VjcmV0 type=text/xml body=${call} -> 200 <methodResponse>`], places.applications, places.modules)
})

test('examples/uwsgi.ts speaks to uWSGI', { skip: missingPackage('uwsgi and uwsgi-plugin-python3', ...UWSGI) }, async () => {
  await using dir = await tempDir()
  const app = dir.file('app.py')
  await writeFile(app, `
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return ['{SCRIPT_NAME} {PATH_INFO} {QUERY_STRING}'.format(**environ).encode()]
`)
  await using server = await startUwsgi({ app })
  const text = (await read('uwsgi.ts')).replace('unix:/run/app.sock', server.address)
  await runSnippet(text, ['try: GET /shop/cart?id=1 -> 200 /shop /cart id=1'], places.applications, places.modules)
})
