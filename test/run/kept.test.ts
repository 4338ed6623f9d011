// A worker dies while the files of the configuration are wrong: what replaces it has what the others have loaded.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { runCli } from '../helpers/cli.ts'
import { tempDir } from '../helpers/temp.ts'
import { testCertificate } from '../helpers/tls-cert.ts'

/** A connection of its own: the worker that had it may be dead. */
async function get (url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: 'close' } })
  assert.equal(response.status, 200)
  return await response.text()
}

test('what a configuration imports is kept with it', { timeout: 100_000 }, async () => {
  await using dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  await writeFile(file, `import { setup } from './routes.mjs'
import names from './names.cjs'
import more from './more.json' with { type: 'json' }
export default { listen: 0, workers: 1, setup: app => setup(app, [...names, ...more, new URL('.', import.meta.url).pathname]) }
`)
  const parts: Record<string, string> = {
    'routes.mjs': "import { text } from './text.mjs'\nexport const setup = (app, more) => { app.get('/pid', async () => text([process.pid, ...more])) }",
    'text.mjs': "export const text = words => words.join(' ')",
    'names.cjs': "module.exports = ['names', __dirname]",
    'more.json': '["more"]',
  }
  const mend = async (): Promise<void> => { for (const [name, source] of Object.entries(parts)) await writeFile(dir.file(name), source) }
  await mend()
  await using gateway = runCli('--config', file)
  const url = await gateway.listening()
  const [first = '', ...said] = (await get(`${url}/pid`)).split(' ')
  assert.deepEqual(said, ['names', dir.path, 'more', `${dir.path}/`])
  const pids = [first]
  for (const [name, source, reason] of [
    ['routes.mjs', undefined, /Cannot find module '[^']*routes\.mjs'/],
    ['text.mjs', 'export const text = {', /\(line 1 of [^)]*text\.mjs\)/],
    ['names.cjs', 'module.exports = 5', /^setup: /],
    ['more.json', '[', /more\.json/],
  ] as const) {
    await mend()
    await (source === undefined ? rm(dir.file(name)) : writeFile(dir.file(name), source))
    const printed = gateway.stdout.length
    process.kill(Number(pids.at(-1)), 'SIGKILL')
    const [pid = '', ...still] = (await get(`${url}/pid`)).split(' ')
    assert.ok(!pids.includes(pid), name)
    pids.push(pid)
    assert.deepEqual(still, said, name)
    await gateway.printed(new RegExp(`worker ${pid} serves"`))
    const told = /cannot serve: (.*); another is started with the configuration of before"/.exec(gateway.stdout.slice(printed))
    assert.match(told?.[1] ?? '', reason, name)
  }
})

test('certificates and keys are kept with the configuration, what other code reads is told', { timeout: 100_000 }, async () => {
  await using dir = await tempDir()
  const file = dir.file('gateway.config.mjs')
  const { cert, key } = testCertificate
  const pems = { 'cert.pem': cert, 'key.pem': key }
  const mend = async (): Promise<void> => { for (const [name, text] of Object.entries(pems)) await writeFile(dir.file(name), text) }
  await mend()
  await writeFile(dir.file('users.txt'), 'ada')
  await writeFile(file, `import { readFileSync } from 'node:fs'
const tls = { cert: '${dir.file('cert.pem')}', key: '${dir.file('key.pem')}', sni: { 'a.test': { cert: '${dir.file('cert.pem')}', key: '${dir.file('key.pem')}' } } }
export default { listen: [0, { port: 0, tls }], workers: 1, setup (app) {
  const users = readFileSync('${dir.file('users.txt')}', 'utf8')
  app.get('/pid', async () => process.pid)
} }`)
  await using gateway = runCli('--config', file)
  const url = await gateway.listening()
  const [, secure = ''] = await gateway.printed(/Server listening at (https:[^"]+)"/)
  const { port } = new URL(secure)
  const pids = [await get(`${url}/pid`)]
  for (const [name, text] of [['cert.pem', undefined], ['key.pem', 'half a key']] as const) {
    await mend()
    await (text === undefined ? rm(dir.file(name)) : writeFile(dir.file(name), text))
    const printed = gateway.stdout.length
    process.kill(Number(pids.at(-1)), 'SIGKILL')
    pids.push(await get(`${url}/pid`))
    assert.match(gateway.stdout.slice(printed), new RegExp(`cannot serve: option 'listen\\[1\\]\\.tls\\.[^"]*".*${name.replace('.', '\\.')}.*with the configuration of before"`), name)
    const socket = connect({ port: Number(port), host: '127.0.0.1', ca: [cert], servername: 'a.test', checkServerIdentity: () => undefined })
    await once(socket, 'secureConnect')
    socket.destroy()
  }
  assert.equal(new Set(pids).size, 3)
  await mend()
  await rm(dir.file('users.txt'))
  process.kill(Number(pids.at(-1)), 'SIGKILL')
  // What was started with what is kept has no users either: the log names them until they are back.
  await gateway.printed(/(?:cannot serve: setup: ENOENT: no such file or directory, open '[^']*users\.txt'[^]*){2}/)
  await writeFile(dir.file('users.txt'), 'ada')
  assert.match(await get(`${url}/pid`), /^\d+$/)
})
