// --max-header-size holds for every way that a request comes.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { test } from 'node:test'
import { runCli } from '../helpers/cli.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { testCertificate } from '../helpers/tls-cert.ts'

const { cert, key } = testCertificate

/** The status. */
async function overHttp1 (url: string, size: number): Promise<number> {
  const headers = { 'x-long': 'a'.repeat(size) }
  const request = url.startsWith('https:') ? https.get(url, { ca: cert, agent: false, headers }) : http.get(url, { agent: false, headers })
  const [response]: http.IncomingMessage[] = await once(request, 'response')
  response?.resume()
  return response?.statusCode ?? 0
}

async function overHttp2 (url: string, size: number): Promise<number> {
  const session = http2.connect(url, { ca: cert })
  session.on('error', () => {})
  try {
    await once(session, 'remoteSettings')
    return await new Promise(resolve => {
      const stream = session.request({ ':path': '/', 'x-long': 'a'.repeat(size) })
      stream.on('response', ({ ':status': status = 0 }) => resolve(status))
      // Refused: by the gateway, or by Node.js' client, which was told the limit.
      stream.on('error', () => resolve(431))
      stream.on('close', () => resolve(431))
      stream.resume()
    })
  } finally {
    session.destroy()
  }
}

for (const [name, args, ask] of [
  ['HTTP', [], overHttp1],
  ['HTTPS', ['tls'], overHttp1],
  ['HTTPS of a gateway with HTTP/2', ['tls', '--http2'], overHttp1],
  ['HTTP/2 over TLS', ['tls', '--http2'], overHttp2],
  ['HTTP/2 alone', ['--http2'], overHttp2],
] as const) {
  test(`${name}: a head below the limit passes, one above is refused`, { timeout: 60_000 }, async () => {
    await using dir = await tempDir()
    await writeFile(dir.file('cert.pem'), cert)
    await writeFile(dir.file('key.pem'), key)
    await using recorder = await startRecorder({ answer: 'Content-Length: 2\r\n\r\nok' })
    const given = args.flatMap(arg => arg === 'tls' ? ['--tls-cert', dir.file('cert.pem'), '--tls-key', dir.file('key.pem')] : [arg])
    await using gateway = runCli('--listen', '0', '--max-header-size', '32k', ...given, recorder.address)
    const [, url = ''] = await gateway.printed(/Server listening at (https?:\/\/[^"]+)"/)
    // The default, 16k, would refuse the first.
    assert.equal(await ask(url, 24 * 1024), 200)
    assert.equal(await ask(url, 40 * 1024), 431)
    assert.equal(await ask(url, 100), 200)
  })
}
