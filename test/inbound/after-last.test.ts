// A reply that says it is the last of its connection is: what the client has pipelined behind its request is not done.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { startGateway } from '../helpers/gateway.ts'
import { startRecorder } from '../helpers/recorder.ts'

const LIMIT = 19_999
const BODIES = {
  'a length': `Content-Length: ${LIMIT + 1}\r\n\r\n${'x'.repeat(LIMIT + 1)}`,
  'one chunk': `Transfer-Encoding: chunked\r\n\r\n${(LIMIT + 1).toString(16)}\r\n${'x'.repeat(LIMIT + 1)}\r\n0\r\n\r\n`,
  'two chunks': `Transfer-Encoding: chunked\r\n\r\n${(17_377).toString(16)}\r\n${'x'.repeat(17_377)}\r\na3f\r\n${'y'.repeat(0xa3f)}\r\n0\r\n\r\n`,
}

for (const [name, body] of Object.entries(BODIES)) {
  for (const options of [{}, { requestBuffering: false }, { passRequestBody: false }]) {
    test(`a body beyond bodyLimit, with ${name}, ${JSON.stringify(options)}`, async () => {
      await using recorder = await startRecorder()
      await using gateway = await startGateway({ upstreams: recorder.address, bodyLimit: LIMIT, ...options })
      const client = net.connect(gateway.port, '127.0.0.1')
      let output = ''
      client.setEncoding('latin1').on('data', text => { output += text })
      client.write(`POST /first HTTP/1.1\r\nHost: x\r\n${body}POST /second HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab`)
      await once(client, 'close')
      assert.deepEqual(output.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 413'])
      assert.match(output, /^connection: close\r$/im)
      assert.deepEqual(recorder.requests.map(request => request.param('REQUEST_URI')).filter(uri => uri === '/second'), [])
    })
  }
}
