// Every form of a prefix with every option of Fastify's router: it can be registered, and its redirect stays on this host.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes } from './kit.ts'
import type { FastifyHttpOptions } from 'fastify'
import type { Server } from 'node:http'
import type { FastifyScgiOptions } from '../../types/index.ts'

type Router = NonNullable<FastifyHttpOptions<Server>['routerOptions']> & { useSemicolonDelimiter?: boolean }
type Options = FastifyHttpOptions<Server> & { routerOptions?: Router }

/** A prefix, what a client asks for, and SCRIPT_NAME. */
const PREFIXES: [prefix: string, base: string, script: string][] = [
  ['', '', ''], ['/', '', ''], ['/app', '/app', '/app'], ['/app/', '/app', '/app'], ['/a/b', '/a/b', '/a/b'], ['/a/b/', '/a/b', '/a/b'],
  ['/:tenant', '/acme', '/acme'], ['/:tenant/', '/acme', '/acme'], ['/:a/:b/', '/x/y', '/x/y'], ['/@:user/', '/@joe', '/@joe'], ['/caf\u00e9/', '/caf%C3%A9', '/caf\xc3\xa9'],
]

const FASTIFY: Record<string, Options> = {
  'as it is': {},
  ignoreTrailingSlash: { routerOptions: { ignoreTrailingSlash: true } },
  ignoreDuplicateSlashes: { routerOptions: { ignoreDuplicateSlashes: true } },
  'caseSensitive: false': { routerOptions: { caseSensitive: false } },
  useSemicolonDelimiter: { routerOptions: { useSemicolonDelimiter: true } },
  maxParamLength: { routerOptions: { maxParamLength: 5 } },
  allowUnsafeRegex: { routerOptions: { allowUnsafeRegex: true } },
  querystringParser: { routerOptions: { querystringParser: query => ({ query }) } },
  'exposeHeadRoutes: false': { exposeHeadRoutes: false },
  rewriteUrl: { rewriteUrl: request => request.url ?? '/' },
  'all slashes': { routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } },
}

const PLUGIN: Record<string, Partial<FastifyScgiOptions>> = {
  'as it is': {},
  'httpMethods: GET': { httpMethods: ['GET'] },
  constraints: { constraints: { host: 'gateway.test' } },
  'mergeSlashes: false': { mergeSlashes: false },
}

for (const [fastifyName, fastifyOptions] of Object.entries(FASTIFY)) {
  test(`every prefix can be registered, and answers: ${fastifyName}`, async () => {
    await using recorder = await startRecorder()
    for (const [pluginName, options] of Object.entries(fastifyName === 'as it is' ? PLUGIN : { 'as it is': {} })) {
      for (const [prefix, base, script] of PREFIXES) {
        const name = `${prefix}, ${pluginName}`
        const setup = { prefix, upstreams: recorder.address, ...options }
        await using gateway = await startGateway(app => { app.register(scgi, setup) }, fastifyOptions)
        await using client = await RawClient.connect(gateway)
        const below = await client.request(bytes([`GET ${base}/x HTTP/1.1`, 'Host: gateway.test']))
        assert.equal(below.statusCode, 200, name)
        assert.equal(recorder.requests[0]?.param('SCRIPT_NAME'), script, name)
        assert.equal(recorder.requests[0]?.param('PATH_INFO'), '/x', name)
        if (prefix.length > 1 && prefix.endsWith('/')) {
          for (const method of ['GET', 'HEAD', 'POST']) {
            const bare = await client.request(bytes([`${method} ${base}?q HTTP/1.1`, 'Host: gateway.test']))
            assert.equal(bare.statusCode, method === 'POST' ? 404 : 301, `${method} ${name}`)
            assert.equal(headerValue(bare, 'location'), method === 'POST' ? undefined : `${base}/?q`, `${method} ${name}`)
          }
          assert.equal((await client.request(bytes([`GET ${base}/ HTTP/1.1`, 'Host: gateway.test']))).statusCode, 200, name)
        }
        recorder.clear()
      }
    }
  })
}

test('the redirect to a directory stays on this host, whatever the path looks like', async () => {
  await using recorder = await startRecorder()
  const targets = [
    '//evil.example', '///evil.example', '/\\evil.example', '/\\\\evil.example', '/%2Fevil.example', '/%2f%2Fevil.example', '/%5Cevil.example', '/.//evil.example',
    '/%2e//evil.example', '/x/..//evil.example', '/;/evil.example', '/\t/evil.example', 'http://gateway.test//evil.example', '//evil.example?q', '//evil.example/x', '/x//evil.example/..',
  ]
  let redirects = 0
  for (const prefix of ['/:a/:b/', '/:tenant/']) {
    for (const routerOptions of [{}, { ignoreDuplicateSlashes: true }, { ignoreDuplicateSlashes: true, ignoreTrailingSlash: true }]) {
      for (const options of [{}, { mergeSlashes: false }, { encodedSlashes: 'keep' }, { mergeSlashes: false, encodedSlashes: 'keep' }] as const) {
        const setup = { prefix, upstreams: recorder.address, ...options }
        await using gateway = await startGateway(app => { app.register(scgi, setup) }, { routerOptions })
        for (const target of targets) {
          await using client = await RawClient.connect(gateway)
          const response = await client.request(bytes([`GET ${target} HTTP/1.1`, 'Host: gateway.test']))
          const location = headerValue(response, 'location')
          if (location === undefined) continue
          redirects++
          const name = `${target} to ${location}, ${prefix} ${JSON.stringify({ ...routerOptions, ...options })}`
          assert.equal(response.statusCode, 301, name)
          assert.equal(new URL(location, 'http://gateway.test/').host, 'gateway.test', name)
        }
      }
    }
  }
  assert.ok(redirects > 100, String(redirects))
})
