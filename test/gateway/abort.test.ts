// A client that goes away, in every phase: the application is told by a closed connection, or may finish; nothing stays behind and
// no server is blamed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { fullBacklog } from '../helpers/full-backlog.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { resources } from '../helpers/resources.ts'
import { bytes, eventually, get, startHttp2 } from './kit.ts'
import type { Gateway } from '../helpers/gateway.ts'
import type { Answer, Recorder } from '../helpers/recorder.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n'
const POST = ['POST / HTTP/1.1', 'Host: x', 'Content-Length: 200000']

/** A gateway with one group `g` of this one server. */
function start (server: string, options: Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'> = {}): Promise<Gateway> {
  return startGateway(app => { app.register(scgi, { ...options, upstreams: { name: 'g', servers: [server, { address: '127.0.0.1:1', backup: true }] } }) })
}

/** Every exchange is over, no failure is counted, the one server alone was tried. */
async function clean (gateway: Gateway): Promise<void> {
  const servers = gateway.app.scgi.groups.get('g')?.servers ?? []
  await eventually(() => servers.every(({ active }) => active === 0), 'no exchange is running')
  assert.deepEqual(servers.map(({ fails, failed }) => [fails, failed]), [[0, false], [0, false]])
}

interface Phase {
  readonly answer: Answer
  readonly options?: Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'>
  /** Brings the request to the phase. */
  act (client: RawClient, recorder: Recorder): Promise<void>
  /** The application has heard of the request. */
  readonly heard: boolean
  /** The application cannot finish, whatever it is allowed. */
  readonly unfinished?: boolean
}

/** An application that goes on when it is let, and tells how it ended. */
let finish = (): void => {}
let ended: Promise<'finished' | 'closed'>

function application (before: string | undefined): Answer {
  return async x => {
    if (before !== undefined) await x.write(before)
    const go = new Promise<'go'>(resolve => { finish = () => resolve('go') })
    ended = Promise.race([go, x.closed.then(() => 'closed' as const)]).then(async first => {
      if (first === 'closed') return first
      await x.write(before === undefined ? `${HEAD}late` : 'late')
      await x.end()
      return 'finished'
    })
    await ended
  }
}

const heard = async (_client: RawClient, recorder: Recorder): Promise<void> => {
  await eventually(() => recorder.requests.length > 0, 'the application has the request')
}
const headCame = async (client: RawClient): Promise<void> => { await client.until(({ head }) => head !== undefined) }

const PHASES: Record<string, Phase> = {
  'while the body is collected in memory': {
    answer: application(undefined),
    options: { requestBuffering: { memory: '1m' } },
    heard: false,
    act: async client => { await client.write(bytes(POST, 'x'.repeat(1000))) },
  },
  'while the body is spooled to a file': {
    answer: application(undefined),
    heard: false,
    act: async client => {
      const before = resources()['fd unlinked file'] ?? 0
      await client.write(bytes(POST, 'x'.repeat(150_000)))
      await eventually(() => (resources()['fd unlinked file'] ?? 0) > before, 'the file is open')
    },
  },
  'while the body is streamed': {
    answer: application(undefined),
    options: { requestBuffering: false },
    heard: true,
    unfinished: true,
    act: async (client, recorder) => {
      await client.write(bytes(POST, 'x'.repeat(1000)))
      await heard(client, recorder)
    },
  },
  'before the head': { answer: application(undefined), heard: true, act: async (client, recorder) => { await client.write(get('/')); await heard(client, recorder) } },
  'before the head of an answer to an upload': {
    answer: application(undefined),
    heard: true,
    act: async (client, recorder) => { await client.write(bytes(POST, 'x'.repeat(200_000))); await recorder.received(1) },
  },
  'between head and body': { answer: application(HEAD), heard: true, act: async client => { await client.write(get('/')); await headCame(client) } },
  'between head and body, unbuffered': {
    answer: application(HEAD), options: { buffering: false }, heard: true, act: async client => { await client.write(get('/')); await headCame(client) },
  },
  'in the body': {
    answer: application(`${HEAD}begun`), heard: true, act: async client => { await client.write(get('/')); await client.until(({ bodyLength }) => bodyLength === 5) },
  },
}

