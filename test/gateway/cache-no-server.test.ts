// No server could take the request, for whatever reason: to the cache that is one failure, and an expired entry may answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCache } from '../../lib/index.ts'
import { headerValue } from '../helpers/http-response.ts'
import { startPassing } from '../helpers/passing.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { eventually, get } from './kit.ts'
import type { FastifyScgiOptions, GroupOptions } from '../../types/index.ts'

interface Refusal {
  readonly code: string
  readonly group?: Omit<GroupOptions, 'servers'>
  readonly mount?: Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'>
  /** So many others wait in the queue. */
  readonly waiting?: number
}

const REFUSALS: Record<string, Refusal> = {
  'no queue': { code: 'FST_SCGI_NO_LIVE_UPSTREAMS' },
  'a full queue': { code: 'FST_SCGI_QUEUE_FULL', group: { queue: { size: 1, timeout: '60s' } }, waiting: 1 },
  'a queue that takes too long': { code: 'FST_SCGI_QUEUE_TIMEOUT', group: { queue: { size: 1, timeout: 20 } } },
  'a wait that is over': { code: 'FST_SCGI_NO_LIVE_UPSTREAMS', mount: { nextUpstream: { wait: 20, interval: 10 } } },
  'a session whose server is busy': { code: 'FST_SCGI_NO_FAILOVER', group: { sticky: { apache: { param: 'sid' }, failover: false } } },
}

for (const [name, { code, group, mount, waiting = 0 }] of Object.entries(REFUSALS)) {
  test(`an expired entry answers instead of the error: ${name}`, async () => {
    let free = (): void => {}
    const freed = new Promise<void>(resolve => { free = resolve })
    await using recorder = await startRecorder({
      answer: async exchange => {
        if (exchange.request.param('REQUEST_URI')?.startsWith('/busy') === true) await freed
        await exchange.end('Content-Length: 2\r\n\r\nok')
      },
    })
    const zone = createCache({ name: `no server: ${name}` })
    await using gateway = await startPassing({
      ...mount,
      upstreams: { name: 'g', ...group, servers: [{ address: recorder.address, maxConns: 1, route: 'a' }] },
      cache: { zone, valid: { 200: '1h', 502: '10s', 503: '10s' }, useStale: ['error'], statusHeader: 'X-Cache' },
    })
    const ask = async (path: string): Promise<[status: number, cache: string | undefined, code: string | undefined]> => {
      const { response, error } = await gateway.send('GET', path)
      return [response.statusCode, headerValue(response, 'x-cache'), error?.code]
    }
    assert.deepEqual(await ask('/page?sid=x.a'), [200, 'MISS', undefined])
    await zone.purge({ glob: '*' }, { soft: true })
    const [server] = gateway.servers('g')
    const busy: RawClient[] = []
    for (let count = 0; count <= waiting; count++) {
      const client = await RawClient.connect(gateway)
      busy.push(client)
      client.expect('GET')
      await client.write(get(`/busy${count}`))
      await eventually(() => server?.active === 1 && (gateway.app.scgi.groups.get('g')?.details().queue?.waiting ?? 0) === count, 'the server is busy')
    }
    assert.deepEqual(await ask('/page?sid=x.a'), [200, 'STALE', undefined])
    // The error is what others get, who have no entry.
    const [status, cache, refusal] = await ask('/other?sid=x.a')
    assert.deepEqual([status, cache, refusal], [code === 'FST_SCGI_NO_FAILOVER' ? 503 : 502, 'MISS', code])
    free()
    await Promise.all(busy.map(client => client.response()))
    assert.deepEqual(await ask('/page?sid=x.a'), [200, 'EXPIRED', undefined])
    for (const client of busy) client.destroy()
  })
}
