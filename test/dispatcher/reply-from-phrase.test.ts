import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Script } from '../helpers/recorder.ts'

interface Row {
  name: string
  /** Answers one after the other; the last for all that follow. `undefined` closes without one. */
  answers: (string | undefined)[]
  handler: (reply: FastifyReply) => FastifyReply
  setup?: (app: FastifyInstance) => void
  line: string
  /** Headers that are not to be there. */
  without?: string[]
}

const NOT_FOUND = 'Status: 404 No Such Item\r\nContent-Type: text/plain\r\nETag: "1"\r\nContent-Encoding: x\r\n\r\nabc'
const BUSY = 'Status: 503 Busy\r\nContent-Type: text/plain\r\nETag: "1"\r\n\r\nabc'
const PLAIN = 'Content-Type: text/plain\r\n\r\nabc'
/** Asks again once, and soon. */
const retryDelay = ({ attempt }: { attempt: number }): number | null => attempt === 0 ? 1 : null

const ROWS: Row[] = [
  { name: 'as the application has it', answers: [NOT_FOUND], handler: reply => reply.from('/x'), line: '404 No Such Item' },
  {
    name: 'onResponse sends the body',
    answers: [NOT_FOUND],
    handler: reply => reply.from('/x', { onResponse: (_request, _own, response) => reply.send(response.stream) }),
    line: '404 No Such Item',
  },
  {
    name: 'onResponse sends another status and body',
    answers: [NOT_FOUND],
    handler: reply => reply.from('/x', {
      onResponse: (_request, _own, response) => {
        response.stream.destroy()
        reply.code(502).send('other')
      },
    }),
    line: '502 Bad Gateway',
    without: ['etag', 'content-encoding'],
  },
  {
    name: 'an onSend hook changes the status',
    answers: [NOT_FOUND],
    handler: reply => reply.from('/x'),
    setup: app => { app.addHook('onSend', async (_request, reply) => { reply.code(410) }) },
    line: '410 Gone',
  },
  {
    name: 'a phrase of the hook',
    answers: [NOT_FOUND],
    handler: reply => reply.from('/x', {
      onResponse: (_request, _own, response) => {
        reply.raw.statusMessage = 'Mine'
        reply.code(410).send(response.stream)
      },
    }),
    line: '410 Mine',
  },
  { name: 'asked again, no phrase', answers: [BUSY, 'Status: 200\r\n' + PLAIN], handler: reply => reply.from('/x', { retryDelay }), line: '200 OK' },
  { name: 'asked again, no Status', answers: [BUSY, PLAIN], handler: reply => reply.from('/x', { retryDelay }), line: '200 OK' },
  { name: 'asked again, nobody answers', answers: [BUSY, undefined], handler: reply => reply.from('/x', { retryDelay }), line: '502 Bad Gateway' },
  {
    name: 'another reply is asked for',
    answers: [NOT_FOUND, PLAIN],
    handler: reply => reply.from('/x', {
      onResponse: (_request, _own, response) => {
        response.stream.destroy()
        reply.from('/y')
      },
    }),
    line: '200 OK',
    without: ['etag', 'content-encoding'],
  },
  {
    name: 'another reply is asked for, and there is none',
    answers: [NOT_FOUND, undefined],
    handler: reply => reply.from('/x', {
      onResponse: (_request, _own, response) => {
        response.stream.destroy()
        reply.from('/y')
      },
    }),
    line: '502 Bad Gateway',
    without: ['etag', 'content-encoding'],
  },
]

test('the reason phrase of the application goes with its own status alone, as do the headers of its body', async () => {
  for (const { name, answers, handler, setup, line, without = [] } of ROWS) {
    let asked = 0
    const answer: Script = async exchange => {
      const text = answers[Math.min(asked++, answers.length - 1)]
      if (text === undefined) exchange.reset()
      else await exchange.end(text)
    }
    await using server = await startRecorder({ answer })
    await using gateway = await startGateway(async app => {
      setup?.(app)
      await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: server.address })
      app.get('/from', (_request, reply) => handler(reply))
    })
    await using client = await RawClient.connect({ port: gateway.port })
    const reply = await client.request('GET /from HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.equal(`${reply.statusCode} ${reply.reason}`, line, name)
    assert.equal(asked, answers.length, name)
    for (const header of without) assert.equal(reply.headers.some(([each]) => each.toLowerCase() === header), false, `${name}: ${header}`)
  }
})
