// The access logs of README, docs and examples tell of requests whose client has left, before the reply and in the middle of it.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { snippetPlaces } from './helpers/snippet-places.ts'
import { RawClient } from './helpers/raw-client.ts'
import { startRecorder } from './helpers/recorder.ts'
import { asModule, readSnippets, ROOT } from './helpers/snippets.ts'
import { eventually, get } from './gateway/kit.ts'
import type { FastifyInstance } from 'fastify'

const places = snippetPlaces()

async function snippet (page: string): Promise<string> {
  const [found, ...others] = (await readSnippets(page)).filter(({ code }) => code.includes("raw.once('close'"))
  assert.ok(found !== undefined && others.length === 0, page)
  return found.code
}

/** The code, and what it logs of a client that left before the reply, and of one that left in the middle of it. */
const LOGS: [name: string, read: () => Promise<string>, early: RegExp, late: RegExp][] = [
  ['README.md', async () => await snippet('README.md'), /^ADDRESS - 0\.\d{3}$/, /^ADDRESS 200 0\.\d{3}$/],
  ['docs/operations.md', async () => await snippet('docs/operations.md'),
    /^127\.0\.0\.1 "GET \/silent" 499 upstream=ADDRESS status=- .* header=- /, /^127\.0\.0\.1 "GET \/begun" 200 upstream=ADDRESS status=200 .* header=0/],
  ['examples/access-log.ts', async () => await readFile(join(ROOT, 'examples/access-log.ts'), 'utf8'),
    /^127\.0\.0\.1 .* "GET \/silent HTTP\/1\.1" 499 - "ADDRESS" - 0/, /^127\.0\.0\.1 .* "GET \/begun HTTP\/1\.1" 200 - "ADDRESS" 200 0/],
]

function isFastify (value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'addresses' in value
}

for (const [name, read, early, late] of LOGS) {
  test(name, async () => {
    await using recorder = await startRecorder({
      answer: async exchange => {
        if (exchange.request.param('PATH_INFO') === '/begun') await exchange.write('Content-Type: a/b\r\n\r\nbegun')
      },
    })
    const printed: string[] = []
    const log = mock.method(console, 'log', (...values: unknown[]) => { printed.push(values.join(' ')) })
    let app: FastifyInstance | undefined
    try {
      // To the server that we watch, not to one of those that answer the snippets.
      const code = await places.applications.rewrite(asModule((await read()).replaceAll('127.0.0.1:4000', 'THE-SERVER')))
      const { made } = await places.modules.run(code.replaceAll('THE-SERVER', recorder.address))
      assert.ok(isFastify(made))
      app = made
      const [address] = made.addresses()
      assert.ok(address !== undefined && typeof address === 'object' && address !== null && 'port' in address)
      const { port } = address
      for (const [path, expected] of [['/silent', early], ['/begun', late]] as const) {
        printed.length = 0
        await using client = await RawClient.connect({ host: '127.0.0.1', port })
        client.socket.write(get(path))
        await recorder.received(path === '/silent' ? 1 : 2)
        if (path === '/begun') await client.until(({ bodyLength }) => bodyLength > 0)
        client.socket.destroy()
        await eventually(() => printed.length > 0, `${name} logs ${path}`)
        assert.match(printed.join('\n'), new RegExp(expected.source.replaceAll('ADDRESS', recorder.address.replaceAll('.', '\\.'))))
      }
    } finally {
      log.mock.restore()
      await app?.close()
    }
  })
}
