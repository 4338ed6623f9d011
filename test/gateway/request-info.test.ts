// What a request carries about its way: request.scgi, and the debug lines.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPassing, trail } from '../helpers/passing.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

test('a retry in nginx\'s format', async (t) => {
  let time = performance.now()
  t.mock.method(performance, 'now', () => time)
  const refused = await refusedAddress()
  await using dir = await tempDir()
  const head = 'Status: 201 Made\r\nX-One: 1\r\n\r\n'
  await using two = await startRecorder({
    listen: { path: dir.socket() },
    answer: async (x) => {
      await x.body()
      time += 20
      // Each piece is read before time goes on.
      await x.writeEach([head])
      time += 30
      await x.end('the body')
    },
  })
  await using gateway = await startPassing({ upstreams: [refused, two.address] })
  const { scgi } = await gateway.send('POST', '/', 'upload')
  const sent = two.requests[0]?.raw.length
  assert.equal(scgi.upstreamAddr, `${refused}, ${two.address}`)
  assert.equal(scgi.upstreamStatus, '502, 201')
  assert.equal(scgi.upstreamConnectTime, '-, 0.000')
  assert.equal(scgi.upstreamHeaderTime, '-, 0.020')
  assert.equal(scgi.upstreamResponseTime, '0.000, 0.050')
  assert.equal(scgi.upstreamBytesSent, `0, ${sent}`)
  assert.equal(scgi.upstreamBytesReceived, `0, ${head.length + 8}`)
  assert.equal(scgi.upstreamResponseLength, '0, 8')
  const [first, second] = scgi.attempts
  assert.ok(first !== undefined && second !== undefined)
  assert.deepEqual([first.connectTime, first.headerTime, first.status], [undefined, undefined, 502])
  assert.deepEqual([second.connectTime, second.headerTime, second.responseTime].map((ms = NaN) => Math.round(ms)), [0, 20, 50])
})

test('bytes and length count what came, head, framing and surplus included', async () => {
  const cases: [string, number][] = [
    ['Content-Length: 2\r\n\r\nok', 2],
    ['Content-Length: 2\r\n\r\nokay, and more', 14],
    ['Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 12],
    ['HTTP/1.1 103 Early Hints\r\n\r\nStatus: 200\r\n\r\nok', 2],
    ['\r\n', 0],
  ]
  for (const [reply, length] of cases) {
    await using one = await startRecorder({ answer: reply })
    await using gateway = await startPassing({ upstreams: [one.address] })
    const { scgi } = await gateway.send('GET', '/')
    assert.deepEqual([scgi.upstreamBytesReceived, scgi.upstreamResponseLength], [String(reply.length), String(length)], reply)
    assert.equal(scgi.upstreamBytesSent, String(one.requests[0]?.raw.length))
  }
})

test('the head of the last reply, hidden headers included', async () => {
  await using one = await startRecorder({
    answer: 'Status: 404 Not Here\r\nX-Accel-Expires: 60\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: Bee = two ;HttpOnly\r\nSet-Cookie: A=9\r\nSet-Cookie: tab=\tx\t ; Path=/\r\n' +
      'X-Twice: 1\r\nx-twice: 2\r\nContent-Length: 0\r\n\r\n',
  })
  await using gateway = await startPassing({ upstreams: [one.address] })
  const { scgi, response } = await gateway.send('GET', '/')
  assert.deepEqual([scgi.head?.statusCode, scgi.head?.statusMessage, scgi.hop], [404, 'Not Here', 0])
  assert.equal(response.headers.some(([name]) => /x-accel/i.test(name)), false)
  assert.equal(scgi.header('X-Accel-Expires'), '60')
  assert.equal(scgi.header('x_accel_expires'), '60')
  assert.equal(scgi.header('x-twice'), '1, 2')
  assert.equal(scgi.header('x-none'), undefined)
  assert.equal(scgi.header('constructor'), undefined)
  assert.equal(scgi.cookie('a'), '1')
  assert.equal(scgi.cookie('BEE'), 'two')
  assert.equal(scgi.cookie('tab'), '\tx\t')
  assert.equal(scgi.cookie('c'), undefined)
})

test('before any attempt there is nothing, also where it never came to one', async () => {
  await using one = await startRecorder()
  await using gateway = await startPassing({ upstreams: [one.address], bodyLimit: 10 })
  const { response, scgi } = await gateway.send('POST', '/', 'more than ten bytes')
  assert.equal(response.statusCode, 413)
  assert.deepEqual(scgi.attempts, [])
  for (const text of [
    scgi.upstreamAddr, scgi.upstreamStatus, scgi.upstreamConnectTime, scgi.upstreamHeaderTime, scgi.upstreamResponseTime,
    scgi.upstreamResponseLength, scgi.upstreamBytesSent, scgi.upstreamBytesReceived, scgi.header('a'), scgi.cookie('a'), scgi.head,
  ]) assert.equal(text, undefined)
})

test('an attempt that the client ends has no status before the head, and that of the head after', async () => {
  await using one = await startRecorder({
    answer: async (x) => {
      if (x.request.param('REQUEST_URI') === '/head') await x.write('Content-Length: 10\r\n\r\nhalf')
      await x.closed
    },
  })
  await using gateway = await startPassing({ upstreams: [one.address] })
  for (const [path, status] of [['/none', '-'], ['/head', '200']] as const) {
    const client = await RawClient.connect(gateway)
    await client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    await one.received(path === '/none' ? 1 : 2)
    if (path === '/head') await client.until(() => client.bodyLength === 4)
    client.destroy()
    const { scgi } = await gateway.finished(path)
    await one.idle()
    assert.deepEqual([scgi.upstreamStatus, scgi.attempts.length], [status, 1])
    assert.match(scgi.upstreamResponseTime ?? '', /^\d+\.\d{3}$/)
  }
})

test('one debug line an attempt, with the attempt and its error', async () => {
  const refused = await refusedAddress()
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: [refused, two.address] })
  const { scgi } = await gateway.send('GET', '/')
  const lines = gateway.log.filter(({ level, upstream, msg }) => level === 20 && upstream !== undefined && msg.startsWith('upstream'))
  assert.deepEqual(lines.map(({ msg }) => msg), [`upstream ${refused} 502`, `upstream ${two.address} 200`])
  const [first, second] = lines
  assert.ok(typeof first?.['err'] === 'object' && first['err'] !== null && 'code' in first['err'])
  assert.equal(first['err'].code, 'FST_SCGI_CONNECT')
  assert.equal(second?.['err'], undefined)
  assert.deepEqual(first['upstream'], JSON.parse(JSON.stringify(scgi.attempts[0])))
  assert.deepEqual(second?.['upstream'], JSON.parse(JSON.stringify(scgi.attempts[1])))
  assert.ok(lines.every((line) => line['reqId'] !== undefined), 'in the log of the request')
})

test('nothing is logged of attempts above debug', async () => {
  await using one = await startRecorder()
  const lines: string[] = []
  await using gateway = await startPassing(
    { upstreams: [await refusedAddress(), one.address] },
    { logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } }
  )
  assert.deepEqual(trail((await gateway.send('GET', '/')).scgi.attempts).length, 2)
  assert.equal(lines.filter((line) => line.includes('"upstream ')).length, 1, 'the warning that a server is out')
})
