// A client that leaves while its request waits for a server: no attempt runs that would fill a cache or a store, so nothing is waited for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCache } from '../../lib/index.ts'
import { DnsServer } from '../helpers/dns-server.ts'
import { headerValue } from '../helpers/http-response.ts'
import { startPassing, type PassingGateway } from '../helpers/passing.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { freePort } from '../helpers/ready.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually, get } from './kit.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

type Mount = Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'>

const OK = 'Content-Length: 2\r\n\r\nok'
let caches = 0

function cache (options: object = {}): Mount {
  return { cache: { zone: createCache({ name: `w${caches++}` }), valid: '1h', statusHeader: 'X-Cache', ...options } }
}

/** Who wants the reply besides the client. */
const TAPS: Record<string, (root: string) => Mount> = { nobody: () => ({}), 'a cache': () => cache(), 'a store': root => ({ store: { root } }) }

async function connect (gateway: PassingGateway, path: string, ...headers: string[]): Promise<RawClient> {
  const client = await RawClient.connect(gateway)
  client.expect('GET')
  await client.write(get(path, ...headers))
  return client
}

/** How often an application was asked for a path. */
function had ({ requests }: Recorder, path: string): number {
  return requests.filter(request => request.param('REQUEST_URI') === path).length
}

function waiting ({ app }: PassingGateway): number | undefined {
  return app.scgi.groups.get('g')?.details().queue?.waiting
}

/** The debug line of a request that ended with its client. */
function left ({ log }: PassingGateway): boolean {
  return log.some(({ msg }) => msg === 'client closed the connection')
}

/** An application that holds `/busy` until it is let go, and a gateway that sends it one request at a time. */
async function startBusy (mount: Mount, answer = (): string => OK) {
  let free = (): void => {}
  const freed = new Promise<void>(resolve => { free = resolve })
  const recorder = await startRecorder({
    answer: async exchange => {
      if (exchange.request.param('REQUEST_URI') === '/busy') await freed
      await exchange.end(answer())
    },
  })
  const gateway = await startPassing({
    ...mount, upstreams: { name: 'g', servers: [{ address: recorder.address, maxConns: 1 }], queue: { size: 5, timeout: '60s' } },
  })
  return {
    recorder,
    gateway,
    free,
    async [Symbol.asyncDispose] () {
      free()
      await gateway.close()
      await recorder.close()
    },
  }
}

for (const [tap, mountOf] of Object.entries(TAPS)) {
  for (const ignoreClientAbort of [false, true]) {
    const what = `, ${tap} wants the reply, ignoreClientAbort ${ignoreClientAbort}`

    test(`in the queue${what}`, async () => {
      await using dir = await tempDir()
      await using busy = await startBusy({ ...mountOf(dir.path), ignoreClientAbort })
      const { recorder, gateway, free } = busy
      await using first = await connect(gateway, '/busy')
      await recorder.received(1)
      await using client = await connect(gateway, '/x')
      await eventually(() => waiting(gateway) === 1, 'it waits')
      const over = gateway.finished('/x')
      client.destroy()
      await over
      assert.deepEqual([waiting(gateway), left(gateway)], ignoreClientAbort ? [1, false] : [0, true])
      free()
      assert.equal((await first.response()).body.toString(), 'ok')
      // It waits for all that runs.
      await gateway.close()
      assert.equal(had(recorder, '/x'), ignoreClientAbort ? 1 : 0)
    })

    test(`while no server can be reached${what}`, async () => {
      await using dir = await tempDir()
      const port = await freePort()
      let attempts = (): number => 0
      await using gateway = await startPassing({
        ...mountOf(dir.path),
        ignoreClientAbort,
        upstreams: `127.0.0.1:${port}`,
        nextUpstream: { wait: '60s', interval: 100 },
        preHandler: (request, _reply, done) => { attempts = () => request.scgi?.attempts.length ?? 0; done() },
      })
      await using client = await connect(gateway, '/x')
      await eventually(() => attempts() > 0, 'an attempt has failed')
      const over = gateway.finished('/x')
      client.destroy()
      await over
      await using recorder = await startRecorder({ listen: { host: '127.0.0.1', port }, answer: OK })
      await gateway.close()
      assert.equal(had(recorder, '/x'), ignoreClientAbort ? 1 : 0)
    })
  }
}

test('while the name of its server is asked for, whoever wants the reply', async () => {
  // At once: the DNS is asked again only after a while.
  await Promise.all(Object.entries(TAPS).map(async ([tap, mountOf]) => {
    await using dir = await tempDir()
    await using dns = await DnsServer.start()
    await using recorder = await startRecorder({ answer: OK })
    const address = `app.test:${recorder.address.split(':')[1]}`
    await using gateway = await startPassing({
      ...mountOf(dir.path), upstreams: () => address, allowAnyUpstream: true, resolver: { servers: [dns.address], family: 4 },
    })
    dns.set('A', 'app.test', 'silence')
    await using client = await connect(gateway, '/x')
    await dns.askedFor('A app.test', 1)
    const over = gateway.finished('/x')
    client.destroy()
    await over
    dns.set('A', 'app.test', ['127.0.0.1'])
    assert.equal((await gateway.send('GET', '/y')).response.statusCode, 200)
    await gateway.close()
    assert.deepEqual([tap, had(recorder, '/x'), had(recorder, '/y')], [tap, 0, 1])
  }))
})

test('those who wait for its reply go on without it', async () => {
  await using busy = await startBusy(cache({ lock: true }))
  const { recorder, gateway, free } = busy
  await using first = await connect(gateway, '/busy')
  await recorder.received(1)
  await using leaving = await connect(gateway, '/x')
  await eventually(() => waiting(gateway) === 1, 'it waits')
  await using staying = await connect(gateway, '/x')
  const over = gateway.finished('/x')
  leaving.destroy()
  await over
  await eventually(() => waiting(gateway) === 1, 'the other one waits in its place')
  free()
  assert.equal((await first.response()).statusCode, 200)
  assert.equal(headerValue(await staying.response(), 'x-cache'), 'MISS')
  assert.equal(had(recorder, '/x'), 1)
})

test('a 304 that says nothing is not asked about again, if that had to wait', async () => {
  const answers = [`ETag: "a"\r\n${OK}`, 'Status: 304\r\n\r\n']
  await using recorder = await startRecorder()
  let answer = (): void => {}
  const answered = new Promise<void>(resolve => { answer = resolve })
  recorder.answer = async exchange => {
    if (exchange.index === 1) await answered
    await exchange.end(answers[exchange.index] ?? OK)
  }
  await using gateway = await startPassing({
    ...cache({ revalidate: true, lock: false }),
    upstreams: { name: 'g', servers: [{ address: recorder.address, maxConns: 1 }], queue: { size: 5, timeout: '60s' } },
  })
  assert.equal((await gateway.send('GET', '/x')).response.statusCode, 200)
  for (const zone of gateway.app.scgi.caches) await zone.purge({ glob: '*' }, { soft: true })
  await using leaving = await connect(gateway, '/x', 'If-None-Match: "b"')
  await recorder.received(2)
  assert.equal(recorder.requests[1]?.param('HTTP_IF_NONE_MATCH'), '"a", "b"')
  await using next = await connect(gateway, '/other')
  await eventually(() => waiting(gateway) === 1, 'the next one waits')
  const over = gateway.finished('/x')
  leaving.destroy()
  await over
  answer()
  assert.equal((await next.response()).statusCode, 200)
  await gateway.close()
  assert.deepEqual([had(recorder, '/x'), had(recorder, '/other')], [2, 1])
})
