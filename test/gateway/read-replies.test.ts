// A hook that reads the body of a reply that it leaves in its place: the client gets all of it, or an error. Never the rest as the whole.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import scgi, { createCache, type FastifyScgiOptions } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { pattern } from '../cache/store-kit.ts'
import { bytes, eventually, get, startHttp2 } from './kit.ts'
import type { FastifyInstance } from 'fastify'

const BODY = pattern(200_000, 3)
const LENGTH = `Content-Length: ${BODY.length}\r\n`
const CONSUMED = [500, 'FST_SCGI_REPLY_CONSUMED']

interface Case {
  readonly act: (payload: Readable) => unknown
  readonly fails?: true
}

const cases: Record<string, Case> = {
  'listens, and goes on later': {
    fails: true,
    act: async payload => {
      payload.on('data', () => {})
      await once(payload, 'data')
    },
  },
  'waits for the first piece': { fails: true, act: async payload => { await once(payload, 'data') } },
  'reads all of it': { fails: true, act: async payload => { await once(payload.resume(), 'end') } },
  'puts back what it reads': {
    act: async payload => {
      if (payload.readableLength === 0) await once(payload, 'readable')
      payload.unshift(payload.read())
    },
  },
  'gives a copy on': {
    act: async payload => payload.on('data', () => {}).pipe(new PassThrough()),
  },
}

/** Adds the hook of a case, unless the reply is an error. */
function addHook (app: FastifyInstance, { act }: Case): void {
  app.addHook('onSend', async (_request, reply, payload) => {
    if (reply.statusCode >= 400 || !(payload instanceof Readable)) return payload
    return await act(payload) ?? payload
  })
}

type Mount = Omit<FastifyScgiOptions, 'upstreams'>
interface Way {
  readonly head?: (dir: string) => string
  readonly mount?: (dir: string) => Mount
  readonly headers?: string[]
  readonly expected?: Buffer
  readonly times?: number
  /** Hooks before the plugin do not see the body. */
  readonly late?: true
}

const sized = (): string => LENGTH
const ways: Record<string, Way> = {
  'read ahead': { head: sized },
  'read ahead, of no known length': {},
  'not buffered': { head: sized, mount: () => ({ buffering: false }) },
  'a hit on the disk': {
    head: sized,
    mount: path => ({ cache: { zone: createCache({ name: 'read', path, storeTimeout: '30s' }), valid: '1h' } }),
    times: 2,
  },
  'a file': { head: path => `X-Sendfile: ${path}/file\r\n`, mount: path => ({ sendfile: { header: 'X-Sendfile', root: path } }), late: true },
  'a range of it': { head: sized, mount: () => ({ forceRanges: true }), headers: ['Range: bytes=9-150008'], expected: BODY.subarray(9, 150_009) },
}

for (const [way, { head, mount, headers = [], expected = BODY, times = 1, late }] of Object.entries(ways)) {
  test(`a hook that reads a reply: ${way}`, async () => {
    for (const [what, known] of Object.entries(cases)) {
      for (const first of late === true ? [false] : [true, false]) {
        await using dir = await tempDir()
        writeFileSync(dir.file('file'), BODY)
        await using recorder = await startRecorder({ answer: Buffer.concat([Buffer.from(`${head?.(dir.path) ?? ''}Content-Type: a/b\r\n\r\n`), BODY]) })
        let active = times === 1
        const act: Case = { act: payload => active ? known.act(payload) : undefined }
        await using gateway = await startGateway(async app => {
          if (first) addHook(app, act)
          await app.register(scgi, { upstreams: recorder.address, ...mount?.(dir.path) })
          if (!first) addHook(app, act)
        })
        if (times > 1) {
          await rawRequest(gateway, get('/'))
          await eventually(() => gateway.app.scgi.caches.get('read')?.stats().entries === 1, 'stored')
          active = true
        }
        const { statusCode, body } = await rawRequest(gateway, get('/', ...headers))
        const where = `${what}, ${first ? 'before' : 'after'} the plugin`
        if (known.fails === true) assert.deepEqual([statusCode, JSON.parse(body.toString()).code], CONSUMED, where)
        // Of another stream the plugin does not know how long it is.
        else assert.ok(body.equals(first && what === 'gives a copy on' ? BODY : expected), where)
        await recorder.idle()
      }
    }
  })
}

test('the same over HTTP/2, and for onResponse', async () => {
  await using recorder = await startRecorder({ answer: Buffer.concat([Buffer.from(`${LENGTH}Content-Type: a/b\r\n\r\n`), BODY]) })
  for (const [what, { act, fails }] of Object.entries(cases)) {
    await using http2 = await startHttp2({
      upstreams: recorder.address,
      onResponse: async (_request, reply, { body }) => { reply.send(await act(body) ?? body) },
    })
    const { statusCode, body } = await http2.client.request({ ':path': '/' })
    if (fails === true) assert.deepEqual([statusCode, JSON.parse(body.toString()).code], CONSUMED, what)
    else assert.ok(body.equals(BODY), what)
  }
})

test('a hook that listens, and is not asynchronous', async () => {
  for (const buffering of [true, false]) {
    await using recorder = await startRecorder({ answer: Buffer.concat([Buffer.from(`${LENGTH}Content-Type: a/b\r\n\r\n`), BODY]) })
    const heard: Buffer[] = []
    await using gateway = await startGateway(app => {
      app.addHook('onSend', (_request, _reply, payload, done) => {
        if (payload instanceof Readable) payload.on('data', (chunk: Buffer) => heard.push(Buffer.from(chunk)))
        done(null, payload)
      })
      app.register(scgi, { upstreams: recorder.address, buffering })
    })
    const { body } = await rawRequest(gateway, bytes(['GET / HTTP/1.1', 'Host: x']))
    assert.ok(body.equals(BODY) && Buffer.concat(heard).equals(BODY))
  }
})
