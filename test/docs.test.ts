import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import ts from 'typescript'
import { DEPLOYED } from './helpers/deployed.ts'
import { testPage } from './helpers/page.ts'
import { asModule, ModuleDir, readSnippets, ROOT } from './helpers/snippets.ts'

const PAGES = readdirSync(join(ROOT, 'docs')).filter(name => name.endsWith('.md')).map(name => `docs/${name}`)
for (const page of PAGES) await testPage(page, page === 'docs/deploying.md' ? DEPLOYED : [])

function read (file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

test('docs/options.md shows every option in an example', async () => {
  const text = ['options', 'buffering', 'store'].map(name => read(`types/${name}.ts`)).join('\n')
  // Everything that is an option of register() or of reply.scgi(), what they are made of included.
  const names = ['ExchangeOptions', 'ExchangeHooks', 'ReplyScgiOptions', 'FastifyScgiOptions', 'BufferingOptions', 'TempPathOptions', 'RequestBufferingOptions', 'NextUpstreamOptions', 'SendfileOptions', 'StoreOptions']
    .flatMap(type => {
      const [, body = ''] = new RegExp(`^export interface ${type}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(text) ?? []
      assert.notEqual(body, '', type)
      return [...body.matchAll(/^ {2,4}(\w+)\??: /gm)].map(match => match[1] ?? '')
    })
  assert.ok(names.length > 60)
  const examples = (await readSnippets('docs/options.md')).map(({ code }) => code).join('\n')
  const missing = names.filter(name => !new RegExp(`\\b${name}\\b`).test(examples) && name !== 'preValidation' && name !== 'constraints')
  assert.deepEqual(missing, [])
  for (const name of ['preValidation', 'constraints']) assert.ok(read('docs/options.md').includes(name))

  // Servers and groups have tables.
  for (const type of ['ServerOptions', 'GroupOptions']) {
    const body = new RegExp(`^export interface ${type}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(read('types/upstream.ts'))?.[1] ?? ''
    assert.notEqual(body, '', type)
    for (const [, name] of body.matchAll(/^ {2}(\w+)\??: /gm)) {
      assert.ok(name === 'servers' || read('docs/options.md').includes(`| \`${name}\` |`), `${name} of ${type}`)
    }
  }
})

test('the pages of their own have every option of theirs', () => {
  for (const [file, types, pages] of [
    ['cache', ['CacheOptions', 'CreateCacheOptions'], ['cache', 'cache-stores']],
    ['health', ['HealthOptions', 'OutlierOptions', 'ResolverOptions'], ['discovery-and-health']],
    ['upstream', ['UpstreamQueueOptions', 'ServerTlsOptions'], ['balancing', 'http-members']],
    ['sticky', ['StickyCookieOptions', 'StickyLearnOptions', 'StickyApacheOptions', 'StickyFailover'], ['balancing']],
    ['accel', ['AccelOptions'], ['response']],
    ['store', ['StoreOptions'], ['response']],
    ['config', ['GatewayConfig', 'ListenOptions', 'ListenTlsOptions', 'ListenCertificate', 'GatewayLogOptions', 'AccessLogOptions', 'RunGatewayOptions'], ['running']],
  ] as const) {
    const text = pages.map(page => read(`docs/${page}.md`)).join('\n')
    for (const type of types) {
      const body = new RegExp(`^export interface ${type}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(read(`types/${file}.ts`))?.[1] ?? ''
      assert.notEqual(body, '', type)
      for (const [, name = ''] of body.matchAll(/^ {2}(\w+)\??: /gm)) assert.match(text, new RegExp(`\\b${name}\\b`), `${name} of ${type}`)
    }
  }
})

test('docs/errors.md has every error, with its status', () => {
  const page = read('docs/errors.md')
  const codes = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .flatMap(file => [...read(`lib/${file}`).matchAll(/(?:createError|outage)(?:<[^>]*>)?\(\s*'(FST_\w+)',\s*(?:'[^\n]*'|"[^\n]*"),\s*(\d{3})/g)])
    .map(([, code = '', status = '']) => ({ code, status }))
  assert.ok(codes.length > 20)
  for (const { code, status } of codes) {
    const row = page.split('\n').find(line => line.startsWith(`| \`${code}\``))
    assert.ok(row !== undefined, `${code} is missing`)
    if (!code.startsWith('FST_SCGI_OPT_')) assert.ok(row.includes(status), `${code} has status ${status}`)
  }
  const known = new Set(codes.map(({ code }) => code))
  for (const [code] of page.matchAll(/FST_SCGI_\w*[A-Z]/g)) assert.ok(known.has(code), `${code} is no error`)
})

test('the snippets of all pages compile', async () => {
  await using modules = await ModuleDir.create()
  const files = new Map<string, string>()
  for (const page of ['README.md', ...PAGES]) {
    for (const { lang, code, where } of await readSnippets(page)) {
      if (lang === 'ts') files.set(await modules.write(asModule(code)), where)
    }
  }
  const config = ts.getParsedCommandLineOfConfigFile(join(ROOT, 'tsconfig.json'), {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} })
  const program = ts.createProgram([...files.keys()], { ...config?.options, noEmit: true, paths: {} })
  const problems = [...files].flatMap(([file, where]) => {
    const source = program.getSourceFile(file)
    return ts.getPreEmitDiagnostics(program, source)
      .filter(({ file: place }) => place === source)
      .map(({ messageText }) => `${where}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
  })
  assert.deepEqual(problems, [])
})
