// Client certificates, for the server's own name and for those that have a certificate of their own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import tls from 'node:tls'
import { runGateway } from '../../lib/run/index.ts'
import { otherCertificate, revokedList, testCertificate } from '../helpers/tls-cert.ts'

const NAMES = ['localhost', 'example.org', 'a.example.net']
const { cert, key } = testCertificate
const sni = { 'example.org': { cert, key }, '*.example.net': { cert, key } }
const required = { cert, key, ca: cert, requestCert: true, sni }

/** The first line of the reply; what is wrong where there is none. */
async function ask (port: number, servername: string, options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false, ...options })
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => { text += piece })
  let problem = 'closed'
  socket.on('error', (error: NodeJS.ErrnoException) => { problem = error.code ?? error.message })
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  // Also after an error.
  await new Promise(resolve => socket.once('close', resolve))
  return text.split('\r\n')[0] || problem
}

const KINDS: [string, object, tls.ConnectionOptions, boolean][] = [
  ['of the CA', required, testCertificate, true],
  ['of another CA', required, otherCertificate, false],
  ['none', required, {}, false],
  ['of the CA, revoked', { ...required, crl: revokedList }, testCertificate, false],
  ['of the CA, by TLS 1.2', { ...required, maxVersion: 'TLSv1.2' }, testCertificate, true],
  ['none where none is asked for', { cert, key, sni }, {}, true],
]

for (const [kind, options, client, accepted] of KINDS) {
  test(`a client with a certificate ${kind}`, async () => {
    const gateway = await runGateway({ listen: { port: 0, tls: { cert, key, ...options } }, log: { level: 'silent' } }, { signals: false })
    try {
      const port = Number(new URL(gateway.addresses[0] ?? '').port)
      for (const name of NAMES) {
        const reply = await ask(port, name, client)
        if (accepted) assert.equal(reply, 'HTTP/1.1 404 Not Found', name)
        else assert.doesNotMatch(reply, /^HTTP/, name)
      }
    } finally {
      await gateway.close()
    }
  })
}

test('a client that comes again to a name with its session is served', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const gateway = await runGateway({ listen: { port: 0, tls: { ...required, maxVersion } }, log: { level: 'silent' } }, { signals: false })
    try {
      const port = Number(new URL(gateway.addresses[0] ?? '').port)
      for (const servername of NAMES) {
        const options = { port, host: '127.0.0.1', servername, rejectUnauthorized: false, ...testCertificate }
        const first = tls.connect(options)
        const [session]: Buffer[] = await once(first, 'session')
        first.destroy()
        assert.equal(await ask(port, servername, { ...testCertificate, ...(session === undefined ? undefined : { session }) }), 'HTTP/1.1 404 Not Found', `${maxVersion} ${servername}`)
      }
    } finally {
      await gateway.close()
    }
  }
})
