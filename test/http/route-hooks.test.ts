// A reply under way goes through the hooks that its route had when it began, each once; ours are added for those after it.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { get } from '../gateway/kit.ts'
import type { FastifyReply } from 'fastify'

/** Replies that are under way on a route while its first of another kind is sent, which adds hooks of ours to it. */
const kinds: Record<string, { first: string, next: string }> = {
  'a stream, then bytes': { first: '/stream', next: '/bytes' },
  'no body, then bytes': { first: '/none', next: '/bytes' },
  'no body, then a stream': { first: '/none', next: '/stream' },
  "one of the user's own, then bytes": { first: '/own', next: '/bytes' },
  "one of the user's own, then a stream": { first: '/own', next: '/stream' },
}

for (const [what, { first, next }] of Object.entries(kinds)) {
  test(`${what}: every hook runs once for each`, async () => {
    await using recorder = await startRecorder({
      answer: async exchange => {
        const url = exchange.request.param('DOCUMENT_URI')
        if (url === '/none') await exchange.end('Status: 204 No Content\r\n\r\n')
        else if (url === '/bytes') await exchange.end('Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nbytes')
        else await exchange.end('Content-Type: text/plain\r\n\r\nstream')
      },
    })
    const ran: string[] = []
    const begun: (() => void)[] = []
    let release = (): void => {}
    const released = new Promise<void>(resolve => { release = resolve })
    const send = (reply: FastifyReply, url: string): unknown => url === '/own' ? reply.send(Readable.from(['own'])) : reply.scgi({ upstreams: recorder.address, buffering: url !== '/stream' })
    await using gateway = await startGateway(app => {
      app.register(scgi, { prefix: '/mount', upstreams: recorder.address })
      app.get('/*', (request, reply) => { send(reply, request.url) })
      for (const name of ['a', 'b', 'c']) {
        app.addHook('onSend', async ({ url }, _reply, payload) => {
          ran.push(`${name} ${url}`)
          if (name === 'b' && url === first) {
            begun.shift()?.()
            await released
          }
          return payload
        })
      }
    })
    const hasBegun = new Promise<void>(resolve => begun.push(resolve))
    await using client = await RawClient.connect(gateway)
    const answered = client.request(get(first))
    await hasBegun
    assert.equal((await rawRequest(gateway, get(next))).statusCode, 200)
    release()
    const { body } = await answered
    assert.equal(body.toString(), first === '/none' ? '' : first.slice(1))
    assert.deepEqual(ran, [`a ${first}`, `b ${first}`, `a ${next}`, `b ${next}`, `c ${next}`, `c ${first}`])
  })
}
