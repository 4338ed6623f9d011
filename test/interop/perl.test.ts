import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { after, before, describe, test } from 'node:test'
import { withLogs } from '../helpers/child.ts'
import { startGateway } from '../helpers/gateway.ts'
import type { Gateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { missingPackage } from '../helpers/packages.ts'
import { PERL_SCGI, startPerlScgi } from '../helpers/perl-scgi.ts'
import type { PerlScgi } from '../helpers/perl-scgi.ts'
import { rawRequest } from '../helpers/raw-client.ts'

const script = fileURLToPath(new URL('apps/echo.pl', import.meta.url))

describe('Perl\'s SCGI module', { skip: missingPackage('libscgi-perl', ...PERL_SCGI) }, () => {
  let perl: PerlScgi
  let gateway: Gateway
  before(async () => {
    perl = await startPerlScgi(script)
    gateway = await startGateway({ prefix: '/perl', upstreams: perl.address })
  })
  after(async () => {
    await gateway.close()
    await perl.stop()
  })
  const ask = (request: string) => withLogs(perl, () => rawRequest(gateway, request))

  test('a request without a body, and a reply with LF line ends', async () => {
    const response = await ask('GET /perl/a/b?c=d HTTP/1.1\r\nHost: gateway.test\r\nX-Custom: yes\r\n\r\n')
    assert.equal(response.statusCode, 200)
    assert.equal(headerValue(response, 'content-type'), 'text/plain')
    assert.equal(headerValue(response, 'x-perl'), 'yes')
    const page = response.body.toString().split('\n')
    for (const line of [
      'CONTENT_LENGTH=0', 'SCGI=1', 'REQUEST_METHOD=GET', 'REQUEST_URI=/perl/a/b?c=d', 'SCRIPT_NAME=/perl', 'PATH_INFO=/a/b',
      'QUERY_STRING=c=d', 'HTTP_HOST=gateway.test', 'HTTP_X_CUSTOM=yes',
    ]) assert.ok(page.includes(line), `${line} in\n${response.body}`)
  })

  test('a body of 100 kB', async () => {
    const body = 'abcdefghij'.repeat(10000)
    const response = await ask(
      `POST /perl/ HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    )
    assert.equal(response.statusCode, 200)
    const page = response.body.toString()
    assert.ok(page.includes('\nCONTENT_TYPE=text/plain\n'), page.slice(0, 1000))
    assert.ok(page.endsWith(`\n\n${body}`))
  })

  test('Status and Location', async () => {
    const response = await ask('POST /perl/created HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 0\r\n\r\n')
    assert.equal(response.statusCode, 201)
    assert.equal(response.reason, 'Made Here')
    assert.equal(headerValue(response, 'location'), '/made')
  })
})