for (const [name, phase] of Object.entries(PHASES)) {
  for (const ignoreClientAbort of [false, true]) {
    test(`${name}, ignoreClientAbort ${ignoreClientAbort}`, async () => {
      await using recorder = await startRecorder({ answer: phase.answer })
      await using gateway = await start(recorder.address, { ...phase.options, ignoreClientAbort })
      const files = resources()['fd unlinked file'] ?? 0
      const client = await RawClient.connect(gateway)
      client.expect('GET')
      await phase.act(client, recorder)
      client.destroy()
      await client.closed
      if (!phase.heard) assert.equal(recorder.accepted, 0)
      else if (ignoreClientAbort && phase.unfinished !== true) {
        await eventually(() => gateway.app.server.listening, 'the gateway lives')
        finish()
        assert.equal(await ended, 'finished')
      } else assert.equal(await ended, 'closed')
      await recorder.idle()
      await clean(gateway)
      await eventually(() => (resources()['fd unlinked file'] ?? 0) <= files, 'the temporary file is closed')
      recorder.answer = `${HEAD}ok`
      assert.equal((await rawRequest(gateway, get('/'))).body.toString(), 'ok')
    })
  }
}

test('while connecting', async () => {
  await using backlog = await fullBacklog()
  for (const ignoreClientAbort of [false, true]) {
    await using gateway = await start(backlog.address, { ignoreClientAbort, connectTimeout: 300, nextUpstream: false })
    const client = await RawClient.connect(gateway)
    await client.write(get('/'))
    const servers = gateway.app.scgi.groups.get('g')?.servers ?? []
    await eventually(() => servers[0]?.active === 1, 'the connection is tried')
    client.destroy()
    await eventually(() => servers[0]?.active === 0, 'the attempt is over')
    // One that is let go on may fail by itself.
    assert.equal(servers[0]?.fails, ignoreClientAbort ? 1 : 0)
  }
})

test('while the reply is held back, because the client does not read', async () => {
  const piece = 'x'.repeat(1_000_000)
  for (const ignoreClientAbort of [false, true]) {
    for (const buffering of [true, false]) {
      let written = 0
      await using recorder = await startRecorder({
        answer: async x => {
          await x.write(HEAD)
          for (; written < 30; written++) await x.write(piece)
          await x.end()
        },
      })
      await using gateway = await start(recorder.address, { ignoreClientAbort, buffering })
      const client = await RawClient.connect(gateway, { keepBodies: false })
      client.expect('GET')
      await client.write(get('/'))
      await client.until(({ head }) => head !== undefined)
      client.socket.pause()
      let last = -1
      await eventually(() => { const still = written === last; last = written; return still }, 'the application stands still')
      client.destroy()
      await recorder.idle()
      assert.equal(written === 30, ignoreClientAbort)
      await clean(gateway)
    }
  }
})

test('over HTTP/2: a stream that is reset, and a session that goes', async () => {
  for (const ignoreClientAbort of [false, true]) {
    for (const whole of [false, true]) {
      await using recorder = await startRecorder({ answer: application(HEAD) })
      await using http2 = await startHttp2({ upstreams: recorder.address, ignoreClientAbort })
      const stream = http2.client.session.request({ ':path': '/' })
      stream.on('error', () => {})
      await new Promise(resolve => stream.once('response', resolve))
      if (whole) http2.client.session.destroy()
      else stream.close(8)
      if (ignoreClientAbort) {
        await new Promise(resolve => stream.once('close', resolve))
        finish()
      }
      assert.equal(await ended, ignoreClientAbort ? 'finished' : 'closed')
      await recorder.idle()
    }
  }
})

test('a client that pipelines and goes leaves nothing', async () => {
  await using recorder = await startRecorder({ answer: application(undefined) })
  await using gateway = await start(recorder.address)
  const client = await RawClient.connect(gateway)
  await client.write(Buffer.concat([get('/'), get('/'), get('/')]))
  await heard(client, recorder)
  client.destroy()
  await recorder.idle()
  await clean(gateway)
})
