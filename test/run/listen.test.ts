// The kinds of places that a gateway listens on, several at once.
import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import http from 'node:http'
import net from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import tls from 'node:tls'
import { runGateway } from '../../lib/run/index.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { testCertificate } from '../helpers/tls-cert.ts'

const { cert, key } = testCertificate
const trust = { ca: cert, servername: 'localhost' }

async function bodyOf (response: http.IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of response) text += String(piece)
  return text
}

async function getBy (request: http.ClientRequest): Promise<string> {
  const [response]: http.IncomingMessage[] = await once(request.end(), 'response')
  assert.ok(response !== undefined)
  return await bodyOf(response)
}

async function getByHttp2 (url: string): Promise<string> {
  const session = http2.connect(url, trust)
  try {
    const stream = session.request({ ':path': '/' })
    let text = ''
    for await (const piece of stream) text += String(piece)
    return text
  } finally {
    session.close()
  }
}

test('TCP, a unix socket, HTTPS with HTTP/2, HTTP/2 alone: at once', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: async exchange => await exchange.end(`Content-Type: text/plain\r\n\r\n${exchange.request.param('HTTPS') ?? 'plain'}`) })
  writeFileSync(dir.file('key.pem'), key)
  const socket = dir.socket('web.sock')
  const gateway = await runGateway({
    listen: [
      0,
      { path: socket, mode: '620', group: process.getgid?.() ?? 0 },
      { port: 0, tls: { cert, key: dir.file('key.pem'), sni: { '*.example.org': { cert, key } } }, http2: true },
      { port: 0, tls: { cert, key } },
      { port: 0, http2: true },
    ],
    mounts: [recorder.address],
    log: { level: 'silent' },
  }, { signals: false })
  try {
    const [plain = '', unix = '', secure = '', only = '', h2c = ''] = gateway.addresses
    assert.equal(unix, `unix:${socket}`)
    assert.equal(statSync(socket).mode & 0o777, 0o620)
    assert.equal(await (await fetch(plain)).text(), 'plain')
    assert.equal(await getBy(http.request({ socketPath: socket, agent: false })), 'plain')
    assert.match(secure, /^https:/)
    assert.equal(await getBy(https.request(secure, { ...trust, agent: false })), 'on')
    assert.equal(await getBy(https.request(only, { ...trust, agent: false })), 'on')
    assert.equal(await getByHttp2(secure), 'on')
    assert.equal(await getByHttp2(h2c), 'plain')
    const named = tls.connect({ port: Number(new URL(secure).port), host: '127.0.0.1', servername: 'a.example.org', rejectUnauthorized: false })
    await once(named, 'secureConnect')
    named.destroy()
    assert.deepEqual(gateway.app?.addresses().length, 5)
  } finally {
    await gateway.close()
  }
  assert.throws(() => statSync(socket), /ENOENT/)
})

test('HTTPS alone: the application is served, and closes', async () => {
  await using recorder = await startRecorder({ answer: 'Content-Length: 2\r\n\r\nok' })
  const gateway = await runGateway({ listen: { port: 0, tls: { cert, key } }, mounts: [recorder.address], log: { level: 'silent' } }, { signals: false })
  const [url = ''] = gateway.addresses
  assert.equal(await getBy(https.request(url, { ...trust, agent: false })), 'ok')
  await assert.rejects(gateway.reload(), /nothing to reload/)
  await gateway.close()
})

test('where one place cannot be had, none is', async () => {
  await using dir = await tempDir()
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(typeof address === 'object' && address !== null)
  const socket = dir.socket('a.sock')
  try {
    for (const listen of [[`unix:${socket}`, address.port], [address.port, `unix:${socket}`]]) {
      await assert.rejects(runGateway({ listen, log: { level: 'silent' } }, { signals: false }), /cannot listen on 127\.0\.0\.1:\d+: the address is in use/)
      assert.throws(() => statSync(socket), /ENOENT/)
    }
  } finally {
    taken.close()
  }
})
