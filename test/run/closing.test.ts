// What comes of requests while the application closes: those in progress are led on to other routes and finished, new ones are refused.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { runGateway } from '../../lib/run/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, type RawResponse } from '../helpers/http-response.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { eventually, get } from '../gateway/kit.ts'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { GatewayConfig } from '../../types/config.ts'

const ENDINGS: readonly [what: string, answer: string, reply: string][] = [
  ['an X-Accel-Redirect', 'X-Accel-Redirect: /page\r\n', '200 a page'],
  ['an X-Accel-Redirect to a location', 'X-Accel-Redirect: @page\r\n', '200 a location'],
  ['a local Location', 'Location: /page\r\n', '200 a page'],
  ["the page of an application's error", 'Status: 404 Not Found\r\n', '404 a page'],
  ["the page of the gateway's own error", 'no head', '502 a page'],
  ['the page of a file that is missing', `X-Sendfile: ${import.meta.dirname}/missing\r\n`, '404 a page'],
  ['the page elsewhere of a file that is refused', 'X-Sendfile: /etc/passwd\r\n', '302 '],
  ['the page elsewhere of a redirect that fails', 'X-Accel-Redirect: @nowhere\r\n', '302 '],
]

/** An application that answers when it is told to. */
async function startHeld (): Promise<AsyncDisposable & { recorder: Recorder, finish: (answer: string) => void }> {
  const held = { finish: (_answer: string): void => {} }
  const recorder = await startRecorder({
    answer: async x => {
      const answer = await new Promise<string>(resolve => { held.finish = resolve })
      await x.end(`${answer}\r\n`)
    },
  })
  return { recorder, finish: answer => held.finish(answer), [Symbol.asyncDispose]: () => recorder.close() }
}

const OPTIONS = { prefix: '/app', interceptErrors: true, errorPages: { '404 502': '/page', '403 500': 'https://example.org/' }, sendfile: { root: import.meta.dirname } }

function addPages (app: FastifyInstance): void {
  app.get('/page', async () => 'a page')
  app.after(() => app.scgi.location('@page', async () => 'a location'))
}

interface Running extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly port: number
}

async function start (config: GatewayConfig): Promise<Running> {
  const { app, addresses, close } = await runGateway({ listen: 0, log: { level: 'silent' }, ...config }, { signals: false })
  assert.ok(app !== undefined)
  return { app, port: Number(new URL(addresses[0] ?? '').port), [Symbol.asyncDispose]: close }
}

/** What a client gets whose reply comes while the application closes. */
async function whileClosing (app: FastifyInstance, port: number, recorder: Recorder, finish: () => void): Promise<RawResponse> {
  await using client = await RawClient.connect({ port })
  client.expect('GET')
  await client.write(get('/app/x'))
  await recorder.received(1)
  const closing = app.close()
  await eventually(() => !app.server.listening, 'it listens no more')
  finish()
  const response = await client.response()
  await closing
  return response
}

for (const [what, answer, reply] of ENDINGS) {
  test(`${what} is followed: by the runner, and with return503OnClosing: false`, async () => {
    await using held = await startHeld()
    const { recorder, finish } = held
    await using run = await start({
      setup: app => { app.get('/page', async () => 'a page') },
      mounts: [{ ...OPTIONS, upstreams: recorder.address }],
    })
    await using plain = await startGateway(app => {
      app.register(scgi, { ...OPTIONS, upstreams: recorder.address })
      addPages(app)
    }, { return503OnClosing: false })
    for (const { app, port } of answer.includes('@page') ? [plain] : [plain, run]) {
      const response = await whileClosing(app, port, recorder, () => finish(answer))
      assert.equal(`${response.statusCode} ${response.body.toString()}`, reply)
      assert.equal(headerValue(response, 'connection'), 'close')
      recorder.clear()
    }
  })
}

test('the runner refuses what comes while it closes, unless return503OnClosing is false', async () => {
  for (const refused of [true, false]) {
    await using recorder = await startRecorder({ answer: 'Content-Type: text/plain\r\n\r\nserved' })
    await using run = await start({ mounts: [recorder.address], ...(refused ? undefined : { fastify: { return503OnClosing: false } }) })
    const { app, port } = run
    const accepted = once(app.server, 'connection')
    await using client = await RawClient.connect({ port })
    const [socket]: Socket[] = await accepted
    assert.equal((await client.request(get('/'))).statusCode, 200)
    // A connection that is not idle is not closed with the others.
    const whole = get('/').toString('latin1')
    client.expect('GET')
    await client.write(Buffer.from(whole.slice(0, 20)))
    await eventually(() => socket?.bytesRead === whole.length + 20, 'the server has seen that more is to come')
    const closing = app.close()
    await eventually(() => !app.server.listening, 'it listens no more')
    await client.write(Buffer.from(whole.slice(20)))
    const response = await client.response()
    assert.deepEqual([response.statusCode, headerValue(response, 'connection')], [refused ? 503 : 200, 'close'])
    if (refused) assert.deepEqual(JSON.parse(response.body.toString()), { error: 'Service Unavailable', message: 'Service Unavailable', statusCode: 503 })
    await closing
  }
})
