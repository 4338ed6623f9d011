import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { withLogs } from '../helpers/child.ts'
import { startGateway } from '../helpers/gateway.ts'
import type { Gateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { missingPackage } from '../helpers/packages.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { RTORRENT, startRtorrent } from '../helpers/rtorrent.ts'
import type { Rtorrent } from '../helpers/rtorrent.ts'

const call = (method: string, argument = ''): string =>
  `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${argument}</params></methodCall>`

describe('rTorrent', { skip: missingPackage('rtorrent', RTORRENT) }, () => {
  let rtorrent: Rtorrent
  let gateway: Gateway
  before(async () => {
    rtorrent = await startRtorrent()
    gateway = await startGateway({ prefix: '/RPC2', upstreams: rtorrent.address, defaultParams: 'minimal' })
  })
  after(async () => {
    await gateway.close()
    await rtorrent.stop()
  })
  const post = (body: string, ...headers: string[]) => withLogs(rtorrent, () => rawRequest(gateway, [
    'POST /RPC2 HTTP/1.1', 'Host: gateway.test', 'Content-Type: text/xml', ...headers, `Content-Length: ${body.length}`, '', body,
  ].join('\r\n')))

  test('system.client_version', async () => {
    const response = await post(call('system.client_version'))
    assert.equal(response.statusCode, 200)
    assert.match(headerValue(response, 'content-type') ?? '', /^text\/xml/)
    assert.match(response.body.toString(), /<string>0\.\d+\.\d+<\/string>/)
  })

  test('a client with 3 kB of cookies does not reach its limit of 2000 bytes', async () => {
    const response = await post(call('system.client_version'), `Cookie: a=${'b'.repeat(3000)}`, `User-Agent: ${'c'.repeat(3000)}`)
    assert.equal(response.statusCode, 200)
  })

  test('a call with a value', async () => {
    const value = 'x'.repeat(1000)
    const response = await post(call('print', `<param><value><string></string></value></param><param><value><string>${value}</string></value></param>`))
    assert.equal(response.statusCode, 200)
    assert.match(response.body.toString(), /<methodResponse>/)
  })

  test('an empty body, upon which it closes without an answer, is 502', async () => {
    const response = await post('')
    assert.equal(response.statusCode, 502)
    const again = await post(call('system.client_version'))
    assert.equal(again.statusCode, 200)
  })
})
