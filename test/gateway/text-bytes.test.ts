// One rule for text and bytes: what Node gives as bytes goes out as these bytes, and text is UTF-8.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, crc32Text } from '../../lib/balancer/crc32.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, headerValues } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { get, only } from './kit.ts'

const utf8 = (text: string): string => Buffer.from(text).toString('latin1')
const LATIN1 = 'Jos\xe9'
const UTF8 = utf8('José')

test('what the client sent arrives as it was sent, what is text arrives as UTF-8', async () => {
  await using recorder = await startRecorder({
    answer: `Content-Type: text/plain\r\nX-Latin: ${LATIN1}\r\nX-Utf8: ${UTF8}\r\nX-Raw: \xff\r\n\r\nok`,
  })
  await using gateway = await startGateway({
    upstreams: recorder.address,
    params: {
      // As README has it.
      REMOTE_USER: request => String(request.headers['x-user'] ?? ''),
      COOKIE_USER: request => /u=(.*)/.exec(request.headers.cookie ?? '')?.[1],
      HTTP_X_ASKED: request => String(request.headers['x-user'] ?? ''),
      TEXT: () => 'Zoé',
      WIDE: () => 'Łukasz é',
      FIXED: 'Zoé',
      FIXED_WIDE: '€é',
    },
    rewriteRequestHeaders: (request, headers) => ({
      ...headers, 'x-copy': String(request.headers['x-user']), 'x-text': 'Zoé', 'x-wide': 'Łukasz é', 'x-list': ['é', 'ł'],
    }),
    rewriteHeaders: headers => ({ ...headers, 'x-copy': headers['x-latin'] ?? '', 'x-text': 'Zoé', 'x-wide': 'Łukasz é', 'x-list': ['é', 'ł'] }),
  })
  for (const user of [UTF8, LATIN1, utf8('Łukasz'), '\xff\xfe', 'plain']) {
    const reply = await rawRequest(gateway, get('/', `X-User: ${user}`, `Cookie: u=${UTF8}`))
    const request = only(recorder)
    for (const [name, value] of [
      ['REMOTE_USER', user], ['HTTP_X_ASKED', user], ['HTTP_X_USER', user], ['HTTP_X_COPY', user], ['COOKIE_USER', UTF8],
      ['TEXT', utf8('Zoé')], ['WIDE', utf8('Łukasz é')], ['FIXED', utf8('Zoé')], ['FIXED_WIDE', utf8('€é')],
      ['HTTP_X_TEXT', utf8('Zoé')], ['HTTP_X_WIDE', utf8('Łukasz é')], ['HTTP_X_LIST', utf8('é, ł')],
    ] as const) assert.equal(request.param(name), value, name)
    for (const [name, value] of [
      ['x-latin', LATIN1], ['x-utf8', UTF8], ['x-raw', '\xff'], ['x-copy', LATIN1], ['x-text', utf8('Zoé')], ['x-wide', utf8('Łukasz é')],
    ] as const) assert.equal(headerValue(reply, name), value, name)
    assert.deepEqual(headerValues(reply, 'x-list'), [utf8('é'), utf8('ł')])
  }
})

for (const [what, answer, options] of [
  ['before its body', 'Status: 200 B\xe9\r\nContent-Type: text/plain\r\n', {}],
  ['that is not read ahead', 'Status: 200 B\xe9\r\nContent-Type: text/plain\r\n', { buffering: false }],
  ['before a body that a rate holds back', 'Status: 200 B\xe9\r\nContent-Type: text/plain\r\n', { clientLimitRate: 1_000_000 }],
  ['of another protocol', 'Status: 101 B\xe9\r\nUpgrade: x\r\n', {}],
] as const) {
  test(`a head ${what} goes out as the same bytes`, async () => {
    await using recorder = await startRecorder({
      answer: async exchange => {
        await exchange.write(`${answer}X-Latin: ${LATIN1}\r\nX-Utf8: ${UTF8}\r\n\r\n`)
        await headSeen
        await exchange.end('ok')
      },
    })
    await using gateway = await startGateway({ upstreams: recorder.address, ...options })
    await using client = await RawClient.connect(gateway)
    const headSeen = new Promise<string>(resolve => {
      let seen = ''
      client.socket.on('data', (bytes: Buffer) => {
        seen += bytes.toString('latin1')
        if (seen.includes('\r\n\r\n')) resolve(seen)
      })
    })
    await client.write(get('/', 'Connection: close, Upgrade', 'Upgrade: x'))
    const [head = ''] = (await headSeen).split('\r\n\r\n')
    assert.match(head, /^HTTP\/1\.1 \d+ B\xe9\r\n/)
    for (const line of [`x-latin: ${LATIN1}`, `x-utf8: ${UTF8}`]) assert.ok(head.split('\r\n').includes(line), head)
    await client.closed
  })
}

test('a key of `hash` counts as the bytes that were sent', () => {
  for (const text of ['é', 'Łukasz', UTF8]) assert.equal(crc32Text(text), crc32(Buffer.from(text === UTF8 ? 'José' : text)))
})
